/**
 * Names of routes as labels: at most 200 at a time, the busiest that there are when a place is free; all other routes are `other`. A
 * route keeps its label for as long as it is there, so that its totals never move.
 */

/** Most routes with a label of their own. */
export const MOST_LABELS = 200
/** The label of all others. */
export const OTHER = 'other'

/** Characters of a name that are kept. */
const LONGEST_LABEL = 200

/** Control characters, and halves of pairs: neither is text that every exporter and store takes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant
const NO_TEXT = /[\x00-\x1f\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const textOf = (routeId: string): string => {
  const text = routeId.slice(0, LONGEST_LABEL).replace(NO_TEXT, '\ufffd')
  return routeId.length > LONGEST_LABEL ? `${text}…` : text
}

export class Labels {
  readonly #labels = new Map<string, string>()
  readonly #taken = new Set<string>([OTHER])

  /** The label of a route. */
  of(routeId: string): string {
    return this.#labels.get(routeId) ?? OTHER
  }

  /** The same; one that has none gets one while there are. */
  claim(routeId: string): string {
    const label = this.#labels.get(routeId)
    if (label !== undefined) return label
    if (this.#labels.size >= MOST_LABELS) return OTHER
    this.#name(routeId)
    return this.#labels.get(routeId)!
  }

  /** Drops the labels of routes that have gone, and gives free ones to the busiest. @param busyOf tells how busy route `i` is */
  renew(routes: readonly string[], busyOf: (i: number) => number): void {
    const gone = new Map(this.#labels)
    for (const routeId of routes) gone.delete(routeId)
    for (const [routeId, label] of gone) {
      this.#labels.delete(routeId)
      this.#taken.delete(label)
    }
    const free = MOST_LABELS - this.#labels.size
    if (free <= 0 || routes.length === this.#labels.size) return
    const unnamed: { readonly routeId: string; readonly busy: number }[] = []
    for (const [i, routeId] of routes.entries()) {
      if (!this.#labels.has(routeId)) unnamed.push({ routeId, busy: busyOf(i) })
    }
    if (unnamed.length > free) unnamed.sort((a, b) => b.busy - a.busy)
    for (const { routeId } of unnamed.slice(0, free)) this.#name(routeId)
  }

  /** Two names that are the same as text get labels that are not. */
  #name(routeId: string): void {
    const text = textOf(routeId)
    let label = text
    for (let n = 2; this.#taken.has(label); n++) label = `${text} (${n})`
    this.#taken.add(label)
    this.#labels.set(routeId, label)
  }
}
