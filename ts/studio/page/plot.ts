/** Stacked plots over time, each with its legend and the same figures as a table. */

import type { History } from '../protocol.js'
import { h, svg } from './dom.js'
import { clock, count } from './text.js'

/** Units of a plot are px, so that its text is as large as any. */
const LEAST_WIDTH = 280
const HEIGHT = 170
const LEFT = 44
const BOTTOM = 18
const TOP = 8
const MOST_ROWS = 40

export interface Series {
  readonly name: string
  /** A colour's number: of `--c0` to `--c8`. */
  readonly colour: number
  /** The value of a point; what is negative counts as 0 in the stack. */
  readonly of: (point: readonly (number | null)[]) => number
}

export interface Plot {
  readonly caption: string
  readonly unit: string
  readonly series: readonly Series[]
  /** Times at which something changed, ms since the epoch. */
  readonly marks: readonly number[]
  readonly fromMs: number
  readonly toMs: number
}

/** The value of a column of a history. */
export function columnOf(history: History, name: string): (point: readonly (number | null)[]) => number {
  const at = history.columns.indexOf(name) + 1
  return (point) => (at > 0 ? (point[at] ?? 0) : 0)
}

const LEAST_MS = 60_000

/** The time that a plot begins at: with the first point, but a minute ago at the latest. */
export function beginOf(points: readonly (readonly (number | null)[])[], toMs: number, minutes: number): number {
  const first = points[0]?.[0] ?? toMs
  return Math.max(toMs - minutes * 60_000, Math.min(first, toMs - LEAST_MS))
}

/** The next round number from a value on: 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= value) ?? value
}

/** Draws a plot into a figure. */
export function draw(figure: HTMLElement, plot: Plot, points: readonly (readonly (number | null)[])[]): void {
  const { series, fromMs, toMs, unit } = plot
  const used = series.filter(({ of }) => points.some((point) => of(point) > 0))
  const totals = points.map((point) => series.reduce((sum, { of }) => sum + Math.max(0, of(point)), 0))
  const top = roundUp(Math.max(0, ...totals))
  const width = Math.max(LEAST_WIDTH, figure.clientWidth)
  const x = (ms: number): number => LEFT + ((ms - fromMs) / (toMs - fromMs)) * (width - LEFT)
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)
  const last = points[points.length - 1]
  const summary = `${plot.caption}: ${last === undefined ? 'no data yet' : `now ${count(totals[totals.length - 1] ?? 0)} ${unit}`}`
  const picture = svg('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': summary })
  for (const part of [0, 0.5, 1]) {
    picture.append(svg('line', { class: 'axis', x1: LEFT, x2: width, y1: y(top * part), y2: y(top * part) }))
    picture.append(svg('text', { x: LEFT - 6, y: y(top * part) + 4, 'text-anchor': 'end' }, count(top * part)))
  }
  const below = points.map(() => 0)
  for (const { of, colour } of used) {
    const upper = points.map((point, i) => below[i]! + Math.max(0, of(point)))
    const there = points.map((point, i) => `${x(point[0] ?? 0).toFixed(1)},${y(upper[i]!).toFixed(1)}`)
    const back = points.map((point, i) => `${x(point[0] ?? 0).toFixed(1)},${y(below[i]!).toFixed(1)}`).reverse()
    const area = svg('polygon', { points: [...there, ...back].join(' ') })
    area.style.fill = `var(--c${colour})`
    area.style.stroke = 'var(--card)'
    picture.append(area)
    for (const [i, value] of upper.entries()) below[i] = value
  }
  for (const at of plot.marks) {
    if (at > fromMs && at < toMs)
      picture.append(svg('line', { class: 'mark', x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM }))
  }
  picture.append(svg('text', { x: LEFT, y: HEIGHT - 4 }, clock(fromMs)))
  picture.append(svg('text', { x: width, y: HEIGHT - 4, 'text-anchor': 'end' }, clock(toMs)))
  const legend = h('ul', { class: 'legend' })
  for (const { name, colour, of } of used) {
    const sign = h('i')
    sign.style.background = `var(--c${colour})`
    legend.append(h('li', {}, sign, `${name} ${last === undefined ? '' : count(Math.max(0, of(last)))}`))
  }
  const table = figure.querySelector('details')
  const isOpen = table?.open === true
  const details = table ?? h('details', {}, h('summary', {}, 'As a table'))
  if (isOpen) fill(details, plot, points)
  if (table === null) details.addEventListener('toggle', () => details.open && fill(details, plot, points))
  const caption = h('figcaption', {}, `${plot.caption}, ${unit}`)
  const old = [...figure.children].filter((child) => child !== details)
  for (const child of old) child.remove()
  figure.prepend(caption, picture, legend)
  if (table === null) figure.append(details)
}

function fill(details: HTMLElement, { series, caption }: Plot, points: readonly (readonly (number | null)[])[]): void {
  const body = h('tbody')
  for (const point of points.slice(-MOST_ROWS).reverse()) {
    body.append(
      h('tr', {}, h('td', {}, clock(point[0] ?? 0)), ...series.map(({ of }) => h('td', {}, count(of(point))))),
    )
  }
  const head = h(
    'tr',
    {},
    h('th', { scope: 'col' }, 'Time'),
    ...series.map(({ name }) => h('th', { scope: 'col' }, name)),
  )
  const table = h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, head), body)
  details.querySelector('.scroll')?.remove()
  details.append(h('div', { class: 'scroll', tabindex: '0' }, table))
}
