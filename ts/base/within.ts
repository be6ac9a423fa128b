/** Calls of another's making that may never settle. */

/** Calls `run` after so long, ms, and keeps no process alive; returns what stops that. */
export type After = (ms: number, run: () => void) => () => void

/** By a timer of the host's. */
export const afterHost: After = (ms, run) => {
  const timer = setTimeout(run, ms)
  timer.unref?.()
  return () => clearTimeout(timer)
}

/**
 * Resolves to what a call comes to. Rejects with `lost()` where it has not settled after `ms`; a later end of it is dropped.
 *
 * @throws (rejects) what `call` throws or rejects with
 */
export function within<T>(call: () => T | PromiseLike<T>, ms: number, after: After, lost: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = after(ms, () => reject(lost()))
    const settled =
      <V>(settle: (value: V) => void) =>
      (value: V): void => {
        stop()
        settle(value)
      }
    new Promise<T>((begin) => begin(call())).then(settled(resolve), settled(reject))
  })
}
