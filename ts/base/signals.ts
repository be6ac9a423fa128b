/**
 * Listening to abort signals: one listener per signal, however many calls share it. A signal that outlives its calls, an
 * application's shutdown for example, keeps no listener of them, and eleven calls at once cause no warning of a leak.
 */

import { ConfigError } from './errors.js'

type Callback = () => void

const CALLBACKS = new WeakMap<AbortSignal, Set<Callback>>()

/**
 * Calls back once when the signal is aborted. The caller has checked that it is not aborted yet.
 *
 * @returns a function that stops listening
 */
export function onAbort(signal: AbortSignal, callback: Callback): () => void {
  let callbacks = CALLBACKS.get(signal)
  if (callbacks === undefined) {
    callbacks = listen(signal)
    CALLBACKS.set(signal, callbacks)
  }
  const shared = callbacks
  const own = (): void => callback() // the same callback may be given twice
  shared.add(own)
  return () => {
    if (shared.delete(own) && shared.size === 0 && CALLBACKS.get(signal) === shared) {
      CALLBACKS.delete(signal)
      signal.removeEventListener('abort', listenerOf.get(shared)!)
    }
  }
}

const listenerOf = new WeakMap<Set<Callback>, Callback>()

function listen(signal: AbortSignal): Set<Callback> {
  const callbacks = new Set<Callback>()
  const onEvent = (): void => {
    CALLBACKS.delete(signal)
    const all = [...callbacks]
    callbacks.clear()
    const errors: unknown[] = []
    for (const callback of all) {
      try {
        callback()
      } catch (error) {
        errors.push(error) // the other listeners are called all the same
      }
    }
    if (errors.length > 0) throw errors[0]
  }
  listenerOf.set(callbacks, onEvent)
  signal.addEventListener('abort', onEvent, { once: true })
  return callbacks
}

/**
 * The signal that was given, if one was; null counts as not given.
 *
 * @throws ConfigError for what is no AbortSignal
 */
export function requireSignal(field: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || value === null) return undefined
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>
  const isSignal =
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  if (!isSignal) throw new ConfigError(field, 'an AbortSignal', value)
  return value as AbortSignal
}
