/** The parameters of a request for a permit, and the route; for adapters of every runtime. */

import type { Atrion } from '../atrion.js'
import { explanationOf } from '../base/explanation.js'
import { textOfAny } from '../base/host-calls.js'
import { warnOnce } from '../base/warn-once.js'
import { acquireOrWait } from '../limiter/acquire-or-wait.js'
import { ADAPTER_PORT } from '../limiter/adapter-port.js'
import type { AcquireOptions, Permit, Tier } from '../limiter/types.js'
import type { Listen } from '../limiter/waiting.js'

/** The facts that an adapter read of a request. */
export interface AcquireParams {
  /** As the application names it. */
  readonly route: string | undefined
  readonly tier: Tier | undefined
  readonly voltage: number | undefined
  readonly key: string | undefined
  /** True when the application calls the answer long-lived. */
  readonly isStream: boolean
  /** The request's share of what others wait for; undefined: it may not be cancelled. */
  readonly share?: (() => number) | undefined
}

/** The parts of its gate that a tracker needs. @internal */
export interface TrackerHost {
  readonly atrion: Atrion
  readonly maxStreams: number
  /** Asks once more for a request that is in already. Never throws. */
  again(routeId: string, params: AcquireParams): Permit
  /** The refusal of one more stream, which is reported. Never throws. */
  spent(routeId: string, params: AcquireParams): Permit
}

/** A request that could not be asked for is admitted: without evidence nothing is refused. */
const OPEN: Permit = {
  allow: true,
  resistance: 0,
  voltage: 0,
  mode: 'BOOTSTRAP',
  reason: 'OK',
  explain: () => explanationOf(undefined, 0, 0, undefined, undefined, true),
  release() {},
  [Symbol.dispose]() {},
}

function admitted(error: unknown): Permit {
  warnOnce('acquire', `a request could not be asked for and was admitted: ${textOfAny(error)}`)
  return OPEN
}

/** The reason for which a request that waits is given up. */
export const GONE: unique symbol = Symbol('the client has gone')

/** Asks for a permit. Never throws. */
export function acquire(atrion: Atrion, routeId: string, options: AcquireOptions): Permit {
  try {
    return atrion.acquire(routeId, options)
  } catch (error) {
    return admitted(error)
  }
}

/** Asks once more, for a request that is in already. @internal */
export const acquireAgain = (atrion: Atrion, routeId: string, { tier, voltage, key }: AcquireParams): Permit =>
  acquire(atrion, routeId, { tier, voltage, key } as AcquireOptions)

/**
 * Asks for a permit, and waits for it where nothing but a place is missing. Never rejects: a request whose client gave up is
 * refused.
 *
 * @param listen called when the request waits
 * @internal
 */
export function enter(
  atrion: Atrion,
  routeId: string,
  options: AcquireOptions,
  maxWaitMs: number,
  listen: Listen | undefined,
): Permit | Promise<Permit> {
  try {
    const permit = acquireOrWait(atrion, routeId, options, maxWaitMs, listen)
    if (!('then' in permit)) return permit
    return permit.catch((error: unknown) => (error === GONE ? { ...OPEN, allow: false } : admitted(error)))
  } catch (error) {
    return admitted(error)
  }
}

/** The refusal of one more stream than a route may have open: reported and counted as any other. @internal */
export function streamsSpent(atrion: Atrion, routeId: string, tier: Tier | undefined, max: number): Permit {
  const refusal = streamRefusal(tier, max)
  try {
    const port = (atrion as Partial<Atrion>)[ADAPTER_PORT]
    port?.refused(routeId, refusal)
  } catch (error) {
    warnOnce('refused', `a refusal could not be reported: ${textOfAny(error)}`)
  }
  return refusal
}

const streamRefusal = (tier: Tier | undefined, max: number): Permit => ({
  allow: false,
  resistance: Number.POSITIVE_INFINITY,
  voltage: 0,
  mode: 'OPERATIONAL',
  reason: `${max} streams are open on this route`,
  retryAfterMs: undefined,
  limitedBy: 'budget',
  tier: tier ?? 'normal',
  explain: () => explanationOf(undefined, Number.POSITIVE_INFINITY, 0, 'budget', undefined, true),
  release() {},
  [Symbol.dispose]() {},
})
