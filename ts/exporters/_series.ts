/**
 * The series of an instance: what every exporter gives, read from `metrics()`. There is one collector an instance, so that all exporters
 * give the same: the labels of routes, and the totals of those that share one.
 */

import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { LIMITED_BY, type LimitedBy } from '../base/limited-by.js'
import { METRIC, METRIC_CELLS, SHED_CAUSES } from '../engine/metric-cells.js'
import { MODES, TIERS } from '../engine/port.js'
import type { HistogramTotals, Metrics } from '../limiter/metrics.js'
import { TELEMETRY_PORT, type TelemetryPort } from '../limiter/telemetry-port.js'
import { processReading } from '../pressure/pressure.js'
import { BOUNDS_S, type FamilyKey, LABELS } from './_families.js'
import { Labels, OTHER } from './_labels.js'

export type LabelSet = Readonly<Record<string, string>>

/** A number of a family. */
export interface Point {
  readonly labels: LabelSet
  readonly value: number
}

/** A histogram of a family. */
export interface HistogramPoint {
  readonly labels: LabelSet
  readonly counts: readonly number[]
  readonly sumS: number
}

/** All series at one moment. */
export interface Series {
  readonly points: ReadonlyMap<FamilyKey, readonly Point[]>
  readonly histograms: ReadonlyMap<FamilyKey, readonly HistogramPoint[]>
}

const ORDERS = [undefined, 'open', 'closed'] as const
const BUCKETS = BOUNDS_S.length + 1
/** Cells of a row that are totals. */
const TOTALS = [METRIC.FAILURES, METRIC.RECLAIMED]
const SHED_BY: readonly LimitedBy[] = [...new Set(LIMITED_BY.filter((one) => one !== undefined))]

/** Routes that share a label. */
class Group {
  readonly label: string
  /** Sums of the cells that are counts. */
  readonly sums = new Float64Array(METRIC_CELLS)
  readonly modes = [0, 0, 0]
  readonly orders = [0, 0, 0]
  readonly transitions = [0, 0, 0]
  /** By obstacle: requests that were refused without the engine. */
  readonly faceSheds = { budget: TIERS.map(() => 0), ban: TIERS.map(() => 0) }
  readonly waits = { counts: new Array<number>(BUCKETS).fill(0), sumMs: 0 }
  limit = 0
  limitFloor = 0
  excusedMs = 0
  waiting = 0
  resistance = 0
  scar = 0
  /** True when a request of the closed loop ever came. */
  isLimited = false

  constructor(label: string) {
    this.label = label
  }

  add(cells: Float64Array, at: number): void {
    const { sums } = this
    for (const cell of TOTALS) sums[cell]! += cells[at + cell]!
    for (let cell: number = METRIC.ADMITTED; cell < METRIC_CELLS; cell++) sums[cell]! += cells[at + cell]!
    sums[METRIC.IN_FLIGHT]! += cells[at + METRIC.IN_FLIGHT]!
    this.modes[cells[at + METRIC.MODE]!]! += 1
    this.orders[cells[at + METRIC.ORDER]!]! += 1
    this.resistance = Math.max(this.resistance, cells[at + METRIC.RESISTANCE]!)
    this.scar = Math.max(this.scar, cells[at + METRIC.SCAR]!)
    const limit = cells[at + METRIC.LIMIT]!
    if (limit <= 0) return
    this.isLimited = true
    this.limit += limit
  }
}

class Collector {
  readonly #atrion: Atrion
  readonly #port: TelemetryPort
  readonly #labels = new Labels()
  /** Of each total of the routes that share a label, its last value, and what has gone with routes that are there no longer. */
  readonly #kept = new Map<string, { last: number; gone: number }>()
  #metrics: Metrics | undefined

  constructor(atrion: Atrion, port: TelemetryPort) {
    this.#atrion = atrion
    this.#port = port
  }

  /** The label of a route that was just used. */
  labelOf(routeId: string): string {
    return this.#labels.claim(routeId)
  }

