/** The options of the watchdog, and their check. */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { override, within } from './ranges.js'

/** Options of the watchdog. */
export interface WatchdogOptions {
  /** The shortest stall that is an event and counted, ms, 50 to 60,000. What excuses requests is always one of 50 ms. Default 50. */
  readonly stallMs?: number | undefined
  /**
   * Gives a stall the `stack` of what blocked: of stalls of about 200 ms or more of the main thread, one in ten seconds. A thread of its own
   * asks V8's inspector, which stops nothing. Default false.
   */
  readonly stack?: boolean | undefined
}

/** The shortest stall, ms: the engine's. */
const LEAST_MS = 50
const DEFAULTS = { stallMs: LEAST_MS, stack: false }
const RANGES = { stallMs: within(LEAST_MS, 60_000) }

/** The wish for a watchdog; `isEager`: from the start, and not only once it is needed. */
export interface WatchdogWish extends Required<WatchdogOptions> {
  readonly stallMs: number
  readonly stack: boolean
  readonly isEager: boolean
}

/** @returns undefined where there is to be no watchdog @throws ConfigError */
export function readWatchdog(given: unknown): WatchdogWish | undefined {
  if (given === false) return undefined
  if (given === undefined || given === null) return { ...DEFAULTS, isEager: false }
  if (given === true) return { ...DEFAULTS, isEager: true }
  if (typeof given !== 'object') throw new ConfigError('watchdog', 'true, false or an object', given)
  const { stack = DEFAULTS.stack, ...numbers } = copyOf(given as WatchdogOptions, [...Object.keys(RANGES), 'stack'])
  if (typeof stack !== 'boolean') throw new ConfigError('watchdog.stack', 'true or false', stack)
  return { ...override('watchdog', DEFAULTS, numbers, RANGES, ['stack']), stack, isEager: true }
}
