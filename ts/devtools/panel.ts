/** The custom element `<atrion-panel>`: Studio's page in a frame, for any page. */

import { optionError } from '../hooks/check.js'

export const PANEL_TAG = 'atrion-panel'
/** The path that Studio is served under by default. */
const DEFAULT_SRC = '/atrion'
/**
 * The sandbox of a frame of another origin: scripts and forms, but no windows and no access to the page around it. A frame of the same origin
 * could remove a sandbox, and has none.
 */
const SANDBOX = 'allow-scripts allow-same-origin allow-forms'

/** The address of Studio's page, absolute where there is a document. @throws for what is no http address: a script, for one */
export function studioUrl(src: unknown = DEFAULT_SRC): string {
  const base = typeof document === 'undefined' ? 'http://localhost' : document.baseURI
  const url = typeof src === 'string' && src !== '' && URL.canParse(src, base) ? new URL(src, base) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw optionError('src', "the path or the http address of Studio, as '/atrion'", src)
  }
  return typeof document === 'undefined' ? (src as string) : url.href
}

/** The class is made where there are elements: a server that renders a page loads this file, too. */
const createPanel = (): CustomElementConstructor =>
  class AtrionPanel extends HTMLElement {
    static readonly observedAttributes = ['src']

    connectedCallback(): void {
      this.#show()
    }

    disconnectedCallback(): void {
      // A frame that is removed from the document keeps no stream open.
      this.shadowRoot?.replaceChildren()
    }

    attributeChangedCallback(): void {
      if (this.isConnected) this.#show()
    }

    #show(): void {
      const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' })
      const frame = document.createElement('iframe')
      try {
        frame.src = studioUrl(this.getAttribute('src') ?? undefined)
      } catch (error) {
        root.replaceChildren((error as Error).message)
        return
      }
      frame.title = 'Atrion Studio'
      frame.referrerPolicy = 'no-referrer'
      if (new URL(frame.src).origin !== location.origin) frame.setAttribute('sandbox', SANDBOX)
      frame.style.cssText = 'display:block;border:0;width:100%;height:100%;min-height:inherit'
      if (this.style.display === '') this.style.display = 'block'
      if (this.style.minHeight === '') this.style.minHeight = '480px'
      root.replaceChildren(frame)
    }
  }

/** Defines `<atrion-panel>` in this document, once. The import of `atrion/devtools` does it, too; on a server it does nothing. */
export function definePanel(): void {
  if (typeof customElements === 'undefined' || customElements.get(PANEL_TAG) !== undefined) return
  customElements.define(PANEL_TAG, createPanel())
}
