/** The closed loop's face: permits asked for and given back, work run under them. The engine decides; this only translates. */

import type { OperationalMode } from './core/index.js'
import { modeAt, reasonOf } from './decision.js'
import { type Engine, FRAME, OUTCOME, STATS, STATUS, TIERS } from './engine/port.js'
import { ConfigError, ShedError } from './errors.js'

export type Tier = (typeof TIERS)[number]

/** What a request says of itself. */
export interface AcquireOptions {
  /** Default 'normal'. */
  readonly tier?: Tier
  /** A priority of one's own, V, ≥ 0, instead of a tier. */
  readonly voltage?: number
  /** Who asks (user, tenant, session): the same key is treated alike within an hour, and shedding is smooth in load. */
  readonly key?: string
  /** How long the request waited in front of the process, ms. Adapters measure it. Default 0. */
  readonly queueAgeMs?: number
  /** How full the process is, 1 is a full house. Adapters measure it. Default 0. */
  readonly saturation?: number
}

export type Outcome = 'success' | 'failure' | 'ignored'

const OUTCOMES: Readonly<Record<Outcome, number>> = {
  success: OUTCOME.SUCCESS,
  failure: OUTCOME.FAILURE,
  ignored: OUTCOME.IGNORED,
}

/** An answer to `acquire()`. */
export interface Permit {
  readonly allow: boolean
  /** R at that moment, Ω */
  readonly resistance: number
  readonly mode: OperationalMode
  readonly reason: string
  /** When a refused request should come back, ms, jittered per key. */
  readonly retryAfterMs?: number | undefined
  /** Gives the permit back; 'success' by default. Once is enough, and a refused permit's does nothing. */
  release(outcome?: Outcome): void
}

export interface RunOptions<T> extends AcquireOptions {
  /** Abort after this long, ms, > 0. */
  readonly timeoutMs?: number
  /** Abort when this is. What it aborts says nothing of the route. */
  readonly signal?: AbortSignal
  /** What a refused call resolves to: a value, or a function that makes one. */
  readonly fallback?: T | ((refusal: ShedError) => T | PromiseLike<T>)
  /** Whether an error speaks against the route. Default: every error does. */
  readonly isFailure?: (error: unknown) => boolean
}

/** What `stats()` tells of a route. */
export interface RouteStats {
  /** Requests and leases under way. */
  readonly inFlight: number
  /** Requests it carries at once without missing its deadline. */
  readonly limit: number
  /** R for a request that came now, Ω */
  readonly resistance: number
  /** What faults and traumas add to it, Ω */
  readonly scar: number
  readonly mode: OperationalMode
  readonly admitted: number
  readonly shed: number
  readonly shedByTier: Readonly<Record<Tier, number>>
  readonly failures: number
  /** Permits that nobody released. */
  readonly reclaimed: number
  readonly rejectedSamples: number
  /** Median latency, ms, within 25 %; undefined before the first answer. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** The route's own service time as far as it is known, ms. */
  readonly baselineMs: number
  /** Completions a second at capacity, as far as it is known. */
  readonly ratePerS: number
  /** Share of requests that succeed, [0, 1]. */
  readonly successRatio: number
}

/** What the loop needs of the instance it belongs to. */
export interface LoopHost {
  /** Slot of a route, made when new. Throws TypeError for what is no route id. */
  slotOf(routeId: string): number
  /** Another thread evicted the route: its new slot. */
  slotAgain(routeId: string): number
  /** Puts the present into the frame, where it is not the engine's own. */
  readClock(frame: Float64Array): void
  /** The frame's out cells describe a tick. */
  ticked(frame: Float64Array, routeId: string): void
  /** A request was refused. */
  refused(routeId: string, permit: Permit, voltage: number): void
  wrongType(field: string, wanted: string, got: unknown): TypeError
}

const TIER_INDEX: ReadonlyMap<unknown, number> = new Map(TIERS.map((tier, index) => [tier, index]))

const NORMAL = TIERS.indexOf('normal')

/** A key's place inside its tier is drawn anew this often, so that nobody is unlucky for long, ms. */
const EPOCH_MS = 3_600_000

