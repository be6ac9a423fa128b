/** The board: every route judged after a sample, and sorted, searched and paged for each view of it. */

import { nameInLog } from '../base/text.js'
import { METRIC } from '../engine/metric-cells.js'
import { MODES } from '../engine/port.js'
import { judge, type RouteFigures, type Verdict } from './diagnosis.js'
import type { RouteList, RouteRow } from './protocol.js'
import { RATE } from './rates.js'
import { mainCause, type Sampler } from './sampler.js'

/** Rows of a page. */
const PAGE_ROWS = 25
const LONGEST_SEARCH = 200
/** Characters of a name that are searched, and that its key is made from at either end. */
const LOOKED_AT = 256
const PRIME = 0x01000193

const SORTS = ['hurt', 'busy', 'p99', 'resistance', 'name'] as const
export type Sort = (typeof SORTS)[number]

/** The part of the board that a viewer looks at. */
export interface Query {
  readonly search: string
  readonly sort: Sort
  readonly page: number
  /** The key of the route that is looked at. */
  readonly route: string | undefined
}

/** Reads a query from the parameters of a URL; what is none of it counts as not given. */
export function queryOf(parameters: URLSearchParams): Query {
  const sort = parameters.get('sort')
  const page = Number(parameters.get('page') ?? 0)
  return {
    search: (parameters.get('q') ?? '').slice(0, LONGEST_SEARCH).toLowerCase(),
    sort: SORTS.find((one) => one === sort) ?? 'hurt',
    page: Number.isInteger(page) && page >= 0 && page < 1e6 ? page : 0,
    route: parameters.get('route')?.slice(0, 64) || undefined,
  }
}

const LEVEL_SCORE = { well: 0, watch: 1e9, sick: 1e12 } as const
const ORDERS = [null, 'open', 'closed'] as const

/** Stands for a route in requests to the server: its slot, and a hash of its name. */
export function keyOf(slot: number, routeId: string): string {
  let hash = Math.imul(0x811c9dc5 ^ routeId.length, PRIME)
  const head = Math.min(routeId.length, LOOKED_AT)
  for (let i = 0; i < head; i++) hash = Math.imul(hash ^ routeId.charCodeAt(i), PRIME)
  // Of a long name its end as well: what lies between costs time with every sample.
  for (let i = Math.max(head, routeId.length - LOOKED_AT); i < routeId.length; i++) {
    hash = Math.imul(hash ^ routeId.charCodeAt(i), PRIME)
  }
  return `${slot}.${(hash >>> 0).toString(36)}`
}

export class Board {
  readonly #sampler: Sampler
  #scores = new Float64Array(0)
  #worst: readonly number[] = []

  constructor(sampler: Sampler) {
    this.#sampler = sampler
  }

  /** Judges all routes by the last sample. */
  update(): void {
    const { metrics } = this.#sampler
    const size = metrics?.size ?? 0
    if (this.#scores.length < size) this.#scores = new Float64Array(Math.max(256, 2 ** Math.ceil(Math.log2(size))))
    const worst: number[] = []
    for (let i = 0; i < size; i++) {
      const score = this.#score(i)
      this.#scores[i] = score
      if (score >= LEVEL_SCORE.watch) worst.push(i)
    }
    worst.sort((a, b) => this.#scores[b]! - this.#scores[a]!)
    this.#worst = worst
  }

  /** Routes in trouble, the one that hurts most first. */
  worst(
    most: number,
  ): readonly { readonly routeId: string; readonly figures: RouteFigures; readonly verdict: Verdict }[] {
    return this.#worst.slice(0, most).map((i) => {
      const figures = this.figures(i)
      return { routeId: this.#sampler.metrics!.routes[i]!, figures, verdict: judge(figures) }
    })
  }

  get troubled(): number {
    return this.#worst.length
  }

  /** The route of a key, as a row of the metrics; undefined: it is there no longer. */
  find(key: string): number | undefined {
    const { metrics } = this.#sampler
    if (metrics === undefined) return undefined
    const slot = Number.parseInt(key, 10)
    const routeId = this.#sampler.rates.names[slot]
    if (routeId === undefined || keyOf(slot, routeId) !== key) return undefined
    const at = metrics.routes.indexOf(routeId)
    return at < 0 ? undefined : at
  }

  /** The page of the board that is asked for. */
  list(query: Query): { readonly list: RouteList; readonly rows: readonly RouteRow[] } {
    const { metrics } = this.#sampler
    if (metrics === undefined) return { list: { keys: [], total: 0, matched: 0, page: 0, pages: 1 }, rows: [] }
    const matched: number[] = []
    const { routes } = metrics
    for (let i = 0; i < routes.length; i++) {
      if (query.search === '' || routes[i]!.slice(0, LOOKED_AT).toLowerCase().includes(query.search)) matched.push(i)
    }
    this.#sort(matched, query.sort)
    const pages = Math.max(1, Math.ceil(matched.length / PAGE_ROWS))
    const page = Math.min(query.page, pages - 1)
    const rows = matched.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS).map((i) => this.row(i))
    const list = { keys: rows.map(({ key }) => key), total: routes.length, matched: matched.length, page, pages }
    return { list, rows }
  }

