/** The remains of calls of the host's code: a promise that nothing waits for, and whatever was thrown. */

import { AtrionError } from './errors.js'
import { peek } from './own.js'
import { isError } from './realm.js'
import { nameInLog, withoutSecrets } from './text.js'

const noNotice = (): void => {}

/**
 * Notices how a promise ends that nothing waits for, as of a listener that is an async function: unnoticed, its rejection would end the
 * process.
 */
export function noticeEnd(result: unknown, onError: (error: unknown) => void = noNotice): void {
  if (typeof result !== 'object' || result === null) return
  try {
    const { then } = result as { then?: unknown }
    if (typeof then === 'function') then.call(result, undefined, onError)
  } catch (error) {
    onError(error)
  }
}

/** Ends a subscription: by a function, or an object with a method `unsubscribe()`. */
function quietly(end: unknown): void {
  try {
    noticeEnd(typeof end === 'function' ? end() : (end as { unsubscribe?(): unknown } | undefined)?.unsubscribe?.())
  } catch {}
}

/**
 * A subscription of the host's code: its end, which never throws, a function or an object with a method `unsubscribe()`, also where that
 * comes in a promise; undefined where there is none.
 *
 * @param onError called with what it threw or rejected with
 */
export function subscribed(subscribe: () => unknown, onError: (error: unknown) => void): (() => void) | undefined {
  let given: unknown
  try {
    given = subscribe()
  } catch (error) {
    onError(error)
    return undefined
  }
  if (typeof given === 'function' || typeof peek(given, 'unsubscribe') === 'function') return () => quietly(given)
  if (typeof peek(given, 'then') !== 'function') return undefined
  let isOver = false
  let end: unknown
  Promise.resolve(given).then((found: unknown) => {
    end = found
    if (isOver) quietly(end)
  }, onError)
  return () => {
    isOver = true
    quietly(end)
    end = undefined
  }
}

/** Anything that the host's code threw as an error with a message: itself, or one that names it. Never throws. */
export const errorOf = (thrown: unknown): Error =>
  isError(thrown) && typeof peek(thrown, 'message') === 'string' ? thrown : new AtrionError(textOfAny(thrown))

/** Anything that the host's code threw or returned, on one line: an object whose `toString` throws among it. */
export function textOfAny(error: unknown): string {
  try {
    return nameInLog(withoutSecrets(String(error)))
  } catch {
    return 'what cannot be shown'
  }
}
