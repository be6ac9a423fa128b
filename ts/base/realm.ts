/**
 * Kinds of built-in values, of another realm too: a context of `node:vm`, as Jest runs tests in, a frame, or a polyfill. `instanceof` knows
 * those of the package's own realm alone, and in such a context what Node itself gives is of another.
 */

const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!
  .get as () => string | undefined

/** Returns whether it is an array of 64-bit floats, by what it is made of: nothing can pass for one. */
export const isFloat64Array = (value: unknown): value is Float64Array => tagOf.call(value) === 'Float64Array'

/** Returns whether it is an array of bytes, a Buffer among them; the same. */
export const isBytes = (value: unknown): value is Uint8Array => tagOf.call(value) === 'Uint8Array'

/** Returns whether it is, or says that it is, of the built-in kind of that name. Never throws. */
export function isOfKind(value: unknown, kind: string): boolean {
  try {
    return Object.prototype.toString.call(value) === `[object ${kind}]`
  } catch {
    return false
  }
}

/** Returns whether it is an error, and no data that only looks like one. Never throws. */
export function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error || isOfKind(thrown, 'Error') || isOfKind(thrown, 'DOMException')
  } catch {
    return false
  }
}