  row(i: number): RouteRow {
    const { cells, stride } = this.#sampler.metrics!
    const figures = this.figures(i)
    const { key, name, mode, order, inFlight, limit, admittedPerS, shedPerS, failedPerS, limitedBy } = figures
    const offered = admittedPerS + shedPerS
    const { level, cause, says } = judge(figures)
    return {
      ...{ key, name, level, cause, says, mode, order, inFlight },
      resistance: short(cells[i * stride + METRIC.RESISTANCE]! || cells[i * stride + METRIC.OWN_RESISTANCE]!),
      limit: short(limit),
      admittedPerS: short(admittedPerS),
      shedPerS: short(shedPerS),
      failedPerS: short(failedPerS),
      success: offered > 0 ? short(Math.max(0, admittedPerS - failedPerS) / offered) : null,
      p50Ms: figures.p50Ms === undefined ? null : short(figures.p50Ms),
      p99Ms: figures.p99Ms === undefined ? null : short(figures.p99Ms),
      limitedBy: shedPerS > 0 && limitedBy !== undefined ? limitedBy : null,
    }
  }

  figures(i: number): RouteFigures {
    const { rates, port } = this.#sampler
    const { routes, cells, stride } = this.#sampler.metrics!
    const at = i * stride
    const slot = cells[at + METRIC.SLOT]!
    const known = (cell: number): number | undefined =>
      Number.isNaN(cells[at + cell]!) ? undefined : cells[at + cell]!
    return {
      key: keyOf(slot, routes[i]!),
      name: nameInLog(routes[i]!),
      mode: MODES[cells[at + METRIC.MODE]!]!,
      order: ORDERS[cells[at + METRIC.ORDER]!] ?? null,
      openClasses: cells[at + METRIC.OPEN_CLASSES]!,
      admittedPerS: rates.rate(slot, RATE.ADMITTED),
      shedPerS: rates.rate(slot, RATE.SHED),
      failedPerS: rates.rate(slot, RATE.FAILED),
      limitedBy: mainCause(rates, slot),
      inFlight: cells[at + METRIC.IN_FLIGHT]!,
      limit: cells[at + METRIC.LIMIT]!,
      p50Ms: known(METRIC.P50_MS),
      p99Ms: known(METRIC.P99_MS),
      baselineMs: cells[at + METRIC.BASELINE_MS]!,
      deadlineMs: port.paramsOf(routes[i]!).slo.maxAcceptableLatencyMs,
    }
  }

  /** A route's trouble, then what it refuses and fails, then how busy it is. */
  #score(i: number): number {
    const { rates } = this.#sampler
    const { cells, stride } = this.#sampler.metrics!
    const at = i * stride
    const slot = cells[at + METRIC.SLOT]!
    const busy = rates.rate(slot, RATE.ADMITTED)
    const hurt = rates.rate(slot, RATE.SHED) + rates.rate(slot, RATE.FAILED)
    // Only a route that may be in trouble is judged: most are quiet.
    const isQuiet = hurt === 0 && cells[at + METRIC.MODE] !== 2 && cells[at + METRIC.ORDER] === 0
    if (isQuiet && cells[at + METRIC.OPEN_CLASSES] === 0) {
      const p99Ms = cells[at + METRIC.P99_MS]!
      if (busy === 0 || !(p99Ms > 0)) return stepOf(busy)
      if (p99Ms <= this.#sampler.port.paramsOf(this.#sampler.metrics!.routes[i]!).slo.maxAcceptableLatencyMs)
        return stepOf(busy)
    }
    const { level } = judge(this.figures(i))
    return LEVEL_SCORE[level] + stepOf(hurt) * 1e3 + stepOf(busy)
  }

  #sort(rows: number[], sort: Sort): void {
    const { rates } = this.#sampler
    const { routes, cells, stride } = this.#sampler.metrics!
    if (sort === 'name') {
      rows.sort((a, b) => (routes[a]! < routes[b]! ? -1 : 1))
      return
    }
    const slot = (i: number): number => cells[i * stride + METRIC.SLOT]!
    const by: Readonly<Record<Exclude<Sort, 'name'>, (i: number) => number>> = {
      hurt: (i) => this.#scores[i]!,
      busy: (i) => stepOf(rates.rate(slot(i), RATE.ADMITTED) + rates.rate(slot(i), RATE.SHED)),
      p99: (i) => stepOf(cells[i * stride + METRIC.P99_MS]! || 0),
      resistance: (i) => stepOf(cells[i * stride + METRIC.RESISTANCE]! || cells[i * stride + METRIC.OWN_RESISTANCE]!),
    }
    const value = by[sort]
    // Of many routes most have nothing to be sorted by.
    const some = rows.filter((i) => value(i) !== 0)
    if (some.length < rows.length) {
      const rest = rows.filter((i) => value(i) === 0)
      some.sort((a, b) => value(b) - value(a) || a - b)
      for (const [at, i] of [...some, ...rest].entries()) rows[at] = i
      return
    }
    rows.sort((a, b) => value(b) - value(a) || a - b)
  }
}

/** Steps of a quarter of an octave: rows that differ by less stay where they are. */
const stepOf = (value: number): number => Math.round(4 * Math.log2(1 + value))

/** Three figures. */
export function short(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : 0
}
