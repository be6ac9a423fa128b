/**
 * The runtime's own timers, taken when the module is loaded: an application's tests that fake timers later do not stop what an
 * adapter has to end. None of them keeps a process alive.
 */

const { setTimeout: start, clearTimeout: stop, setImmediate: immediate, performance } = globalThis

/** A time that is running, and how it is called off. */
export type Timer = ReturnType<typeof setTimeout>

/** Calls `work` once, after `ms`. */
export function after(ms: number, work: () => void): Timer {
  const timer = start(work, ms)
  ;(timer as { unref?: () => void }).unref?.()
  return timer
}

/** Calls a timer off; undefined is none. */
export function callOff(timer: Timer | undefined): void {
  if (timer !== undefined) stop(timer)
}

/** The runtime's monotonic clock, ms. */
export const nowMs: () => number = performance?.now.bind(performance) ?? Date.now

/** Returns whether a library has put a faked `setImmediate` in place of the runtime's: what is put off with it may never happen. */
export const hasFakedTimers = (): boolean =>
  globalThis.setImmediate !== immediate || (immediate !== undefined && Object.hasOwn(immediate, 'clock'))