/** Characters of a key that count: a client must not be able to buy hashing time. */
const KEY_LENGTH = 256

/** A key's place, [0, 1): FNV-1a over its characters and the epoch, scattered by MurmurHash3's finaliser. */
function placeOf(key: string, epoch: number): number {
  let hash = 0x811c9dc5 ^ epoch
  const length = Math.min(key.length, KEY_LENGTH)
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000
}

/** Permits that a batch watches over. */
const BATCH = 64

/**
 * Permits are watched by the batch: to register each with a FinalizationRegistry would cost more than to decide on it. Every
 * permit holds its batch; when the last is gone, so is the batch, and what was not released by then never will be.
 */
class Batch {
  /** A plain list: a typed array has memory outside the heap, and what that costs the collector is 10 ns of a `run()`. */
  readonly ids: number[] = []
}

class EnginePermit implements Permit {
  readonly allow: boolean
  readonly resistance: number
  readonly mode: OperationalMode
  readonly reason: string
  readonly retryAfterMs: number | undefined
  readonly #loop: ClosedLoop
  readonly #routeId: string
  /** Keeps the batch alive for as long as the permit is. */
  readonly batch: Batch | undefined
  #id: number

  constructor(
    loop: ClosedLoop,
    routeId: string,
    id: number,
    batch: Batch | undefined,
    resistance: number,
    mode: OperationalMode,
    reason: string,
    retryAfterMs: number | undefined,
  ) {
    this.#loop = loop
    this.#routeId = routeId
    this.#id = id
    this.batch = batch
    this.allow = id >= 0
    this.resistance = resistance
    this.mode = mode
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }

  release(outcome: Outcome = 'success'): void {
    const id = this.#id
    if (id < 0) return
    this.#id = -1
    this.#loop.giveBack(this.#routeId, id, OUTCOMES[outcome] ?? OUTCOME.IGNORED)
  }

  /** Neither the batch nor anything private is a reader's business. */
  toJSON(): Omit<Permit, 'release'> {
    const { allow, resistance, mode, reason, retryAfterMs } = this
    return { allow, resistance, mode, reason, retryAfterMs }
  }
}

export class ClosedLoop {
  readonly #engine: Engine
  readonly #host: LoopHost
  readonly #lost: FinalizationRegistry<readonly number[]> | undefined
  #batch = new Batch()
  #epoch = 0
  #lastWork: ((signal: AbortSignal) => unknown) | undefined
  #lastTakesSignal = false

