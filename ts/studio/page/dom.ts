/** Elements of the page. Text of the server's only ever becomes text: nothing here parses HTML. */

type Child = Node | string

interface Properties {
  readonly class?: string
  readonly on?: (event: Event) => void
  readonly [attribute: string]: string | boolean | ((event: Event) => void) | undefined
}

/** Makes an element; `on` listens to its click, or to the submission of a form. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(tag === 'form' ? 'submit' : 'click', value)
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children)
  return element
}

/** Makes an element of SVG. */
export function svg(tag: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  if (text !== undefined) element.textContent = text
  return element
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T
}

/** Sets a text where it differs: what has the focus, or is being read, stays. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/** Children of a container by keys: what stays is updated in place, in the order of the items. */
export class Keyed<Item, E extends Element> {
  readonly #container: Element
  readonly #create: (item: Item) => E
  readonly #update: (element: E, item: Item) => void
  readonly #elements = new Map<string, E>()

  constructor(container: Element, create: (item: Item) => E, update: (element: E, item: Item) => void) {
    this.#container = container
    this.#create = create
    this.#update = update
  }

  show(items: readonly Item[], keyOf: (item: Item) => string): void {
    const gone = new Set(this.#elements.keys())
    let at: Element | null = this.#container.firstElementChild
    for (const item of items) {
      const key = keyOf(item)
      gone.delete(key)
      let element = this.#elements.get(key)
      if (element === undefined) {
        element = this.#create(item)
        this.#elements.set(key, element)
      }
      this.#update(element, item)
      if (element === at) at = at.nextElementSibling
      else this.#container.insertBefore(element, at)
    }
    for (const key of gone) {
      this.#elements.get(key)?.remove()
      this.#elements.delete(key)
    }
  }
}
