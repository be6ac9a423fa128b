/** A logger that never throws into the code that logs: an error of the caller's logger has nowhere left to be reported. */

import { noticeEnd } from '../base/host-calls.js'
import { getLogger, type Logger, silentLogger } from './loggers.js'

export class SafeLogger {
  readonly #own: Logger | undefined

  /** @param own default: the process-wide logger of the moment */
  constructor(own: Logger | undefined) {
    this.#own = own
  }

  get isSilent(): boolean {
    return (this.#own ?? getLogger()) === silentLogger
  }

  warn(message: string, context?: Record<string, unknown>): void {
    try {
      noticeEnd((this.#own ?? getLogger()).warn(message, context))
    } catch {}
  }

  error(message: string, context?: Record<string, unknown>): void {
    try {
      noticeEnd((this.#own ?? getLogger()).error(message, context))
    } catch {}
  }
}
