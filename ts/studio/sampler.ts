/**
 * The sampler: reads all routes in one crossing several times a second while Studio is looked at, and less often otherwise. It takes at
 * most a hundredth of its thread: where a sample takes longer, the next one comes later. Nothing runs before `start()`, and its timer
 * keeps no process alive.
 */

import type { Atrion } from '../atrion.js'
import { builtin } from '../base/builtin.js'
import { LIMITED_BY, type LimitedBy } from '../base/limited-by.js'
import { SHED_CAUSES } from '../engine/metric-cells.js'
import type { AtrionEvents } from '../events/events.js'
import type { Watcher } from '../events/watchers.js'
import type { Metrics } from '../limiter/metrics.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import { processReading } from '../pressure/pressure.js'
import { Archive } from './archive.js'
import { Journal } from './journal.js'
import { LoopWatch } from './loop.js'
import { Interval, RATE, Rates } from './rates.js'
import type { ProcessFigures, Refusal, Sample } from './sample.js'
import { Settings } from './settings.js'
import { recordTrail } from './trail.js'

const { getHeapStatistics } = builtin('node:v8')

/** Between samples while there are viewers, and while there are none, ms. */
const WATCHED_MS = 200
const ALONE_MS = 2_000
/** A sample's share of time is at most one of so many. */
const COST_FACTOR = 100
/** A sample costs what the cheapest of so many did: others were interrupted. */
const COSTS = 5
/** The heap is as full as it was at its emptiest of so many samples: the rest is garbage. */
const HEAP_SAMPLES = 20
/** Routes whose last refusal is kept. */
const MOST_REFUSALS = 512

export class Sampler implements Sample {
  readonly atrion: Atrion
  readonly port: TelemetryPort
  readonly rates = new Rates()
  readonly loop = new LoopWatch()
  readonly journal = new Journal()
  readonly archive: Archive
  readonly settings: Settings
  readonly interval = new Interval()
  readonly refusals = new Map<string, Refusal>()
  metrics: Metrics | undefined
  process: ProcessFigures = { loopMs: 0, queueAgeMs: 0, acceptQueueMs: 0, utilization: 0, heap: 0 }
  intervalMs = WATCHED_MS
  /** Calls after every sample. */
  onSample: (() => void) | undefined
  readonly #heaps: number[] = []
  readonly #pending: { readonly routeId: string; readonly explain: (evidence: string) => void }[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #endWatch: (() => void) | undefined
  #endRequests: (() => void) | undefined
  #endTrail: (() => void) | undefined
  #lastMs = Number.NEGATIVE_INFINITY
  #viewers = 0
  /** The costs of the last samples, ms. */
  readonly #costs = new Array<number>(COSTS).fill(0)
  #samples = 0

  constructor(atrion: Atrion, port: TelemetryPort, historyRoutes: number) {
    this.atrion = atrion
    this.port = port
    this.archive = new Archive(historyRoutes)
    this.settings = new Settings(atrion, port, this.journal)
  }

  get isRunning(): boolean {
    return this.#endWatch !== undefined
  }

