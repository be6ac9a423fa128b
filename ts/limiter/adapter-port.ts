/** The port of the adapters of this package: what they ask of an instance and its permits besides what is public. */

import type { ShedError } from '../base/errors.js'
import type { Outcome, Permit } from './types.js'

/** Key of an instance's {@link AdapterPort}: the same in every copy of the package. */
export const ADAPTER_PORT: unique symbol = Symbol.for('atrion.adapter') as never

/** Key of a permit's {@link Detachable.[DETACH]}. */
export const DETACH: unique symbol = Symbol.for('atrion.detach') as never

/** Key of a permit's {@link Detachable.[CONCLUSION]}. */
export const CONCLUSION: unique symbol = Symbol.for('atrion.conclusion') as never

export interface AdapterPort {
  /** A client went away before its answer was there. */
  abandoned(routeId: string): void
  /** An adapter refused a request by itself. */
  refused(routeId: string, refusal: Permit): void
  /** Paths that are not guarded: those of the exporters' handlers. */
  readonly exempt: ReadonlyMap<string, number>
  /** Calls are made: the event loop is watched from now on. @returns a function that gives the end of the last stall, Unix ms; 0: none is known */
  calls(): () => number
  /**
   * A request of that permit may be cancelled from now on, by `cancel`, for its `share` of what others wait for. @returns what ends that
   */
  cancellable(
    routeId: string,
    permit: Permit,
    share: () => number,
    key: unknown,
    cancel: (reason: ShedError) => void,
  ): () => void
  /** The route's deadline, ms. */
  deadlineMs(routeId: string): number
}

/** Reports the outcome of a detached request that was admitted `ageMs` ago. Counts once. */
export type Conclude = (outcome: Outcome, ageMs: number) => void

export interface Detachable {
  /**
   * The request leaves the work in flight and goes on: its length is no sample of its route. Its outcome may be reported later, or
   * not.
   */
  [DETACH](): Conclude
  /** For a request whose permit comes back before all of it is known: what reports one more outcome, or does not. */
  [CONCLUSION](): Conclude
}
