/**
 * Law of pressure: p = tanh(k·(x − b)/b).
 *
 * A relative distance from the baseline b, so that milliseconds and error rates compare; squeezed by tanh, so that a
 * hundredfold latency is not a hundredfold reason to shed, while near the baseline every bit of stress still counts.
 */

import { isSafeNumber, toSafeNumber } from './guards.js'
import type { Baselines, NormalizedPressure, PressureVector } from './types.js'

/**
 * Pressure of one measurement, in [-1, 1]. A baseline ≤ 0 (or none) gives 0; so does a measurement that is no finite
 * number, for it says nothing about a deviation.
 *
 * @param rawValue x, in the unit of the baseline
 * @param baseline b, > 0
 * @param scale k, default 1
 */
export function normalize(rawValue: number, baseline: number, scale = 1): NormalizedPressure {
  const b = toSafeNumber(baseline)
  if (b <= 0) return 0 as NormalizedPressure
  const x = toSafeNumber(rawValue, b)
  const k = toSafeNumber(scale, 1)
  // (x − b)/b overflows for a tiny b; tanh(±Infinity) is ±1, which is right. Only 0·Infinity is not a number.
  const p = k === 0 ? 0 : Math.tanh(k * ((x - b) / b))
  return p as NormalizedPressure
}

/**
 * P from raw telemetry.
 *
 * @param latencyMs ms, ≥ 0
 * @param errorRate [0, 1]
 * @param saturation [0, 1]
 * @param scale k, default 1
 */
export function normalizeTelemetry(
  latencyMs: number,
  errorRate: number,
  saturation: number,
  baselines: Baselines,
  scale = 1,
): PressureVector {
  return {
    latency: normalize(latencyMs, baselines.latencyMs, scale),
    error: normalize(errorRate, baselines.errorRate, scale),
    saturation: normalize(saturation, baselines.saturation, scale),
  }
}

/** True for a finite number in [-1, 1]. */
export function isValidPressure(p: number): boolean {
  return isSafeNumber(p) && p >= -1 && p <= 1
}

/** True when every component is a valid pressure. */
export function isValidPressureVector(v: PressureVector): boolean {
  return isValidPressure(v.latency) && isValidPressure(v.error) && isValidPressure(v.saturation)
}