  /** Begins to sample and to record. */
  start(): void {
    if (this.isRunning) return
    const ends = [
      this.port.watch(this.#transitions),
      this.atrion.on('regression', this.#regression),
      this.atrion.on('stall', (stall) => this.loop.stalled(stall)),
    ]
    this.#endWatch = () => {
      for (const end of ends) end()
    }
    this.#endTrail ??= recordTrail(this.atrion, this.port, this.journal)
    this.rates.restart()
    this.#sample()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#endWatch?.()
    this.#endWatch = undefined
    this.#endRequests?.()
    this.#endRequests = undefined
    this.#endTrail?.()
    this.#endTrail = undefined
    this.metrics = undefined
  }

  /** The number of viewers: requests are watched, and samples are frequent, while there are any. */
  set viewers(viewers: number) {
    const before = this.#viewers
    this.#viewers = viewers
    if (!this.isRunning) return
    if (viewers > 0 && this.#endRequests === undefined) {
      const ends = [this.port.watch(this.loop.watcher), this.port.watch(this.#requests)]
      this.#endRequests = () => {
        for (const end of ends) end()
      }
    }
    if (viewers === 0) {
      this.#endRequests?.()
      this.#endRequests = undefined
    }
    if (before > 0 || viewers === 0) return
    clearTimeout(this.#timer)
    this.#arm()
  }

  /** Takes a sample at once, unless one was taken just now. */
  sampleNow(): void {
    if (!this.isRunning || performance.now() - this.#lastMs < WATCHED_MS / 2) return
    clearTimeout(this.#timer)
    this.#sample()
  }

  readonly #transitions: Watcher = {
    transition: ({ routeId, from, to, resistance }) => {
      // A route that leaves its first ticks behind is no news.
      if (from === 'BOOTSTRAP' && to === 'OPERATIONAL') return
      const explain = this.journal.note({
        at: Date.now(),
        kind: 'transition',
        text: `${routeId.slice(0, 200)}: ${MODE_TEXTS[from]} → ${MODE_TEXTS[to]} at ${Math.round(resistance)} Ω`,
      })
      if (this.#pending.length < 64) this.#pending.push({ routeId, explain })
    },
  }

  readonly #regression = ({ routeId, p50Ms, usualP50Ms, forMs }: AtrionEvents['regression']): void => {
    const [usual, now] = [usualP50Ms, p50Ms].map((ms) => Number(ms.toPrecision(3)))
    const minutes = Math.round(forMs / 60_000)
    const text = `${routeId.slice(0, 200)}: slower for ${minutes} min, median ${usual} → ${now} ms`
    this.journal.note({ at: Date.now(), kind: 'regression', text })
  }

  readonly #requests: Watcher = {
    shed: ({ routeId, limitedBy, retryAfterMs }) => {
      if (this.refusals.has(routeId) || this.refusals.size >= MOST_REFUSALS) return
      this.refusals.set(routeId, { atMs: Date.now(), limitedBy, retryAfterMs, terms: this.port.lastTerms() })
    },
  }

  #arm(): void {
    const wantedMs = this.#viewers > 0 ? WATCHED_MS : ALONE_MS
    this.intervalMs = Math.max(wantedMs, Math.ceil(Math.min(...this.#costs) * COST_FACTOR))
    this.loop.expect(performance.now() + this.intervalMs)
    this.#timer = setTimeout(() => this.#sample(), this.intervalMs)
    this.#timer.unref?.()
  }

  #sample(): void {
    const startedMs = performance.now()
    const loopMs = this.loop.ran(startedMs)
    try {
      this.#take(startedMs, loopMs)
    } catch {
      // Studio's own fault is no caller's; the next sample may do.
    }
    this.#costs[this.#samples++ % COSTS] = performance.now() - startedMs
    this.#arm()
  }

  #take(startedMs: number, loopMs: number): void {
    const seconds = this.#lastMs > 0 ? Math.max((startedMs - this.#lastMs) / 1_000, 1e-3) : 1
    this.#lastMs = startedMs
    this.metrics = this.atrion.metrics(this.metrics)
    this.loop.hasWatchdog = this.metrics.loop !== undefined
    this.rates.take(this.metrics, seconds, this.interval)
    const { queueAgeMs, acceptQueueMs, utilization } = processReading()
    this.process = { loopMs, queueAgeMs, acceptQueueMs, utilization, heap: this.#heap() }
    this.settings.look(this.metrics)
    this.#explainTransitions()
    this.archive.take(Date.now(), this)
    this.onSample?.()
    this.refusals.clear()
  }

  #heap(): number {
    // Runtimes that are not Node have no such figures.
    if (typeof getHeapStatistics !== 'function') return 0
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    this.#heaps.push(used / limit)
    if (this.#heaps.length > HEAP_SAMPLES) this.#heaps.shift()
    return Math.min(...this.#heaps)
  }

  /** Adds the evidence of changes of a mode: the route's figures right after it. */
  #explainTransitions(): void {
    for (const { routeId, explain } of this.#pending.splice(0)) {
      const { successRatio, p99Ms, inFlight, limit, failures } = this.atrion.stats(routeId)
      const parts = [`success ${Math.round(successRatio * 100)} %`, `${failures} failures in all`]
      if (limit > 0) parts.push(`${inFlight} of ${Math.round(limit)} in flight`)
      if (p99Ms !== undefined) parts.push(`p99 ${Math.round(p99Ms)} ms`)
      explain(parts.join(', '))
    }
  }
}

const MODE_TEXTS = { BOOTSTRAP: 'learning', OPERATIONAL: 'closed', CIRCUIT_BREAKER: 'breaker open' } as const

/** The obstacle that most refusals of a slot met of late. */
export function mainCause(rates: Rates, slot: number): LimitedBy | undefined {
  let most = 0
  let found: LimitedBy | undefined
  for (let cause = 0; cause < SHED_CAUSES; cause++) {
    const rate = rates.rate(slot, RATE.CAUSES + cause)
    if (rate > most) {
      most = rate
      found = LIMITED_BY[cause]
    }
  }
  return found
}
