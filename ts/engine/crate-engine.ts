/** The base of the engines that are the crate: their rare calls are passed on by name. */

import { RARE_CALLS, type RareCalls } from './port.js'

abstract class Base {
  /** Makes a rare call; where the engine itself fails, its answer in `RARE_CALLS`. */
  protected abstract pass(call: keyof RareCalls, a: unknown, b: unknown): unknown
}

for (const call of Object.keys(RARE_CALLS) as (keyof RareCalls)[]) {
  Object.defineProperty(Base.prototype, call, {
    configurable: true,
    writable: true,
    value(this: { pass: Base['pass'] }, a: unknown, b: unknown) {
      return this.pass(call, a, b)
    },
  })
}

export const CrateEngine = Base as unknown as abstract new () => Base & RareCalls

/** The answer of a rare call where the engine itself fails: an object that its caller may change. */
export const answerOnFault = (call: keyof RareCalls): unknown => (call === 'routeIds' ? [] : RARE_CALLS[call])
