/** The view of one route: why R is what it is, whether it is getting better, and what may be done. */

import type { Hello, History, RouteDetail, RouteRow } from '../protocol.js'
import { byId, h, Keyed, setAttribute, setText } from './dom.js'
import { type Act, configureForm, overrideForm } from './may.js'
import { beginOf, columnOf, draw, type Series } from './plot.js'
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
  TERM_TEXTS,
} from './text.js'

const TERMS = Object.keys(TERM_TEXTS)
type Figure = readonly [name: string, value: string]

/** A list of figures that is updated in place. */
export class Figures {
  readonly #items: Keyed<Figure, HTMLDivElement>

  constructor(container: HTMLElement) {
    this.#items = new Keyed(
      container,
      ([name]) => h('div', {}, h('dt', {}, name), h('dd')),
      (element, [, value]) => {
        setText(element.lastElementChild!, value.replace(/^!/, ''))
        setAttribute(element.lastElementChild!, 'class', value.startsWith('!') ? 'bad' : '')
      },
    )
  }

  /** Shows figures; a value that begins with '!' stands out. */
  show(figures: readonly Figure[]): void {
    this.#items.show(figures, ([name]) => name)
  }
}

/** Bars of rates by cause. */
export function bars(container: HTMLElement): (rates: Readonly<Record<string, number>>) => void {
  const items = new Keyed<readonly [string, number, number], HTMLDivElement>(
    container,
    ([name]) =>
      h(
        'div',
        { class: 'bar' },
        h('span', {}, CAUSE_TEXTS[name] ?? name),
        h('div', { 'aria-hidden': 'true' }, h('i')),
        h('span'),
      ),
    (element, [, rate, most]) => {
      const filled = element.querySelector('i')!
      filled.style.width = `${Math.round((100 * rate) / most)}%`
      setText(element.lastElementChild!, `${count(rate)}/s`)
    },
  )
  const none = h('p', { class: 'quiet' }, 'Nothing is refused.')
  container.append(none)
  return (rates) => {
    const sorted = Object.entries(rates).sort((a, b) => b[1] - a[1])
    const most = sorted[0]?.[1] ?? 1
    none.hidden = sorted.length > 0
    items.show(
      sorted.map(([name, rate]) => [name, rate, most] as const),
      ([name]) => name,
    )
  }
}

export class Detail {
  readonly #section = byId('detail')
  readonly #act: Act
  #key: string | undefined
  #figures: Figures | undefined
  #bars: ((rates: Readonly<Record<string, number>>) => void) | undefined
  #plot: HTMLElement | undefined
  #title: HTMLElement | undefined
  #state: HTMLElement | undefined
  #history: History | undefined
  #points: (number | null)[][] = []

  constructor(act: Act) {
    this.#act = act
  }

  /** Opens the view of a route, without its figures yet. */
  open(key: string, hello: Hello | undefined, close: () => void): void {
    this.#key = key
    this.#history = undefined
    this.#points = []
    this.#title = h('span')
    this.#state = h('p')
    const figures = h('dl', { class: 'figures' })
    const causes = h('div')
    this.#plot = h('figure')
    const may = h('div')
    if (hello?.role === 'write') may.append(overrideForm(key, this.#act), configureForm(key, this.#act))
    else
      may.append(
        h('p', { class: 'quiet' }, 'You may read only: orders and settings need the role ‘write’ of authorize.'),
      )
    const head = h('div', { class: 'row' })
    const heading = h('h2', { id: 'h-detail' }, 'Route: ', this.#title)
    head.append(
      heading,
      h('span', { class: 'grow' }),
      h('button', { type: 'button', on: close }, 'Close ', h('kbd', {}, 'Esc')),
    )
    this.#section.replaceChildren(
      head,
      this.#state,
      figures,
      h(
        'div',
        { class: 'columns' },
        this.#plot,
        h('div', {}, h('h3', {}, 'Refused, by cause'), causes, h('h3', {}, 'What may I do?'), may),
      ),
    )
    this.#figures = new Figures(figures)
    this.#bars = bars(causes)
    this.#section.hidden = false
  }

  close(): void {
    this.#key = undefined
    this.#section.hidden = true
    this.#section.replaceChildren()
  }

  get key(): string | undefined {
    return this.#key
  }

  /** Takes over a history. */
  recall(history: History | undefined): void {
    this.#history = history ?? { columns: TERMS, points: [] }
    this.#points = this.#history.points.map((point) => [...point])
  }

  show(detail: RouteDetail | undefined, row: RouteRow | undefined, minutes: number, marks: readonly number[]): void {
    if (detail === undefined || row === undefined || detail.key !== this.#key) return
    setText(this.#title!, detail.name)
    setText(
      this.#state!,
      `${LEVEL_SIGNS[row.level]} ${LEVEL_TEXTS[row.level]}: ${row.says}. The trend: ${detail.trend}.`,
    )
    setAttribute(this.#state!, 'class', row.level)
    const probe =
      detail.probeAt === null ? '–' : `in ${Math.max(0, Math.ceil((detail.probeAt - Date.now()) / 1_000))} s`
    this.#figures!.show([
      ['Success', share(row.success)],
      ['R', ohms(detail.resistance)],
      ['In flight', inFlightText(row.inFlight, row.limit)],
      ['Waiting', count(detail.waiting)],
      ['p50 / p99', `${duration(row.p50Ms)} / ${duration(row.p99Ms)}`],
      ['Baseline', duration(detail.baselineMs)],
      ['Deadline', duration(detail.deadlineMs)],
      ['Breaker', MODE_TEXTS[row.mode] ?? row.mode],
      ['Next probe', probe],
      ['Tenants refused', count(detail.openClasses)],
      ['Next limit', detail.nextLimit],
      ['Scar, of that other nodes', `${ohms(detail.scar)}, ${ohms(detail.clusterScar)}`],
      ['Limits set', `${count(detail.limitMin)} to ${count(detail.limitMax)}`],
      ['Profile', detail.profile],
    ])
    this.#bars!(detail.causes)
    this.#draw(detail, minutes, marks)
  }

  #draw(detail: RouteDetail, minutes: number, marks: readonly number[]): void {
    const history = this.#history
    if (history === undefined) return
    const toMs = Date.now()
    const fromMs = beginOf(this.#points, toMs, minutes)
    const live = [toMs, ...TERMS.map((name) => detail.terms[name] ?? 0)]
    const past = this.#points.filter((point) => (point[0] ?? 0) >= fromMs)
    const series: Series[] = TERMS.map((name, colour) => ({
      name: TERM_TEXTS[name]!,
      colour,
      of: columnOf(history, name),
    }))
    draw(this.#plot!, { caption: 'Why: the terms of R', unit: 'Ω', series, marks, fromMs, toMs }, [...past, live])
  }
}
