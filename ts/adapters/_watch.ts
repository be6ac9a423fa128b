/** Requests under way, by age: what takes very long is long-lived rather than slow. */

import { LONG_MS, nowMs } from './_timers.js'

/** How often requests under way are looked through, ms. */
const SWEEP_MS = 1_000

const { setInterval: repeat, clearInterval: stop } = globalThis

interface Watched {
  readonly startedMs: number
  toStream(): boolean
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
  const untilMs = nowMs() - LONG_MS
  for (const watched of underWay) {
    if (watched.startedMs > untilMs) break
    underWay.delete(watched)
    watched.toStream()
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