  constructor(engine: Engine, host: LoopHost) {
    this.#engine = engine
    this.#host = host
    host.readClock(engine.frame)
    const now = engine.frame[FRAME.NOW]!
    this.#epoch = Math.floor((Number.isNaN(now) ? Date.now() : now) / EPOCH_MS)
    if (typeof FinalizationRegistry === 'function') {
      this.#lost = new FinalizationRegistry((ids) => {
        for (const id of ids) this.giveBack('', id, OUTCOME.RECLAIMED)
      })
    }
  }

  acquire(routeId: string, options?: AcquireOptions): Permit {
    const slot = this.#host.slotOf(routeId)
    let { frame } = this.#engine
    this.#host.readClock(frame)
    frame[FRAME.SLOT] = slot
    frame[FRAME.TIER] = NORMAL
    frame[FRAME.KEY] = Number.NaN
    frame[FRAME.QUEUE_AGE_MS] = 0
    frame[FRAME.PROCESS_SATURATION] = 0
    if (options !== undefined) this.#describe(frame, options)
    this.#engine.acquire()
    frame = this.#engine.frame // a permit more may have made the engine's memory grow
    let status = frame[FRAME.STATUS]!
    if ((status & STATUS.STALE) !== 0) {
      frame[FRAME.SLOT] = this.#host.slotAgain(routeId)
      this.#engine.acquire()
      status = frame[FRAME.STATUS]!
    }
    if ((status & STATUS.TICKED) !== 0) this.#ticked(frame, routeId)
    const resistance = frame[FRAME.RESISTANCE]!
    const mode = modeAt(frame, FRAME.MODE)
    const admitted = (status & STATUS.ALLOW) !== 0
    const id = admitted ? frame[FRAME.PERMIT]! : -1
    const batch = admitted ? this.#watch(id) : undefined
    // An admitted request that was told to come back later was refused, in a dry run.
    if (admitted && frame[FRAME.RETRY_AFTER_MS] === 0) {
      return new EnginePermit(this, routeId, id, batch, resistance, mode, 'OK', undefined)
    }
    const voltage = frame[FRAME.VOLTAGE]!
    const retryAfterMs = Math.ceil(frame[FRAME.RETRY_AFTER_MS]!)
    const reason = reasonOf(mode, Math.round(voltage * 10) / 10, resistance)
    const refusal = new EnginePermit(this, routeId, id, batch, resistance, mode, reason, retryAfterMs)
    this.#host.refused(routeId, refusal, voltage)
    return refusal
  }

  /** Runs `work` under a permit. */
  async run<T>(
    routeId: string,
    work: (signal: AbortSignal) => T | PromiseLike<T>,
    options?: RunOptions<T>,
  ): Promise<T> {
    if (typeof work !== 'function') throw this.#host.wrongType('fn', 'a function', work)
    const permit = this.acquire(routeId, options)
    if (!permit.allow) return this.#fallBack(routeId, permit, options)
    if (options?.timeoutMs !== undefined || options?.signal !== undefined)
      return this.#runBounded(permit, work, options)
    try {
      const result = await work(this.#takesSignal(work) ? new AbortController().signal : neverAborted())
      permit.release('success')
      return result
    } catch (error) {
      release(permit, error, options)
      throw error
    }
  }

  /** Does it look at its signal? To ask a function for its length takes 20 ns, so the last answer is kept. */
  #takesSignal(work: (signal: AbortSignal) => unknown): boolean {
    if (work !== this.#lastWork) {
      this.#lastWork = work
      this.#lastTakesSignal = work.length > 0
    }
    return this.#lastTakesSignal
  }

  stats(slot: number | undefined): Omit<RouteStats, 'mode' | 'rejectedSamples'> {
    const known = slot !== undefined && this.#engine.readStats(slot)
    const { frame } = this.#engine
    const cell = (index: number): number => (known ? frame[FRAME.STATS + index]! : 0)
    const quantile = (index: number): number | undefined =>
      known && !Number.isNaN(cell(index)) ? cell(index) : undefined
    const shedByTier = Object.fromEntries(TIERS.map((tier, i) => [tier, cell(STATS.SHED_BY_TIER + i)]))
    return {
      inFlight: cell(STATS.IN_FLIGHT),
      limit: cell(STATS.LIMIT),
      resistance: cell(STATS.RESISTANCE),
      scar: cell(STATS.SCAR),
      admitted: cell(STATS.ADMITTED),
      shed: Object.values(shedByTier).reduce((sum, n) => sum + n, 0),
      shedByTier: shedByTier as Record<Tier, number>,
      failures: cell(STATS.FAILURES),
      reclaimed: cell(STATS.RECLAIMED),
      p50Ms: quantile(STATS.P50_MS),
      p99Ms: quantile(STATS.P99_MS),
      baselineMs: cell(STATS.BASELINE_MS),
      ratePerS: cell(STATS.RATE_PER_S),
      successRatio: known ? cell(STATS.SUCCESS) : 1,
    }
  }

  /** A permit comes back. Its number is void afterwards; one that is void already changes nothing. */
  giveBack(routeId: string, id: number, outcome: number): void {
    const { frame } = this.#engine
    this.#host.readClock(frame)
    frame[FRAME.PERMIT] = id
    frame[FRAME.OUTCOME] = outcome
    this.#engine.release()
    if (frame[FRAME.STATUS] !== 0 && routeId !== '') this.#ticked(frame, routeId)
  }

  #describe(frame: Float64Array, options: AcquireOptions): void {
    if (typeof options !== 'object' || options === null) throw this.#host.wrongType('options', 'an object', options)
    const { tier, voltage, key, queueAgeMs, saturation } = options
    if (tier !== undefined) {
      const index = TIER_INDEX.get(tier)
      if (index === undefined) throw new ConfigError('tier', [...TIERS].reverse().join(', '), tier)
      frame[FRAME.TIER] = index
    } else if (voltage !== undefined) {
      if (typeof voltage !== 'number') throw this.#host.wrongType('voltage', 'a number of V', voltage)
      // Noise in a voltage is no reason to let it pass all others: the request goes as 'normal'.
      if (voltage >= 0 && voltage < Number.POSITIVE_INFINITY) {
        frame[FRAME.TIER] = -1
        frame[FRAME.VOLTAGE] = voltage
      }
    }
    if (key !== undefined) {
      if (typeof key !== 'string') throw this.#host.wrongType('key', 'a string', key)
      frame[FRAME.KEY] = placeOf(key, this.#epoch)
    }
    if (queueAgeMs !== undefined) frame[FRAME.QUEUE_AGE_MS] = queueAgeMs
    if (saturation !== undefined) frame[FRAME.PROCESS_SATURATION] = saturation
  }

  #watch(id: number): Batch {
    if (this.#batch.ids.length === BATCH) this.#batch = new Batch()
    const batch = this.#batch
    if (batch.ids.length === 0) this.#lost?.register(batch, batch.ids)
    batch.ids.push(id)
    return batch
  }

  #ticked(frame: Float64Array, routeId: string): void {
    this.#epoch = Math.floor(frame[FRAME.TIMESTAMP]! / EPOCH_MS)
    this.#host.ticked(frame, routeId)
  }

  #fallBack<T>(routeId: string, permit: Permit, options: RunOptions<T> | undefined): T | PromiseLike<T> {
    const { resistance, mode, retryAfterMs } = permit
    const voltage = this.#engine.frame[FRAME.VOLTAGE]!
    const refusal = new ShedError({ routeId, resistance, voltage, mode, retryAfterMs })
    const fallback = options?.fallback
    if (fallback === undefined) throw refusal
    return typeof fallback === 'function' ? (fallback as (refusal: ShedError) => T)(refusal) : fallback
  }

  async #runBounded<T>(
    permit: Permit,
    work: (signal: AbortSignal) => T | PromiseLike<T>,
    options: RunOptions<T>,
  ): Promise<T> {
    const controller = new AbortController()
    const { signal, timeoutMs } = options
    let timer: ReturnType<typeof setTimeout> | undefined
    let onAbort: (() => void) | undefined
    const cut = new Promise<never>((_, reject) => {
      const stop = (reason: unknown, outcome: Outcome): void => {
        permit.release(outcome)
        controller.abort(reason)
        reject(reason)
      }
      if (timeoutMs !== undefined) {
        const timedOut = (): void =>
          stop(new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError'), 'failure')
        timer = setTimeout(timedOut, timeoutMs)
        timer.unref?.()
      }
      if (signal !== undefined) {
        onAbort = () => stop(signal.reason, 'ignored')
        if (signal.aborted) onAbort()
        else signal.addEventListener('abort', onAbort, { once: true })
      }
    })
    cut.catch(() => {}) // work that throws before the race has a rejection of its own
    try {
      const result = await Promise.race([controller.signal.aborted ? cut : work(controller.signal), cut])
      permit.release('success')
      return result
    } catch (error) {
      release(permit, error, options)
      throw error
    } finally {
      clearTimeout(timer)
      if (onAbort) signal?.removeEventListener('abort', onAbort)
    }
  }
}

/** For work that does not look at its signal. Made when first needed: workerd makes none before there is a request. */
let never: AbortSignal | undefined
const neverAborted = (): AbortSignal => {
  never ??= new AbortController().signal
  return never
}

/** Gives back the permit of work that threw, even when the caller's own judgement of the error throws as well. */
function release<T>(permit: Permit, error: unknown, options: RunOptions<T> | undefined): void {
  let failed = true
  try {
    failed = options?.isFailure === undefined || options.isFailure(error)
  } finally {
    permit.release(failed ? 'failure' : 'success')
  }
}
