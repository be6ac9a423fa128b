/** The archive: an hour of all requests and the process by two seconds, and an hour of the busiest routes by five; bounded. */

import { LIMITED_BY } from '../base/limited-by.js'
import { METRIC, SHED_CAUSES } from '../engine/metric-cells.js'
import { TERMS, TIERS } from '../engine/port.js'
import type { History } from './protocol.js'
import { Interval, RATE } from './rates.js'
import { Ring } from './ring.js'
import type { Sample } from './sample.js'

const HOUR_MS = 3_600_000
const WHOLE_STEP_MS = 2_000
const ROUTE_STEP_MS = 5_000
const TIER_COUNT = TIERS.length

const CAUSE_NAMES = [...new Set(LIMITED_BY.slice(0, SHED_CAUSES).filter((name) => name !== undefined))]
/** Columns of the whole: requests of the step, and the process at its end. */
const WHOLE_COLUMNS = [
  ...TIERS.map((tier) => `offered.${tier}`),
  ...TIERS.map((tier) => `succeeded.${tier}`),
  ...CAUSE_NAMES,
  'failed',
  'loopMs',
  'queueAgeMs',
  'acceptQueueMs',
  'utilization',
  'heap',
  'seconds',
]
const TERM_COLUMNS = ['base', 'pressure', 'momentum', 'scar', 'cluster', 'occupancy', 'queueAge', 'process']
/** Columns of a route: the terms of R, Ω, then its figures. */
const ROUTE_COLUMNS = [
  ...TERM_COLUMNS,
  ...['inFlight', 'limit', 'admittedPerS', 'shedPerS', 'failedPerS', 'p50Ms', 'p99Ms', 'success'],
]

/** Points that a history is sent in, at most. */
const MOST_POINTS = 360

export class Archive {
  readonly #whole = new Ring(HOUR_MS / WHOLE_STEP_MS, WHOLE_COLUMNS.length)
  readonly #routes = new Map<string, Ring>()
  readonly #mostRoutes: number
  readonly #sum = new Interval()
  #wholeMs = 0
  #routesMs = 0
  #worstLoopMs = 0
  /** Counts the points of the whole. */
  version = 0

  constructor(mostRoutes: number) {
    this.#mostRoutes = mostRoutes
  }

  /** Takes up a sample. */
  take(nowMs: number, sampler: Sample): void {
    this.#sum.add(sampler.interval)
    this.#worstLoopMs = Math.max(this.#worstLoopMs, sampler.process.loopMs)
    if (nowMs - this.#wholeMs >= WHOLE_STEP_MS || nowMs < this.#wholeMs) {
      const seconds = this.#wholeMs > 0 ? (nowMs - this.#wholeMs) / 1_000 : WHOLE_STEP_MS / 1_000
      this.#wholeMs = nowMs
      this.#whole.push(nowMs, (row) => this.#writeWhole(row, sampler, seconds))
      this.version += 1
      this.#sum.clear()
      this.#worstLoopMs = 0
    }
    if (nowMs - this.#routesMs >= ROUTE_STEP_MS || nowMs < this.#routesMs) {
      this.#routesMs = nowMs
      this.#takeRoutes(nowMs, sampler)
    }
  }

  /** Success and requests by tier between two times, ms ago. */
  tiers(
    nowMs: number,
    fromMs: number,
    toMs: number,
  ): readonly { offered: number; succeeded: number; seconds: number }[] {
    const sums = TIERS.map(() => ({ offered: 0, succeeded: 0, seconds: 0 }))
    for (const { atMs, row } of this.#whole.since(nowMs - fromMs)) {
      if (atMs > nowMs - toMs) break
      for (const [tier, sum] of sums.entries()) {
        sum.offered += row[tier]!
        sum.succeeded += row[TIER_COUNT + tier]!
        sum.seconds += row[WHOLE_COLUMNS.length - 1]!
      }
    }
    return sums
  }

  /** The history of the whole, or of a route; empty where there is none. */
  history(nowMs: number, minutes: number, routeId?: string): History {
    const ring = routeId === undefined ? this.#whole : this.#routes.get(routeId)
    const columns = routeId === undefined ? WHOLE_COLUMNS : ROUTE_COLUMNS
    if (ring === undefined) return { columns, points: [] }
    const points = [...ring.since(nowMs - minutes * 60_000)].map(({ atMs, row }) => [atMs, ...[...row].map(short)])
    return { columns, points: routeId === undefined ? merged(points) : thinned(points) }
  }

