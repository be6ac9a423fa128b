/** The options of a request that may wait, and the stand-in for its permit while it does. */

import { explanationOf } from '../base/explanation.js'
import { ownOptions } from '../base/own.js'
import { onAbort, requireSignal } from '../base/signals.js'
import { ENTER_NAMES, requireMaxWait } from './request.js'
import type { EnterOptions, Permit } from './types.js'
import type { Listen } from './waiting.js'

/** Stands for the permit of a request that waits. */
export const waits = (): Permit => ({
  allow: false,
  resistance: 0,
  voltage: 0,
  mode: 'OPERATIONAL',
  reason: 'waiting',
  explain: () => explanationOf(undefined, 0, 0, undefined, undefined, true),
  release() {},
  [Symbol.dispose]() {},
})

/** The time that a request may wait, ms, and what ends that. @throws ConfigError */
export function readWait(options: EnterOptions | undefined): { maxWaitMs: number; signal: AbortSignal | undefined } {
  const given = typeof options === 'object' ? ownOptions(options, ENTER_NAMES) : undefined
  return { maxWaitMs: requireMaxWait(given?.maxWaitMs), signal: requireSignal('signal', given?.signal) }
}

/** Listens to a signal while a request waits. @throws its reason when it is aborted already */
export function listenTo(signal: AbortSignal | undefined): Listen | undefined {
  if (signal === undefined) return undefined
  if (signal.aborted) throw signal.reason
  return (abort) => onAbort(signal, () => abort(signal.reason))
}
