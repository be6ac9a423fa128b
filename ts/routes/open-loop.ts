/** The open loop: one tick of a route on measured telemetry, and the decision on one request. */

import { requireCells, wrongType } from '../base/input.js'
import { limitedByAt } from '../base/limited-by.js'
import { ownRouteOptions, ownTelemetry } from '../base/own.js'
import type { Context } from '../context.js'
import type { Ohms, ProfileConfig, WorkloadProfile } from '../core/index.js'
import { admit } from '../engine/fault.js'
import { FRAME, modeAt, STATUS } from '../engine/port.js'
import { copyTerms } from '../engine/terms.js'
import { Batch } from './batch.js'
import { Decision, type ExplainedDecision, readRefusal, type TermSource } from './decision.js'
import type { RouteIndex } from './route-index.js'

/** One reading of a route. */
export interface Telemetry {
  /** ms, ≥ 0 */
  readonly latencyMs: number
  /** Share of requests that failed, [0, 1]. Default 0, of null too. */
  readonly errorRate?: number | null | undefined
  /** The share of the route's resource that is taken, [0, 1]. Default 0, of null too. */
  readonly saturation?: number | null | undefined
}

export interface RouteOptions {
  /** Priority of the request, V; a negative one never flows. Default, of null too: the instance's `defaultVoltage`. */
  readonly voltage?: number | null | undefined
  /** Judge this call by another profile than the route's; null is the route's. */
  readonly profile?: WorkloadProfile | ProfileConfig | null | undefined
}

/** Tries to find a route's slot while other threads evict; beyond them the route is not the problem. */
const MAX_TRIES = 8

/** Status of a request that flows on a route that is, and was, OPERATIONAL. */
const FLOWS = STATUS.ALLOW | STATUS.TICKED | STATUS.STEADY

/** Ticks routes and decides on requests for the class that users hold. @internal */
export class OpenLoop implements TermSource {
  readonly #context: Context
  readonly #engine: Context['engine']
  readonly #index: RouteIndex
  readonly #defaultVoltage: number
  readonly #batch: Batch
  /** True when time is a clock of the caller's. */
  readonly #hasHostClock: boolean
  readonly #isObserved: boolean
  #dryRun = false
  /** As the code has it, and as an operator has it instead. */
  #codeDryRun = false
  #ordered: boolean | undefined

