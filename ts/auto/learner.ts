/**
 * Learns what is usual on a route: its median and its 99th percentile, learnt from its requests that succeed. Pure: time comes with each request.
 *
 * **Learning.** The first 50 requests are left out, since caches are cold; from the next 450 come the first values.
 *
 * **Windows.** From then on requests are judged by windows: of a minute and 500 requests, of five minutes and 100, or of 15 minutes
 * and 20; a window of an hour without so many is forgotten. A window is *shifted* where its median is a quarter above or below the usual one, or
 * its 99th percentile, judged on 500 requests or more, more than 1.6 times the usual one.
 *
 * | windows | what happens |
 * |---|---|
 * | not shifted | the usual values follow, by 0.3 % a minute at most |
 * | shifted for less than 15 minutes | nothing: an incident teaches nothing |
 * | shifted upwards for longer | it is a regression: reported once, and the usual values stay until the route is set to learn anew |
 * | shifted downwards for longer | the route has become faster: the new values are taken over |
 */

import type { AutoSnapshot } from '../routes/decision.js'
import { Durations } from './durations.js'

const COLD_REQUESTS = 50
const FIRST_REQUESTS = 500
const MINUTE_MS = 60_000

/** Sizes of windows: each is closed by the first of these that it fills. */
const WINDOWS = [
  { ms: MINUTE_MS, requests: 500 },
  { ms: 5 * MINUTE_MS, requests: 100 },
  { ms: 15 * MINUTE_MS, requests: 20 },
] as const
/** A window with fewer requests in so long says nothing, ms. */
const STALE_MS = 60 * MINUTE_MS
/** Requests on which a 99th percentile is judged. */
const TAIL_REQUESTS = 500

const SHIFT_RATIO = 1.25
const TAIL_RATIO = 1.6
/** A shift of so long is there to stay, ms. */
const LASTING_MS = 15 * MINUTE_MS
const LASTING_WINDOWS = 3
/** The rate at which usual values follow, natural logarithm a minute. */
const FOLLOW_A_MINUTE = 0.003
const MOST_MINUTES = 5

export interface Usual {
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Shift extends Usual {
  readonly direction: 'slower' | 'faster'
  readonly sinceMs: number
  readonly windows: number
}

export type LearnerState = 'learning' | 'ready' | 'shifted' | 'regressed'

/** The outcome of a window. */
export type Verdict = 'none' | 'learnt' | 'moved' | 'regression' | 'improvement'

/** The record of a learner. */
export type LearnerRecord = Omit<AutoSnapshot, 'leases'>

export class Learner {
  #requests = 0
  #usual: Usual | undefined
  #shift: Shift | undefined
  #isRegressed = false
  readonly #window = new Durations()
  #windowMs = Number.NaN
  /** All of a shift, since it began. */
  #shifted: Durations | undefined

  get requests(): number {
    return this.#requests
  }

  get usual(): Usual | undefined {
    return this.#usual
  }

  /** The shift under way. */
  get shift(): Shift | undefined {
    return this.#shift
  }