  #writeWhole(row: Float32Array, { process }: Sample, seconds: number): void {
    row.set(this.#sum.offered, 0)
    row.set(this.#sum.succeeded, TIER_COUNT)
    let at = 2 * TIER_COUNT
    for (const name of CAUSE_NAMES) {
      let count = 0
      for (let cause = 0; cause < SHED_CAUSES; cause++)
        if (LIMITED_BY[cause] === name) count += this.#sum.causes[cause]!
      row[at++] = count
    }
    row[at++] = this.#sum.failed
    row[at++] = this.#worstLoopMs
    row[at++] = process.queueAgeMs
    row[at++] = process.acceptQueueMs
    row[at++] = process.utilization
    row[at++] = process.heap
    row[at] = seconds
  }

  #takeRoutes(nowMs: number, sampler: Sample): void {
    const { metrics, rates } = sampler
    if (metrics === undefined) return
    const { routes, cells, stride } = metrics
    const isThere = new Set<string>()
    const fresh: { readonly routeId: string; readonly busy: number }[] = []
    for (let i = 0; i < routes.length; i++) {
      const routeId = routes[i]!
      const slot = cells[i * stride + METRIC.SLOT]!
      const busy = rates.rate(slot, RATE.ADMITTED) + rates.rate(slot, RATE.SHED)
      const ring = this.#routes.get(routeId)
      if (ring === undefined) {
        if (busy > 0 || cells[i * stride + METRIC.MODE] === 2) fresh.push({ routeId, busy })
        continue
      }
      isThere.add(routeId)
      ring.push(nowMs, (row) => writeRoute(row, cells, i * stride, routeId, sampler))
    }
    for (const routeId of this.#routes.keys()) if (!isThere.has(routeId)) this.#routes.delete(routeId)
    const free = this.#mostRoutes - this.#routes.size
    if (free <= 0 || fresh.length === 0) return
    if (fresh.length > free) fresh.sort((a, b) => b.busy - a.busy)
    for (const { routeId } of fresh.slice(0, free)) {
      this.#routes.set(routeId, new Ring(HOUR_MS / ROUTE_STEP_MS, ROUTE_COLUMNS.length))
    }
  }
}

function writeRoute(row: Float32Array, cells: Float64Array, at: number, routeId: string, sampler: Sample): void {
  const slot = cells[at + METRIC.SLOT]!
  const terms = termsNow(sampler, routeId, cells, at)
  row.set(terms, 0)
  let next = terms.length
  row[next++] = cells[at + METRIC.IN_FLIGHT]!
  row[next++] = cells[at + METRIC.LIMIT]!
  for (const cell of [RATE.ADMITTED, RATE.SHED, RATE.FAILED]) row[next++] = sampler.rates.rate(slot, cell)
  row[next++] = cells[at + METRIC.P50_MS]!
  row[next++] = cells[at + METRIC.P99_MS]!
  row[next] = cells[at + METRIC.SUCCESS]!
}

/**
 * The terms of a route's R as they are now, Ω, in the order of their names: of the route by itself, what its breaker counts, and what is in
 * flight; the queue and the process as the last refusal met them.
 */
export function termsNow(sampler: Sample, routeId: string, cells: Float64Array, at: number): number[] {
  const own = sampler.port.termsOf(routeId)
  const resistance = cells[at + METRIC.RESISTANCE]! || cells[at + METRIC.OWN_RESISTANCE]!
  if (own === undefined) return [resistance, 0, 0, 0, 0, 0, 0, 0]
  const terms = [
    own[TERMS.BASE]!,
    own[TERMS.PRESSURE]!,
    own[TERMS.MOMENTUM]!,
    own[TERMS.SCAR]!,
    own[TERMS.CLUSTER]!,
    0,
    0,
    0,
  ]
  const alone = own[TERMS.OWN]!
  // In the first ticks, and within bounds, the parts are not what counts.
  const sum = terms.reduce((total, term) => total + term, 0)
  if (Math.abs(sum - alone) > 1e-6 * Math.max(1, alone)) {
    terms.fill(0)
    terms[0] = alone
  }
  const faults = Math.max(0, cells[at + METRIC.SCAR]! - own[TERMS.SCAR]! - own[TERMS.CLUSTER]!)
  terms[3]! += faults
  terms[5] = Math.max(0, resistance - alone - faults)
  const refused = sampler.refusals.get(routeId)?.terms
  if (refused !== undefined) {
    terms[5] = Math.max(terms[5]!, refused[TERMS.OCCUPANCY]!)
    terms[6] = refused[TERMS.QUEUE]!
    terms[7] = refused[TERMS.PROCESS]!
  }
  // Of these three the largest counts.
  const largest = Math.max(terms[5]!, terms[6]!, terms[7]!)
  const counted = terms.indexOf(largest, 5)
  for (let i = 5; i < 8; i++) if (i !== counted) terms[i] = 0
  return terms
}

export const TERM_NAMES: readonly string[] = TERM_COLUMNS

/** Four figures; null for what is no number. */
function short(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : null
}

/** Every so many points only, the newest among them. */
function thinned(points: (number | null)[][]): (number | null)[][] {
  const step = Math.ceil(points.length / MOST_POINTS)
  return step <= 1 ? points : points.filter((_, i) => (points.length - 1 - i) % step === 0)
}

/** Neighbours summed up, so that counts stay counts; of the process the worst. */
function merged(points: (number | null)[][]): (number | null)[][] {
  const step = Math.ceil(points.length / MOST_POINTS)
  if (step <= 1) return points
  const sums = WHOLE_COLUMNS.indexOf('loopMs')
  const last = WHOLE_COLUMNS.length - 1
  const out: (number | null)[][] = []
  for (let i = 0; i < points.length; i += step) {
    const group = points.slice(i, i + step)
    out.push(
      group[0]!.map((_, column) => {
        const values = group.map((point) => point[column] ?? 0)
        if (column === 0) return values[values.length - 1]!
        const isSum = column - 1 < sums || column - 1 === last
        return isSum ? values.reduce((a, b) => a + b, 0) : Math.max(...values)
      }),
    )
  }
  return out
}
