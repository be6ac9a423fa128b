/** Logging as a port. Silent by default. */

import { isError } from '../base/realm.js'
import { printable } from '../base/text.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface Logger {
  debug(message: string, context?: Record<string, unknown>): void
  info(message: string, context?: Record<string, unknown>): void
  warn(message: string, context?: Record<string, unknown>): void
  error(message: string, context?: Record<string, unknown>): void
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const satisfies readonly LogLevel[]

/** A logger that sends all four levels to one function. */
const loggerOf = (write: (level: LogLevel, ...entry: Parameters<Logger['info']>) => void): Logger => ({
  debug: (message, context) => write('debug', message, context),
  info: (message, context) => write('info', message, context),
  warn: (message, context) => write('warn', message, context),
  error: (message, context) => write('error', message, context),
})

/** Says nothing. The default. */
export const silentLogger: Logger = loggerOf(() => {})

/** Longest text shown of a value, characters: a backtrace fits. */
const SHOWN_LENGTH = 4000

/** Text of an error with its backtrace, and any other text, on one line; what is no text the console escapes itself. */
function harmless(value: unknown): unknown {
  const text = isError(value) ? (value.stack ?? String(value)) : value
  if (typeof text !== 'string') return value
  return printable(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text)
}

function harmlessContext(context: Record<string, unknown>): Record<string, unknown> {
  try {
    return Object.fromEntries(Object.entries(context).map(([name, value]) => [printable(name), harmless(value)]))
  } catch {
    return { context: 'what cannot be shown' }
  }
}

/** Writes to the console, a line each: control characters in the message and in the texts of the context are escaped. */
export const consoleLogger: Logger = loggerOf((level, message, context) => {
  const line = `[atrion] ${level}: ${printable(message)}`
  if (context === undefined) console[level](line)
  else console[level](line, harmlessContext(context))
})

/** Passes on what is at least as grave as `minLevel` ('warn' by default) to `output` (the console by default). */
export function createLogger(minLevel: LogLevel = 'warn', output: Logger = consoleLogger): Logger {
  const least = LEVELS.indexOf(minLevel)
  return loggerOf((level, message, context) => {
    if (LEVELS.indexOf(level) >= least) output[level](message, context)
  })
}

let current: Logger = silentLogger

/** The logger of everything that was not given its own. */
export function getLogger(): Logger {
  return current
}

/** Replaces the logger of the whole process. */
export function setLogger(logger: Logger): void {
  current = logger
}

/** Back to silence. */
export function resetLogger(): void {
  current = silentLogger
}
