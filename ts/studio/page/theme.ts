/** Light and dark: as the system has it, until it is chosen here. */

import { byId, setAttribute, setText } from './dom.js'

const KEY = 'atrion-theme'
const root = document.documentElement
const prefersDark = matchMedia('(prefers-color-scheme: dark)')

/** The choice of this browser; a browser without a store has none. */
function chosen(theme?: string): string | null {
  try {
    if (theme !== undefined) localStorage.setItem(KEY, theme)
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

function set(theme: string): void {
  setAttribute(root, 'data-theme', theme)
  setText(byId('theme'), theme === 'dark' ? 'Light' : 'Dark')
}

const follow = (): void => set(chosen() ?? (prefersDark.matches ? 'dark' : 'light'))

export function turnTheme(): void {
  const theme = root.dataset.theme === 'dark' ? 'light' : 'dark'
  chosen(theme)
  set(theme)
}

export function setUpTheme(): void {
  follow()
  prefersDark.addEventListener('change', follow)
  byId('theme').addEventListener('click', turnTheme)
}
