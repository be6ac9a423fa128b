/** A request that has left its route's work in flight, and what of it is still to be reported. */

import type { Atrion } from '../atrion.js'
import { type Conclude, DETACH, type Detachable } from '../limiter/adapter-port.js'
import type { Outcome, Permit } from '../limiter/types.js'
import { isLateAsARule, noteOutlasted } from './_long.js'
import { nowMs } from './_timers.js'

/** Takes a request out of the work in flight. @returns what reports its outcome */
export function depart(permit: Permit): Conclude {
  const conclude = (permit as Permit & Partial<Detachable>)[DETACH]?.()
  permit.release('ignored')
  return conclude ?? (() => {})
}

export class Departure {
  readonly #atrion: Atrion
  /** Since when the route has been at work on it. */
  startedMs = nowMs()
  #conclude: Conclude | undefined
  /** True when the request was taken for gone because of its duration alone. */
  isOutlasting = false

  constructor(atrion: Atrion) {
    this.#atrion = atrion
  }

  /** True while the request's outcome is still to be reported. */
  get isOpen(): boolean {
    return this.#conclude !== undefined
  }

  get ageMs(): number {
    return nowMs() - this.startedMs
  }

  leave(permit: Permit): void {
    this.#conclude = depart(permit)
  }

  /** Ends without an outcome: the connection has left HTTP. */
  drop(): void {
    this.#conclude = undefined
  }

  /** Notes that the answer has begun; `isLate`: after the client had left. 'ignored' is not reported. */
  answered(routeId: string, outcome: Outcome, isLate = this.isOutlasting): void {
    if (!this.isOpen) return
    if (isLate && outcome === 'success') noteOutlasted(this.#atrion, routeId, this.ageMs)
    if (outcome === 'ignored') this.drop()
    else this.#report(outcome)
  }

  /** Notes that the client went away before there was an answer. Where answers come late as a rule, that says nothing of the route. */
  abandoned(routeId: string): void {
    if (this.isOutlasting && !isLateAsARule(this.#atrion, routeId)) this.#report('ignored')
    else this.drop()
  }

  #report(outcome: Outcome): void {
    const conclude = this.#conclude
    this.#conclude = undefined
    conclude?.(outcome, this.ageMs)
  }
}
