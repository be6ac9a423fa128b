/** Timers longer than the 31 bits of ms that `setTimeout` keeps. */

/** The longest that one timer waits, ms. */
export const MAX_TIMER_MS = 0x7fff_ffff

/**
 * Calls `done` after `ms`, however long that is, and keeps the process alive until then.
 *
 * @returns a function that ends it
 */
export function after(ms: number, done: () => void): () => void {
  let leftMs = ms
  let timer: ReturnType<typeof setTimeout> | undefined
  const arm = (): void => {
    const legMs = Math.min(leftMs, MAX_TIMER_MS)
    leftMs -= legMs
    timer = setTimeout(leftMs > 0 ? arm : done, legMs)
  }
  arm()
  return () => clearTimeout(timer)
}
