/**
 * Guards keep the laws total: whatever goes in, a finite number comes out. None of them returns NaN or ±Infinity, not
 * even when a bound or a fallback is itself unsafe (an unsafe fallback counts as 0, an unsafe bound as no bound).
 */

import { getLogger } from '../events/loggers.js'
import { EPSILON, MAX_RESISTANCE, MIN_DELTA_T } from './constants.js'
import type { DeltaTime, NormalizedPressure, PressureVector, Timestamp } from './types.js'

/** exp overflows above this… */
const MAX_EXPONENT = 709
/** … and is zero below this. */
const MIN_EXPONENT = -745

/** True for a finite number; false for NaN, ±Infinity and every other type. */
export function isSafeNumber(value: unknown): value is number {
  return Number.isFinite(value)
}

const safeFallback = (fallback: number): number => (isSafeNumber(fallback) ? fallback : 0)

/** A finite number from anything: numeric strings are read, bigints within the safe integers converted. */
export function toSafeNumber(value: unknown, fallback = 0): number {
  switch (typeof value) {
    case 'number':
      return isSafeNumber(value) ? value : safeFallback(fallback)
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : safeFallback(fallback)
    case 'string':
      return toSafeNumber(Number.parseFloat(value), fallback)
    default:
      return safeFallback(fallback)
  }
}

/**
 * `value` within [min, max]. An unsafe value becomes the middle of the range, or its one finite bound. When the bounds
 * are crossed, `min` wins.
 */
export function safeClamp(value: number, min: number, max: number): number {
  const low = isSafeNumber(min) ? min : -Number.MAX_VALUE
  const high = isSafeNumber(max) ? max : Number.MAX_VALUE
  if (isSafeNumber(value)) return Math.max(low, Math.min(high, value))
  if (!isSafeNumber(min) || !isSafeNumber(max)) return toSafeNumber(min, max)
  return min / 2 + max / 2
}

/** numerator / denominator, or the fallback when that is not a finite number. */
export function safeDivide(numerator: number, denominator: number, fallback = 0): number {
  if (!isSafeNumber(numerator) || !isSafeNumber(denominator)) return safeFallback(fallback)
  return toSafeNumber(numerator / denominator, fallback)
}

/** e^value, at most Number.MAX_VALUE; the fallback when the exponent is not a finite number. */
export function safeExp(value: number, fallback = 0): number {
  if (!isSafeNumber(value)) return safeFallback(fallback)
  if (value > MAX_EXPONENT) return Number.MAX_VALUE
  if (value < MIN_EXPONENT) return 0
  return Math.exp(value)
}

/** tanh, in [-1, 1]; 0 for an unsafe value. */
export function safeTanh(value: number): number {
  return isSafeNumber(value) ? Math.tanh(value) : 0
}

/** 0 for what is closer to zero than ε: without it a decaying value lingers in the denormals, never quite gone. */
export function clampToZero(value: number): number {
  return isSafeNumber(value) && Math.abs(value) >= EPSILON ? value : 0
}

/** +0 for -0, whose reciprocal would be -Infinity; any other finite number unchanged. */
export function normalizeZero(value: number): number {
  return isSafeNumber(value) && value !== 0 ? value : 0
}

/** A pressure component from anything, in [-1, 1]; 0 when it is no number. */
export function sanitizePressure(value: unknown): number {
  return safeClamp(toSafeNumber(value), -1, 1)
}

/** A quantity that cannot be negative, from anything. */
export function sanitizePositive(value: unknown, fallback = 0): number {
  return Math.max(0, toSafeNumber(value, fallback))
}

/** Guards of whole physical quantities. What they repair is logged as a warning (the default logger is silent). */
export const PhysicsGuard = {
  /** Each component within [-1, 1]; one that is no finite number becomes 0. `label` says in the log whose it was. */
  sanitizeVector(vector: PressureVector, label = 'unknown'): PressureVector {
    const component = (name: keyof PressureVector): NormalizedPressure => {
      const value = vector[name]
      if (!isSafeNumber(value)) getLogger().warn(`pressure of ${label}: ${name} is ${String(value)}, taken as 0`)
      return sanitizePressure(value) as NormalizedPressure
    }
    return { latency: component('latency'), error: component('error'), saturation: component('saturation') }
  },

  /** now − last, at least `minDelta` ms: a divisor that is never zero, whatever the clock does. */
  safeDeltaT(now: Timestamp, last: Timestamp, minDelta: number = MIN_DELTA_T): DeltaTime {
    const elapsedMs = now - last
    const leastMs = sanitizePositive(minDelta, MIN_DELTA_T)
    if (elapsedMs < 0) getLogger().warn(`the clock went back by ${-elapsedMs} ms, taken as ${leastMs} ms`)
    return Math.max(toSafeNumber(elapsedMs, leastMs), leastMs) as DeltaTime
  },

  /** Within [base, 1e6] Ω; `base` when r is no finite number. */
  clampResistance(r: number, base: number): number {
    const least = Math.min(sanitizePositive(base), MAX_RESISTANCE)
    return isSafeNumber(r) ? Math.min(Math.max(r, least), MAX_RESISTANCE) : least
  },

  /** ≥ 0, and exactly 0 below ε. */
  cleanScar(scar: number): number {
    return clampToZero(sanitizePositive(scar))
  },
} as const
