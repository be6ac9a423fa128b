/** The table of routes: rows stay where they are while their figures change; searched, sorted and paged by the server. */

import type { RouteList, RouteRow } from '../protocol.js'
import { byId, h, Keyed, setAttribute, setText } from './dom.js'
import {
  CAUSE_TEXTS,
  count,
  duration,
  inFlightText,
  LEVEL_SIGNS,
  LEVEL_TEXTS,
  MODE_TEXTS,
  ohms,
  share,
} from './text.js'

/** Columns: heading, class, and text of a row. */
const COLUMNS: readonly (readonly [string, string, (row: RouteRow) => string])[] = [
  [
    'Why',
    'text says',
    ({ says, cause, limitedBy }) =>
      cause === 'demand' && limitedBy !== null ? `${says} (${CAUSE_TEXTS[limitedBy] ?? limitedBy})` : says,
  ],
  ['Success', '', ({ success }) => share(success)],
  ['Admitted/s', '', ({ admittedPerS }) => count(admittedPerS)],
  ['Refused/s', '', ({ shedPerS }) => count(shedPerS)],
  ['Failed/s', '', ({ failedPerS }) => count(failedPerS)],
  ['In flight', '', ({ inFlight, limit }) => inFlightText(inFlight, limit)],
  ['p50', '', ({ p50Ms }) => duration(p50Ms)],
  ['p99', '', ({ p99Ms }) => duration(p99Ms)],
  ['R', '', ({ resistance }) => ohms(resistance)],
  ['Breaker', 'text', ({ mode, order }) => (order === null ? (MODE_TEXTS[mode] ?? mode) : `ordered ${order}`)],
]

export interface TableHost {
  open(key: string): void
  page(page: number): void
}

export class Table {
  readonly #host: TableHost
  readonly #rows: Keyed<RouteRow, HTMLTableRowElement>
  readonly #body = h('tbody')
  readonly #back: HTMLButtonElement
  readonly #next: HTMLButtonElement
  readonly #where = h('span', { class: 'quiet' })
  #list: RouteList = { keys: [], total: 0, matched: 0, page: 0, pages: 1 }
  current: string | undefined

  constructor(host: TableHost) {
    this.#host = host
    const heads = ['State', 'Route', ...COLUMNS.map(([head]) => head)]
    const headOf = (text: string, i: number): HTMLElement =>
      h('th', { scope: 'col', role: 'columnheader', class: i < 3 || i > 10 ? 'text' : '' }, text)
    const head = h('tr', { role: 'row' }, ...heads.map(headOf))
    // On a phone rows are laid out as no table is: their roles stay.
    setAttribute(byId('table'), 'role', 'table')
    byId('table').append(h('caption', { class: 'unseen' }, 'Routes and how they are'), h('thead', {}, head), this.#body)
    this.#back = h('button', { type: 'button', on: () => this.turn(-1) }, '← Back')
    this.#next = h('button', { type: 'button', on: () => this.turn(1) }, 'Next →')
    byId('paging').append(this.#back, ' ', this.#where, ' ', this.#next)
    this.#rows = new Keyed(this.#body, (row) => this.#create(row), update)
  }

  show(list: RouteList, rowOf: (key: string) => RouteRow | undefined): void {
    this.#list = list
    const rows = list.keys.map(rowOf).filter((row) => row !== undefined)
    this.#rows.show(rows, ({ key }) => key)
    for (const row of this.#body.children) {
      setAttribute(row, 'aria-current', String(row.getAttribute('data-key') === this.current))
    }
    setText(
      byId('matched'),
      list.matched === list.total ? `${list.total} routes` : `${list.matched} of ${list.total} routes`,
    )
    setText(this.#where, `${list.page + 1} of ${list.pages}`)
    this.#back.disabled = list.page === 0
    this.#next.disabled = list.page + 1 >= list.pages
    byId('paging').hidden = list.pages === 1
  }

  turn(by: number): void {
    const page = this.#list.page + by
    if (page >= 0 && page < this.#list.pages) this.#host.page(page)
  }

  /** Moves the focus by rows. */
  move(by: number): void {
    const buttons = [...this.#body.querySelectorAll<HTMLButtonElement>('button')]
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement)
    buttons[Math.max(0, Math.min(buttons.length - 1, at + by))]?.focus()
  }

  #create(row: RouteRow): HTMLTableRowElement {
    const name = h('button', { type: 'button', class: 'plain', on: () => this.#host.open(row.key) })
    const cells = COLUMNS.map(([label, kind]) => h('td', { class: kind, role: 'cell', 'data-label': label }))
    const state = h('td', { role: 'cell' }, h('span', { class: 'badge' }))
    return h(
      'tr',
      { role: 'row', 'data-key': row.key },
      state,
      h('td', { class: 'name text', role: 'cell' }, name),
      ...cells,
    )
  }
}

function update(element: HTMLTableRowElement, row: RouteRow): void {
  const [state, name, ...cells] = element.children
  setAttribute(element, 'class', `is-${row.level}`)
  const badge = state!.firstElementChild!
  setText(badge, `${LEVEL_SIGNS[row.level]} ${LEVEL_TEXTS[row.level]}`)
  setAttribute(badge, 'class', `badge ${row.level}`)
  setText(name!.firstElementChild!, row.name)
  for (const [i, cell] of cells.entries()) setText(cell, COLUMNS[i]![2](row))
}
