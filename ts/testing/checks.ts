/** Checks of the suite's own: it runs under any test runner, in any runtime, and asks for neither's assertions. */

import { define } from '../base/own.js'
import type { PhysicsVector } from '../providers/provider.js'

class ConformanceError extends Error {
  static {
    define(ConformanceError.prototype, 'name', 'ConformanceError')
  }
}

const FIELDS = ['scar', 'momentumScalar', 'lastTick', 'resistance'] as const

const MAX_SHOWN = 200

export function show(value: unknown): string {
  let text: string
  try {
    text = JSON.stringify(value) ?? String(value)
  } catch {
    text = String(value)
  }
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ConformanceError(message)
}

/** The same four numbers, to the bit. Further fields are the provider's own business. */
export function checkVector(got: PhysicsVector | null, wanted: PhysicsVector, what: string): void {
  check(typeof got === 'object' && got !== null, `${what}: expected ${show(wanted)}, got ${show(got)}`)
  for (const field of FIELDS) {
    check(
      Object.is(got[field], wanted[field]),
      `${what}: ${field} must be ${show(wanted[field])}, got ${show(got[field])}`,
    )
  }
}

/** A vector that no other number makes. */
export function vectorOf(n: number): PhysicsVector {
  return { scar: n + 0.5, momentumScalar: n / 1024, lastTick: n, resistance: 64 + n }
}

/** Waits for `promise`, at most `timeoutMs`; the timer keeps the process alive, which the provider may not. */
export async function soon<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConformanceError(`${what} within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Another turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
