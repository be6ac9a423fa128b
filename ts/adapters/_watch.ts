/** Requests under way, by age: what takes very long is long-lived rather than slow. */

import { LEAST_LONG_MS } from './_long.js'

/** The interval at which requests under way are looked through, ms. */
const SWEEP_MS = 1_000

const { setInterval: repeat, clearInterval: stop } = globalThis

interface Watched {
  readonly ageMs: number
  /** Returns whether the request has taken very long by now; true: it is not watched any more. */
  outlasts(ageMs: number): boolean
}

/** In the order they came in. */
const underWay = new Set<Watched>()
let sweeper: ReturnType<typeof setInterval> | undefined
let isIdle = false

function sweep(): void {
  if (underWay.size === 0) {
    // Idle for two turns: a service with requests now and then does not start a timer for each.
    if (isIdle) {
      stop(sweeper)
      sweeper = undefined
    }
    isIdle = true
    return
  }
  isIdle = false
  for (const watched of underWay) {
    const { ageMs } = watched
    if (ageMs < LEAST_LONG_MS) break
    if (watched.outlasts(ageMs)) underWay.delete(watched)
  }
}

/** Watches a request, or ends it. */
export function watchLong(watched: Watched, isUnderWay = true): void {
  if (!isUnderWay) {
    underWay.delete(watched)
    return
  }
  underWay.add(watched)
  if (sweeper === undefined) {
    sweeper = repeat(sweep, SWEEP_MS)
    sweeper.unref()
  }
}
