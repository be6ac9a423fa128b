/** The keys of the page, and the dialog that lists them. */

import { byId, h } from './dom.js'
import { turnTheme } from './theme.js'

export interface KeysHost {
  /** Turns the page of the table. */
  turn(by: number): void
  /** Moves the focus by rows. */
  move(by: number): void
  /** Closes the view of a route. */
  close(): unknown
}

const HELP: readonly (readonly [string, string])[] = [
  ['/', 'search routes'],
  ['j, k', 'next and previous route'],
  ['Enter', 'open the route'],
  ['Esc', 'close the route'],
  ['n, p', 'next and previous page'],
  ['t', 'light or dark'],
  ['g', 'to the top'],
]

function showHelp(): void {
  const dialog = byId<HTMLDialogElement>('dialog')
  dialog.onclose = null
  dialog.replaceChildren(
    h('h2', { id: 'h-dialog' }, 'Keys'),
    h(
      'table',
      {},
      ...HELP.map(([key, text]) => h('tr', {}, h('td', {}, h('kbd', {}, key)), h('td', { class: 'text' }, text))),
    ),
    h('div', { class: 'row' }, h('button', { type: 'button', on: () => dialog.close() }, 'Close')),
  )
  dialog.showModal()
}

export function setUpKeys(host: KeysHost): void {
  const runs: Readonly<Record<string, () => void>> = {
    '/': () => byId('q').focus(),
    j: () => host.move(1),
    k: () => host.move(-1),
    n: () => host.turn(1),
    p: () => host.turn(-1),
    t: turnTheme,
    g: () => scrollTo(0, 0),
    '?': showHelp,
  }
  byId('help').addEventListener('click', showHelp)
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId<HTMLDialogElement>('dialog').open) return
    const { target, key } = event
    if (key === 'Escape') {
      host.close()
      return
    }
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return
    const run = Object.hasOwn(runs, key) ? runs[key] : undefined
    if (run === undefined) return
    event.preventDefault()
    run()
  })
}