  get state(): LearnerState {
    if (this.#usual === undefined) return 'learning'
    if (this.#isRegressed) return 'regressed'
    return this.#shift === undefined ? 'ready' : 'shifted'
  }

  /** A request succeeded. @param durationMs > 0 */
  add(durationMs: number, nowMs: number): Verdict {
    if (!(durationMs >= 0 && durationMs < Number.POSITIVE_INFINITY)) return 'none'
    this.#requests += 1
    if (this.#usual === undefined) return this.#learn(durationMs, nowMs)
    this.#window.add(durationMs)
    const { count } = this.#window
    // Times are looked at every now and then, and a clock that went back begins a window anew.
    const openMs = nowMs - this.#windowMs
    if (!(openMs >= 0)) this.#windowMs = nowMs
    if (!WINDOWS.some(({ ms, requests }) => openMs >= ms && count >= requests)) {
      if (openMs > STALE_MS) this.#begin(nowMs)
      return 'none'
    }
    const verdict = this.#judge(nowMs, openMs)
    this.#begin(nowMs)
    return verdict
  }

  toRecord(): LearnerRecord {
    return {
      requests: this.#requests,
      p50Ms: this.#usual?.p50Ms ?? 0,
      p99Ms: this.#usual?.p99Ms ?? 0,
      isRegressed: this.#isRegressed,
      durations: this.#usual === undefined ? this.#window.toPairs() : [],
    }
  }

  /** @returns undefined for what is no record */
  static fromRecord(record: LearnerRecord): Learner | undefined {
    const { requests, p50Ms, p99Ms, isRegressed, durations } = record
    const learner = new Learner()
    if (!(Number.isInteger(requests) && requests >= 0) || typeof isRegressed !== 'boolean') return undefined
    if (!(p50Ms >= 0 && p99Ms >= p50Ms && p99Ms < Number.POSITIVE_INFINITY)) return undefined
    if (!Array.isArray(durations) || !learner.#window.fromPairs(durations)) return undefined
    learner.#requests = requests
    learner.#isRegressed = isRegressed
    if (p50Ms > 0) learner.#usual = { p50Ms, p99Ms }
    return learner
  }

  #learn(durationMs: number, nowMs: number): Verdict {
    if (this.#requests > COLD_REQUESTS) this.#window.add(durationMs)
    if (this.#requests < FIRST_REQUESTS) return 'none'
    this.#usual = usualIn(this.#window)
    this.#begin(nowMs)
    return 'learnt'
  }

  #begin(nowMs: number): void {
    this.#window.clear()
    this.#windowMs = nowMs
  }

  #judge(nowMs: number, openMs: number): Verdict {
    const usual = this.#usual!
    const seen = usualIn(this.#window)
    const ratio = seen.p50Ms / usual.p50Ms
    const isTailLong = this.#window.count >= TAIL_REQUESTS && seen.p99Ms > usual.p99Ms * TAIL_RATIO
    if (ratio > SHIFT_RATIO || isTailLong) return this.#shiftTo('slower', nowMs, openMs)
    if (ratio < 1 / SHIFT_RATIO) return this.#shiftTo('faster', nowMs, openMs)
    this.#shift = undefined
    this.#shifted = undefined
    this.#isRegressed = false
    const most = FOLLOW_A_MINUTE * Math.min(MOST_MINUTES, openMs / MINUTE_MS)
    const p50Ms = followed(usual.p50Ms, seen.p50Ms, most)
    const p99Ms = this.#window.count >= TAIL_REQUESTS ? followed(usual.p99Ms, seen.p99Ms, most) : usual.p99Ms
    this.#usual = { p50Ms, p99Ms: Math.max(p50Ms, p99Ms) }
    return 'moved'
  }

  #shiftTo(direction: 'slower' | 'faster', nowMs: number, openMs: number): Verdict {
    const before = this.#shift?.direction === direction ? this.#shift : undefined
    if (before === undefined || this.#shifted === undefined) this.#shifted = new Durations()
    this.#shifted.merge(this.#window)
    const sinceMs = before?.sinceMs ?? nowMs - openMs
    const windows = (before?.windows ?? 0) + 1
    this.#shift = { ...usualIn(this.#shifted), direction, sinceMs, windows }
    if (nowMs - sinceMs < LASTING_MS || windows < LASTING_WINDOWS) return 'none'
    if (direction === 'faster') {
      const { p50Ms, p99Ms } = this.#shift
      this.#usual = { p50Ms, p99Ms }
      this.#shift = undefined
      this.#shifted = undefined
      this.#isRegressed = false
      return 'improvement'
    }
    if (this.#isRegressed) return 'none'
    this.#isRegressed = true
    return 'regression'
  }
}

const usualIn = (durations: Durations): Usual => ({ p50Ms: durations.quantile(0.5), p99Ms: durations.quantile(0.99) })

/** A value that follows another by so much at most, as a natural logarithm. */
const followed = (from: number, to: number, most: number): number =>
  from * Math.exp(Math.min(most, Math.max(-most, Math.log(to / from))))
