/** Registers the panel as a plugin of TanStack Devtools and as a tab of Vue Devtools, of which neither is imported. */

import { checkNames, optionError, optionOf } from '../hooks/check.js'
import { definePanel, PANEL_TAG, studioUrl } from './panel.js'

/** Options of a panel. */
export interface PanelOptions {
  /** The path or the http address of Studio. Default '/atrion'. */
  readonly src?: string
}

/** A plugin of TanStack Devtools, of its core and of its adapters for React, Preact and Solid. */
export interface TanStackPlugin {
  readonly id: string
  readonly name: string
  /** Puts the panel into an element of the devtools: an HTMLElement, a type that a configuration of Vite on Node may not have. */
  // biome-ignore lint/suspicious/noExplicitAny: each adapter of the devtools wants a result of its own type, and uses none
  readonly render: (element: any) => any
}

/** A custom tab of Vue Devtools 7 and 8. */
export interface VueTab {
  readonly name: string
  readonly title: string
  readonly icon: string
  readonly view: { readonly type: 'iframe'; readonly src: string }
  readonly category: 'advanced'
}

const NAMES = ['src']

function srcOf(options: PanelOptions): string {
  checkNames(options, NAMES)
  return studioUrl(optionOf(options, 'src'))
}

/**
 * Makes a plugin of TanStack Devtools: `plugins: [tanstackPlugin({ src: '/atrion' })]`.
 * @throws a ConfigError for an option that is unknown, and for a `src` that is no http address
 */
export function tanstackPlugin(options: PanelOptions = {}): TanStackPlugin {
  const src = srcOf(options)
  return {
    id: 'atrion',
    name: 'Atrion',
    render: (element: HTMLElement) => {
      definePanel()
      const [shown] = element.children
      // It is called again for a change of theme: the page in the frame goes on.
      if (shown?.localName === PANEL_TAG && shown.getAttribute('src') === src) return null
      const panel = document.createElement(PANEL_TAG)
      panel.setAttribute('src', src)
      panel.style.height = '100%'
      element.replaceChildren(panel)
      return null
    },
  }
}

/**
 * Adds a tab to Vue Devtools by the function of its own: `addVueTab(addCustomTab, { src: '/atrion' })`, with `addCustomTab` of
 * `@vue/devtools-api`, version 7 or 8.
 * @throws a ConfigError for what is no function, an option that is unknown, and a `src` that is no http address
 */
export function addVueTab(addCustomTab: (tab: VueTab) => unknown, options: PanelOptions = {}): void {
  if (typeof addCustomTab !== 'function') {
    throw optionError('addCustomTab', 'the function of @vue/devtools-api', addCustomTab)
  }
  const src = srcOf(options)
  addCustomTab({ name: 'atrion', title: 'Atrion', icon: 'speed', view: { type: 'iframe', src }, category: 'advanced' })
}