  collect(): Series {
    const groups = this.#group()
    const points = new Map<FamilyKey, Point[]>()
    const histograms = new Map<FamilyKey, HistogramPoint[]>()
    const add = (family: FamilyKey, value: number, labels: LabelSet = {}): void => {
      const known = points.get(family)
      if (known === undefined) points.set(family, [{ labels, value }])
      else known.push({ labels, value })
    }
    const addHistogram = (family: FamilyKey, group: Group, counts: readonly number[], sumMs: number): void => {
      const kept = counts.map((count, i) => this.#total(group, `${family}${i}`, count))
      const point = {
        labels: { [LABELS.route]: group.label },
        counts: kept,
        sumS: this.#total(group, `${family}sum`, sumMs) / 1_000,
      }
      const known = histograms.get(family)
      if (known === undefined) histograms.set(family, [point])
      else known.push(point)
    }
    for (const group of groups) {
      this.#addRoute(group, add)
      if (group.isLimited) {
        this.#addRequests(group, add)
        const durations = [...group.sums.subarray(METRIC.DURATIONS, METRIC.DURATIONS + BUCKETS)]
        if (isFilled(durations)) addHistogram('duration', group, durations, group.sums[METRIC.DURATION_SUM_MS]!)
      }
      if (isFilled(group.waits.counts)) {
        addHistogram('timeInQueue', group, group.waits.counts, group.waits.sumMs)
      }
    }
    this.#addProcess(add)
    const loop = this.#metrics?.loop
    if (loop !== undefined) {
      add('loopStalls', loop.stalls)
      add('loopStalled', loop.stalledMs / 1_000)
      if (loop.gcMs !== undefined) add('loopGarbage', loop.gcMs / 1_000)
    }
    return { points, histograms }
  }

  /** A total of a group: of routes that come and go under one label it never falls. */
  #total(group: Group, name: string, value: number): number {
    if (group.label !== OTHER) return value
    let kept = this.#kept.get(name)
    if (kept === undefined) {
      kept = { last: 0, gone: 0 }
      this.#kept.set(name, kept)
    }
    if (value < kept.last) kept.gone += kept.last - value
    kept.last = value
    return value + kept.gone
  }