  constructor(context: Context, defaultVoltage: number) {
    this.#context = context
    this.#engine = context.engine
    this.#index = context.routes.index
    this.#defaultVoltage = defaultVoltage
    this.#hasHostClock = context.clock.isHost
    this.#isObserved = context.events.isObserved
    this.#batch = new Batch(context, {
      tickAlone: (routeId, latencyMs, errorRate, saturation) => {
        this.route(routeId, { latencyMs, errorRate, saturation })
      },
      warnOfNoise: (routeIds) => {
        for (const routeId of routeIds) this.#warnOfNoise(routeId)
      },
    })
  }

  termsOf(routeId: string): readonly number[] | undefined {
    const slot = this.#context.routes.find(routeId)
    return slot !== undefined && this.#engine.explain(slot) ? copyTerms(this.#engine.frame) : undefined
  }

  get isDryRun(): boolean {
    return this.#dryRun
  }

  /** As the code has it, which holds unless an operator has it otherwise. */
  get codeDryRun(): boolean {
    return this.#codeDryRun
  }

  setDryRun(dryRun: boolean): void {
    this.#codeDryRun = dryRun
    this.#applyDryRun()
  }

  /** Sets whether refusals are only counted; undefined: as the code says. */
  orderDryRun(dryRun: boolean | undefined): void {
    this.#ordered = dryRun
    this.#applyDryRun()
  }

  #applyDryRun(): void {
    this.#dryRun = this.#ordered ?? this.#codeDryRun
    this.#engine.setDryRun(this.#dryRun)
  }

  /** @throws TypeError for a wrong type */
  route(routeId: string, telemetry: Telemetry, options?: RouteOptions | number | null): ExplainedDecision {
    if (typeof telemetry !== 'object' || telemetry === null) throw wrongType('telemetry', 'an object', telemetry)
    const sample = ownTelemetry(telemetry)
    const { latencyMs } = sample
    const errorRate = sample.errorRate ?? 0
    const saturation = sample.saturation ?? 0
    if (typeof latencyMs !== 'number') throw wrongType('telemetry.latencyMs', 'a number', latencyMs)
    if (typeof errorRate !== 'number') throw wrongType('telemetry.errorRate', 'a number', errorRate)
    if (typeof saturation !== 'number') throw wrongType('telemetry.saturation', 'a number', saturation)

    let voltage = this.#defaultVoltage
    let law = -1
    if (options !== undefined && options !== null) {
      const given = ownRouteOptions(options)
      voltage = this.#voltageOf(given)
      const profile = typeof given === 'object' ? given.profile : undefined
      if (this.#hasHostClock) this.#context.clock.settle()
      if (profile !== undefined && profile !== null) law = this.#context.routes.lawOfCall(routeId, profile)
    } else if (this.#hasHostClock) {
      this.#context.clock.settle()
    }
    // From here to the decision nothing of the caller's runs: no getter, no clock, no logger.
    const slot = this.#index.get(routeId) ?? this.#context.routes.intern(routeId)
    const { frame } = this.#engine
    frame[FRAME.SLOT] = slot
    frame[FRAME.LATENCY_MS] = latencyMs
    frame[FRAME.ERROR_RATE] = errorRate
    frame[FRAME.SATURATION] = saturation
    frame[FRAME.VOLTAGE] = voltage
    frame[FRAME.LAW] = law
    this.#engine.route()
    // Nearly every call ends here. Reading and comparing the modes as well would cost it 4 ns of 66.
    if (frame[FRAME.STATUS] === FLOWS && !this.#isObserved) {
      const resistance = frame[FRAME.RESISTANCE] as Ohms
      return new Decision(true, resistance, 'OPERATIONAL', 'OK', voltage, this, routeId)
    }
    return this.#settle(routeId, frame, voltage)
  }

  /** @throws TypeError for a wrong type, RangeError for an array that is too short */
  routeBatch(routeIds: readonly string[], samples: Float64Array, out?: Float64Array): Float64Array {
    if (!Array.isArray(routeIds)) throw wrongType('routeIds', 'an array of strings', routeIds)
    requireCells('samples', samples)
    if (out !== undefined) requireCells('out', out)
    const count = routeIds.length
    if (samples.length < count * 3) throw new RangeError(`samples must hold ${count * 3} cells, got ${samples.length}`)
    const results = out ?? new Float64Array(count)
    if (results.length < count) throw new RangeError(`out must hold ${count} cells, got ${results.length}`)
    const ids = this.#batch.read(routeIds, count)
    // The host's code may have shrunk what was checked before it.
    if (samples.length < count * 3 || results.length < count)
      throw new RangeError('samples and out must keep their size')
    if (count === 0) return results
    const stride = results.length >= count * 2 ? 2 : 1
    this.#context.clock.settle()
    if (!this.#isObserved && !this.#context.events.has('transition')) {
      this.#batch.run(ids, samples, results, stride)
    } else {
      this.#batch.runOneByOne(ids, samples, results, stride)
    }
    return results
  }

  /** The rest of `route()`, where there is more to it than a request that flows. */
  #settle(routeId: string, frame: Float64Array, voltage: number): ExplainedDecision {
    const { events } = this.#context
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) this.#retry(routeId, frame)
    const status = frame[FRAME.STATUS]!
    const isReported = this.#isObserved || frame[FRAME.MODE] !== frame[FRAME.MODE_BEFORE]
    if (isReported && (status & STATUS.TICKED) !== 0) events.ticked(frame, routeId)
    const isRefused = (status & STATUS.ALLOW) === 0
    const decision = isRefused
      ? readRefusal(frame, voltage, this.#dryRun, this)
      : new Decision(true, frame[FRAME.RESISTANCE] as Ohms, modeAt(frame, FRAME.MODE), 'OK', voltage, this, routeId)
    if (isRefused) this.#reportShed(routeId, frame, voltage)
    // The logger is the caller's, and may call this instance: the frame has been read by now.
    if ((status & STATUS.FIRST_REJECTED) !== 0) this.#warnOfNoise(routeId)
    return decision
  }

  /** Another thread evicted the route between two calls: it is new again. */
  #retry(routeId: string, frame: Float64Array): void {
    for (let tries = 0; (frame[FRAME.STATUS]! & STATUS.STALE) !== 0 && tries < MAX_TRIES; tries++) {
      frame[FRAME.SLOT] = this.#context.routes.internAgain(routeId)
      this.#engine.route()
    }
    // A route that finds no place proves nothing against its requests.
    if ((frame[FRAME.STATUS]! & STATUS.STALE) !== 0) admit(frame)
  }

  #reportShed(routeId: string, frame: Float64Array, voltage: number): void {
    const { events } = this.#context
    if (!events.has('shed')) return
    const retryAfterMs = frame[FRAME.RETRY_AFTER_MS]!
    events.emit('shed', {
      routeId,
      voltage,
      resistance: frame[FRAME.RESISTANCE]!,
      mode: modeAt(frame, FRAME.MODE),
      retryAfterMs: Number.isNaN(retryAfterMs) ? undefined : retryAfterMs,
      limitedBy: limitedByAt(frame, FRAME.CAUSE),
      tier: undefined,
    })
  }

  #voltageOf(options: RouteOptions | number): number {
    const voltage = typeof options === 'object' ? options.voltage : options
    if (voltage === undefined || voltage === null) return this.#defaultVoltage
    if (typeof voltage !== 'number') throw wrongType('voltage', 'a number of V', voltage)
    // Noise in a voltage is no reason to refuse a request, nor to let it pass all others. A negative one is below every R.
    return voltage < Number.POSITIVE_INFINITY ? voltage : this.#defaultVoltage
  }

  #warnOfNoise(routeId: string): void {
    this.#context.logger.warn('telemetry out of range was ignored; further samples of this route are only counted', {
      routeId,
    })
  }
}
