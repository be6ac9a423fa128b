/** What a request is asked for with, and at what; for adapters of every runtime. */

import type { Atrion } from '../atrion.js'
import type { AcquireOptions, Permit, Tier } from '../loop.js'
import { warnOnce } from './_ask.js'

/** What a request says of itself. */
export interface Asking {
  /** As the application names it. */
  readonly route: string | undefined
  readonly tier: Tier | undefined
  readonly voltage: number | undefined
  readonly key: string | undefined
  /** Whether the application calls the answer long-lived. */
  readonly isStream: boolean
}

/** What a passage needs of the gate it came through. */
export interface Turnstile {
  readonly atrion: Atrion
  readonly maxStreams: number
  /** Asks once more for a request that is in already. Never throws. */
  again(routeId: string, asking: Asking): Permit
}

/** A request that could not be asked for is admitted: without evidence nothing is refused. */
const OPEN: Permit = {
  allow: true,
  resistance: 0,
  voltage: 0,
  mode: 'BOOTSTRAP',
  reason: 'OK',
  release() {},
  [Symbol.dispose]() {},
}

function admitted(error: unknown): Permit {
  warnOnce('acquire', `a request could not be asked for and was admitted: ${String(error)}`)
  return OPEN
}

/** Asks for a permit. Never throws. */
export function acquire(atrion: Atrion, routeId: string, options: AcquireOptions): Permit {
  try {
    return atrion.acquire(routeId, options)
  } catch (error) {
    return admitted(error)
  }
}

/** Asks once more, for a request that is in already. */
export const acquireAgain = (atrion: Atrion, routeId: string, { tier, voltage, key }: Asking): Permit =>
  acquire(atrion, routeId, { tier, voltage, key } as AcquireOptions)

/** Asks for a permit, and waits for it. Never rejects: a request whose client gave up is refused. */
export async function enter(
  atrion: Atrion,
  routeId: string,
  options: AcquireOptions & { maxWaitMs: number; signal?: AbortSignal },
): Promise<Permit> {
  try {
    return await atrion.enter(routeId, options)
  } catch (error) {
    if (options.signal?.aborted === true) return { ...OPEN, allow: false }
    return admitted(error)
  }
}

/** The refusal of one more stream than a route may have open. */
export const streamsSpent = (max: number): Permit => ({
  allow: false,
  resistance: Number.POSITIVE_INFINITY,
  voltage: 0,
  mode: 'OPERATIONAL',
  reason: `${max} streams are open on this route`,
  retryAfterMs: undefined,
  limitedBy: 'budget',
  release() {},
  [Symbol.dispose]() {},
})
