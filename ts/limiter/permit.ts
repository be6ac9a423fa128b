/** Permits as callers hold them. */

import { ConfigError } from '../base/errors.js'
import { type Explanation, explanationOf } from '../base/explanation.js'
import { wrongType } from '../base/input.js'
import { reasonOf } from '../base/reason.js'
import { nearestName } from '../base/suggest.js'
import type { OperationalMode } from '../core/index.js'
import { OUTCOME } from '../engine/port.js'
import { CONCLUSION, type Conclude, DETACH, type Detachable } from './adapter-port.js'
import { type CallPermit, TIME_LOST, type TimeLost } from './calls.js'
import type { Hold } from './holdings.js'
import type { PermitGroup } from './permit-watch.js'
import type { LimitedBy, Outcome, Permit, Tier } from './types.js'

/** Once read: a look-up in another module at each release would cost more. */
const { SUCCESS, FAILURE, IGNORED } = OUTCOME
const NO_OUTCOME = -1

/** The engine's number of an outcome; {@link NO_OUTCOME} of what is none. */
export function outcomeCode(outcome: unknown): number {
  switch (outcome) {
    case 'success':
      return SUCCESS
    case 'failure':
    case 'failed': // what leases and others call it
    case 'error':
      return FAILURE
    case 'ignored':
      return IGNORED
    default:
      return NO_OUTCOME
  }
}

const concludeNothing: Conclude = () => {}

/** The place that a permit goes back to. */
export interface PermitSource {
  giveBack(routeId: string, id: number, outcome: number): void
  detach(routeId: string, id: number): Conclude
  /** Gives a function that reports an outcome beside that of a permit. */
  conclusion(routeId: string): Conclude
  /** See {@link CallPermit}. */
  timeLost(id: number): TimeLost | undefined
  /** The terms of a decision by its number, where they are still kept. */
  termsAt(decision: number): ArrayLike<number> | undefined
}

/** Node 20 has it since 20.0; elsewhere it may be missing, and then a private symbol stands for it. */
const DISPOSE: typeof Symbol.dispose = Symbol.dispose ?? (Symbol('Symbol.dispose') as typeof Symbol.dispose)

export class EnginePermit implements Permit, Detachable, CallPermit {
  readonly allow: boolean
  readonly resistance: number
  readonly mode: OperationalMode
  readonly retryAfterMs: number | undefined
  readonly limitedBy: LimitedBy | undefined
  readonly tier: Tier | undefined
  readonly voltage: number
  readonly #source: PermitSource
  readonly #routeId: string
  /** Keeps the group alive for as long as the permit is out. */
  group: PermitGroup | undefined
  #id: number
  /** The number of the decision, or, of a refusal, the terms themselves: see {@link TERMS}. */
  readonly #terms: number | readonly number[]

  constructor(
    source: PermitSource,
    routeId: string,
    id: number,
    group: PermitGroup | undefined,
    resistance: number,
    voltage: number,
    tier: Tier | undefined,
    mode: OperationalMode,
    retryAfterMs: number | undefined,
    limitedBy: LimitedBy | undefined,
    terms: number | readonly number[],
  ) {
    this.#source = source
    this.#routeId = routeId
    this.#id = id
    this.group = group
    this.allow = id >= 0
    this.resistance = resistance
    this.mode = mode
    this.retryAfterMs = retryAfterMs
    this.limitedBy = limitedBy
    this.tier = tier
    this.voltage = voltage
    this.#terms = terms
  }

  get reason(): string {
    const { mode, voltage, resistance, limitedBy } = this
    return limitedBy === undefined ? 'OK' : reasonOf(mode, voltage, resistance, limitedBy)
  }

  explain(): Explanation {
    const terms = this.#terms
    const row = typeof terms === 'number' ? this.#source.termsAt(terms) : terms
    return explanationOf(row, this.resistance, this.voltage, this.limitedBy, this.retryAfterMs, true)
  }

  release(outcome: Outcome | 'failed' | 'error' = 'success'): void {
    const id = this.#id
    if (id < 0) return
    this.#id = -1
    // Null is as good as not given, as in options: `release(error && 'failure')`.
    const code = outcomeCode(outcome ?? 'success')
    this.#source.giveBack(this.#routeId, id, code === NO_OUTCOME ? IGNORED : code)
    this.#leave()
    if (code === NO_OUTCOME) refuseOutcome(outcome)
  }

  [TIME_LOST](): TimeLost | undefined {
    return this.#id < 0 ? undefined : this.#source.timeLost(this.#id)
  }

  [DISPOSE](): void {
    this.release()
  }

  [DETACH](): Conclude {
    const id = this.#id
    if (id < 0) return concludeNothing
    this.#id = -1
    const conclude = this.#source.detach(this.#routeId, id)
    this.#leave()
    return conclude
  }

  [CONCLUSION](): Conclude {
    return this.#source.conclusion(this.#routeId)
  }

  #leave(): void {
    const { group } = this
    this.group = undefined
    group?.leave()
  }

  /** The part that is data. */
  toJSON(): Omit<Permit, 'release' | 'explain' | typeof Symbol.dispose> {
    const { allow, resistance, voltage, tier, mode, reason, retryAfterMs, limitedBy } = this
    return { allow, resistance, voltage, tier, mode, reason, retryAfterMs, limitedBy }
  }
}

const withFailed = (conclude: Conclude, failed: (() => void) | undefined): Conclude =>
  failed === undefined
    ? conclude
    : (outcome, ageMs) => {
        if (outcome === 'failure') failed()
        conclude(outcome, ageMs)
      }

/** A permit that counts as its key's while it is out. */
export class KeyedPermit extends EnginePermit {
  /** Set once, before a caller sees the permit. */
  hold: Hold | undefined
  /** Called where the request fails. Set once, as well. */
  failed: (() => void) | undefined

  override release(outcome?: Outcome | 'failed' | 'error'): void {
    this.hold?.end()
    const { failed } = this
    if (failed !== undefined) {
      this.failed = undefined
      if (outcomeCode(outcome) === FAILURE) failed()
    }
    super.release(outcome)
  }

  override [DETACH](): Conclude {
    this.hold?.end()
    const conclude = withFailed(super[DETACH](), this.failed)
    this.failed = undefined
    return conclude
  }

  override [CONCLUSION](): Conclude {
    return withFailed(super[CONCLUSION](), this.failed)
  }
}

/** @throws TypeError, ConfigError */
function refuseOutcome(outcome: unknown): never {
  if (typeof outcome !== 'string') throw wrongType('outcome', "'success', 'failure' or 'ignored'", outcome)
  const nearest = nearestName(outcome, ['success', 'failure', 'ignored'])
  throw new ConfigError('outcome', "'success', 'failure' or 'ignored'", outcome, { nearest })
}
