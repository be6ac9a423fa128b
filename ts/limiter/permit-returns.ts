/** Permits that come back, and what the engine does not count of them: late ones, and requests that were abandoned. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import type { Context } from '../context.js'
import { type Engine, FRAME, OUTCOME, STATUS } from '../engine/port.js'
import { termsAt } from '../engine/terms.js'
import { createWatchdog, type Watchdog } from '../watchdog/watchdog.js'
import type { Conclude } from './adapter-port.js'
import { type TimeLost, takeCall } from './calls.js'
import { RouteCounts } from './counts.js'
import { outcomeCode, type PermitSource } from './permit.js'
import { readStats } from './stats.js'

/** Added to an outcome in the frame: the permit was that of a call, which the engine excuses for stalls of the event loop. */
const CALL = 8
/** Routes that are kept count of what their calls were excused for. */
const EXCUSED_ROUTES = 8_192

/** Answers of calls that were excused for stalls, and for how long, ms; their latency as it was is longer by that. */
export interface Excused {
  excused: number
  excusedMs: number
}

const NOT_EXCUSED: Excused = { excused: 0, excusedMs: 0 }

export class PermitReturns implements PermitSource {
  readonly #context: Context
  readonly #engine: Engine
  readonly #onFreed: (routeId: string) => void
  /** Permits that were taken back as lost and came after all: late, then, and not reclaimed. */
  readonly #late = new RouteCounts()
  readonly #abandoned = new RouteCounts()
  readonly #excused = new BoundedRoutes<{ readonly life: string; readonly counts: Excused }>(EXCUSED_ROUTES)
  #watchdog: Watchdog | undefined

  /** @param onFreed called after a release: a place may have become free on a route, or, for '', on any of them */
  constructor(context: Context, onFreed: (routeId: string) => void) {
    this.#context = context
    this.#engine = context.engine
    this.#onFreed = onFreed
  }

  /** A permit comes back. Its number is void afterwards; one that is void already changes nothing. */
  giveBack(routeId: string, id: number, outcome: number): void {
    const isCall = takeCall() && this.#watchdog !== undefined
    this.#context.clock.read()
    const { frame } = this.#engine
    frame[FRAME.PERMIT] = id
    frame[FRAME.OUTCOME] = isCall ? outcome + CALL : outcome
    this.#engine.release()
    const { completed } = this.#context.events.watchers
    const ageMs = completed === undefined ? 0 : frame[FRAME.AGE_MS]!
    const isVoid = (frame[FRAME.STATUS]! & STATUS.VOID) !== 0
    if (isCall) this.#excuse(routeId, frame[FRAME.EXCUSED_MS]!)
    if (frame[FRAME.STATUS] !== 0 && routeId !== '') this.#settle(frame, routeId)
    if (completed !== undefined && !isVoid && outcome <= OUTCOME.FAILURE) {
      completed(routeId, ageMs, outcome === OUTCOME.FAILURE)
    }
    this.#onFreed(routeId)
  }

  /** Watches the event loop from now on, where it can be: not where the code for it cannot be loaded. @returns a function that gives the end of the last stall, Unix ms */
  watch(): () => number {
    const { watchdog } = this.#context
    try {
      if (watchdog !== undefined) this.#watchdog ??= createWatchdog(this.#context, watchdog)
    } catch {}
    return () => {
      const last = this.#watchdog?.metrics().last
      return last === undefined ? 0 : last.startedAtMs + last.durationMs + last.suspendedMs
    }
  }

  /** undefined: the event loop is not watched. */
  get watchdog(): Watchdog | undefined {
    return this.#watchdog
  }

  timeLost(id: number): TimeLost | undefined {
    const stalledMs = this.#watchdog === undefined ? 0 : this.#watchdog.stalledMs(id)
    return stalledMs > 0 ? { stalledMs, ageMs: this.#engine.frame[FRAME.AGE_MS]! } : undefined
  }

  /** The answers of a route in a slot that were excused for stalls. */
  excusedOf(routeId: string, slot: number | undefined): Readonly<Excused> {
    const known = this.#excused.get(routeId)
    return slot !== undefined && known?.life === this.#lifeIn(slot) ? known.counts : NOT_EXCUSED
  }

  #excuse(routeId: string, ms: number): void {
    const life = ms > 0 ? this.#lifeOf(routeId) : undefined
    if (life === undefined) return
    let known = this.#excused.get(routeId)
    if (known?.life !== life) {
      known = { life, counts: { excused: 0, excusedMs: 0 } }
      this.#excused.set(routeId, known)
    }
    known.counts.excused += 1
    known.counts.excusedMs += ms
  }

  /** A permit's request goes on outside the work in flight. */
  detach(routeId: string, id: number): Conclude {
    const conclude = this.conclusion(routeId)
    this.giveBack(routeId, id, OUTCOME.DETACHED)
    return conclude
  }

  conclusion(routeId: string): Conclude {
    const life = this.#lifeOf(routeId)
    let isOver = life === undefined
    return (outcome, ageMs) => {
      if (isOver) return
      isOver = true
      // One that was admitted before the route was reset says nothing of it.
      if (this.#lifeOf(routeId) !== life) return
      const { frame } = this.#engine
      this.#context.clock.read()
      frame[FRAME.SLOT] = this.#context.routes.find(routeId)!
      frame[FRAME.PERMIT] = -1
      frame[FRAME.OUTCOME] = outcomeCode(outcome)
      frame[FRAME.AGE_MS] = ageMs
      this.#engine.release()
      this.#onFreed(routeId)
    }
  }

  termsAt(decision: number): ArrayLike<number> | undefined {
    return termsAt(this.#engine.frame, decision)
  }

  /** A client went away before its answer was there. */
  abandoned(routeId: string): void {
    const life = this.#lifeOf(routeId)
    if (life !== undefined) this.#abandoned.add(routeId, life)
  }

  /** Requests of the route in a slot whose clients went away. */
  abandonedOf(routeId: string, slot: number): number {
    return this.#abandoned.of(routeId, this.#lifeIn(slot))
  }

  /** Permits of the route in a slot that came back after they were taken back as lost. */
  lateOf(routeId: string, slot: number): number {
    return this.#late.of(routeId, this.#lifeIn(slot))
  }

  /** Reports the tick of a release, or counts a permit that was taken back before. */
  #settle(frame: Float64Array, routeId: string): void {
    if ((frame[FRAME.STATUS]! & STATUS.VOID) === 0) {
      this.#context.events.ticked(frame, routeId)
      return
    }
    const slot = this.#context.routes.find(routeId)
    if (slot !== undefined) this.#late.add(routeId, this.#lifeIn(slot), readStats(this.#engine, slot).reclaimed)
  }

  #lifeOf(routeId: string): string | undefined {
    const slot = this.#context.routes.find(routeId)
    return slot === undefined ? undefined : this.#lifeIn(slot)
  }

  /** Distinguishes the routes that had a slot one after the other. */
  #lifeIn(slot: number): string {
    return `${slot} ${this.#context.routes.index.generationOf(slot)}`
  }
}
