/** Warnings of the process: what an operator should see, logger or not. */

import { define } from './own.js'

const warned = new Set<string>()

/** Warns the process once of each subject. Never throws. */
export function warnOnce(subject: string, message: string): void {
  if (warned.has(subject)) return
  warned.add(subject)
  const { process } = globalThis as { process?: { emitWarning?: (warning: Error) => void } }
  // An error, not a text: of a text Node makes one that it assigns a name to, which fails where a host froze `Error.prototype`.
  const warning = new Error(message)
  define(warning, 'name', 'AtrionWarning')
  Error.captureStackTrace?.(warning, warnOnce)
  try {
    if (typeof process?.emitWarning === 'function') process.emitWarning(warning)
    else console.warn(`atrion: ${message}`)
  } catch {
    // The host's own way to warn has failed.
  }
}