  #group(): Iterable<Group> {
    const metrics = this.#atrion.metrics(this.#metrics)
    this.#metrics = metrics
    const { routes, cells } = metrics
    this.#labels.renew(routes, (i) => busyOf(cells, i * METRIC_CELLS))
    const groups = new Map<string, Group>()
    for (const [i, routeId] of routes.entries()) {
      const label = this.#labels.of(routeId)
      let group = groups.get(label)
      if (group === undefined) {
        group = new Group(label)
        groups.set(label, group)
      }
      group.add(cells, i * METRIC_CELLS)
      this.#addFace(group, routeId, cells[i * METRIC_CELLS + METRIC.LIMIT]! > 0)
    }
    return groups.values()
  }

  #addFace(group: Group, routeId: string, isLimited: boolean): void {
    const transitions = this.#port.transitionsOf(routeId)
    if (transitions !== undefined) for (const [i, mode] of MODES.entries()) group.transitions[i]! += transitions[mode]
    const sheds = { budget: this.#port.budgetShedsOf(routeId), ban: this.#port.banShedsOf(routeId) }
    for (const obstacle of ['budget', 'ban'] as const) {
      for (const [tier, count] of (sheds[obstacle] ?? []).entries()) group.faceSheds[obstacle][tier]! += count
    }
    if (!isLimited) return
    if (group.label !== OTHER) group.limitFloor = this.#port.leastLimitOf(routeId)
    group.waiting += this.#port.waitingOf(routeId)
    group.excusedMs += this.#port.excusedMsOf(routeId)
    const waits = this.#port.waitsOf(routeId)
    if (waits !== undefined) addTotals(group.waits, waits)
  }

  #addRoute(group: Group, add: (family: FamilyKey, value: number, labels: LabelSet) => void): void {
    const route = { [LABELS.route]: group.label }
    add('resistance', group.resistance, route)
    add('scar', group.scar, route)
    for (const [i, mode] of MODES.entries()) {
      add('mode', group.modes[i]!, { ...route, [LABELS.mode]: mode })
      const changes = this.#total(group, `transitions${i}`, group.transitions[i]!)
      if (changes > 0) add('transitions', changes, { ...route, [LABELS.mode]: mode })
    }
    for (const [i, order] of ORDERS.entries()) {
      if (order !== undefined && group.orders[i]! > 0) {
        add('override', group.orders[i]!, { ...route, [LABELS.order]: order })
      }
    }
  }

  #addRequests(group: Group, add: (family: FamilyKey, value: number, labels: LabelSet) => void): void {
    const route = { [LABELS.route]: group.label }
    const { sums } = group
    for (const [tier, name] of TIERS.entries()) {
      const labels = { ...route, [LABELS.tier]: name }
      const admitted = this.#total(group, `admitted${tier}`, sums[METRIC.ADMITTED + tier]!)
      if (admitted > 0) add('requests', admitted, { ...labels, [LABELS.result]: 'admitted' })
      for (const limitedBy of SHED_BY) {
        let count = limitedBy === 'budget' || limitedBy === 'ban' ? group.faceSheds[limitedBy][tier]! : 0
        for (let cause = 0; cause < SHED_CAUSES; cause++) {
          if (LIMITED_BY[cause] === limitedBy) count += sums[METRIC.SHED + tier * SHED_CAUSES + cause]!
        }
        const shed = this.#total(group, `shed${tier}${limitedBy}`, count)
        if (shed > 0) {
          add('requests', shed, { ...labels, [LABELS.result]: 'shed', [LABELS.limitedBy]: limitedBy })
        }
      }
    }
    add('failures', this.#total(group, 'failures', sums[METRIC.FAILURES]!), route)
    add('reclaimed', this.#total(group, 'reclaimed', sums[METRIC.RECLAIMED]!), route)
    const excusedMs = this.#total(group, 'excused', group.excusedMs)
    if (excusedMs > 0) add('excused', excusedMs / 1_000, route)
    add('active', sums[METRIC.IN_FLIGHT]!, route)
    add('waiting', group.waiting, route)
    add('limit', group.limit, route)
    if (group.label !== OTHER) add('limitFloor', group.limitFloor, route)
    add('utilization', sums[METRIC.IN_FLIGHT]! / group.limit, route)
  }

  #addProcess(add: (family: FamilyKey, value: number) => void): void {
    const { nodes, isDegraded } = this.#port.cluster()
    if (nodes !== undefined) add('clusterNodes', nodes)
    add('clusterDegraded', isDegraded ? 1 : 0)
    const { queueAgeMs, acceptQueueMs, utilization } = processReading()
    add('queueAge', queueAgeMs / 1_000)
    add('acceptQueue', acceptQueueMs / 1_000)
    add('processUtilization', utilization)
  }
}

/** Requests of a route, or its ticks where none came. */
function busyOf(cells: Float64Array, at: number): number {
  let requests = cells[at + METRIC.TICKS]!
  for (let cell: number = METRIC.ADMITTED; cell < METRIC.DURATIONS; cell++) requests += cells[at + cell]!
  return requests
}

const isFilled = (counts: readonly number[]): boolean => counts.some((count) => count > 0)

function addTotals(to: { counts: number[]; sumMs: number }, { counts, sumMs }: HistogramTotals): void {
  for (const [i, count] of counts.entries()) to.counts[i]! += count
  to.sumMs += sumMs
}

const collectors = new WeakMap<Atrion, Collector>()

/** The port of an instance. @throws ConfigError for what is none */
export function portOf(atrion: Atrion): TelemetryPort {
  const port = (atrion as Partial<Atrion> | null | undefined)?.[TELEMETRY_PORT]
  if (port === undefined) throw new ConfigError('atrion', 'an Atrion', atrion)
  return port
}

/** The collector of an instance. @throws ConfigError for what is no instance */
export function collectorOf(atrion: Atrion): Pick<Collector, 'collect' | 'labelOf'> {
  let collector = collectors.get(atrion)
  if (collector === undefined) {
    collector = new Collector(atrion, portOf(atrion))
    collectors.set(atrion, collector)
  }
  return collector
}
