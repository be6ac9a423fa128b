/** The admission of a request, for what handles it. */

import type { Tier } from '../limiter/types.js'

/** A request that a guard has let in, as its handler sees it. The guard gives its permit back. */
export interface RequestAdmission {
  /** The route that it counts for. */
  readonly routeId: string
  /** The request's tier; undefined: it came with a voltage. */
  readonly tier: Tier | undefined
  /** True from where the answer is long-lived: it no longer counts as work in flight. */
  readonly isStream: boolean
  /** The time since it was admitted, ms. */
  readonly ageMs: number
  /** Makes the answer one of the route's long-lived ones. false where `maxStreams` of them are open: it stays work in flight. */
  toStream(): boolean
}
