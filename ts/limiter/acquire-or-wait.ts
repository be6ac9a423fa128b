/**
 * The request of an adapter: by `acquire()`, so that whatever is put around it sees every request, and with a wish that `acquire()`
 * itself has no words for: to wait where nothing but a place is missing. There is a promise only where the request waits.
 */

import type { AcquireOptions, Permit } from './types.js'
import type { Listen } from './waiting.js'

/** The wish of a request that finds no place. */
export interface Wish {
  /** The time that it may wait, ms. */
  readonly maxWaitMs: number
  /** Called when the request waits. */
  readonly listen: Listen | undefined
  /** Set when the request waits. */
  waiting: Promise<Permit> | undefined
}

/** Of the request that is about to be asked for. */
let wish: Wish | undefined

/** The wish of the request that is asked for now; of that one alone, whatever it causes to be asked for besides. */
export function takeWish(): Wish | undefined {
  if (wish === undefined) return undefined
  const taken = wish
  wish = undefined
  return taken
}

/** Asks for a permit, and waits for it where nothing but a place is missing. @throws what `acquire()` does */
export function acquireOrWait(
  atrion: { acquire(routeId: string, options: AcquireOptions): Permit },
  routeId: string,
  options: AcquireOptions,
  maxWaitMs: number,
  listen: Listen | undefined,
): Permit | Promise<Permit> {
  const own: Wish = { maxWaitMs, listen, waiting: undefined }
  wish = own
  try {
    const permit = atrion.acquire(routeId, options)
    return own.waiting ?? permit
  } finally {
    wish = undefined
  }
}
