/** Arithmetic on pressure vectors. The only place where a plain number becomes a pressure without being normalised. */

import { clampToZero, safeDivide } from './guards.js'
import type { NormalizedPressure, PressureVector, SensitivityWeights } from './types.js'

const vector = (latency: number, error: number, saturation: number): PressureVector => ({
  latency: latency as NormalizedPressure,
  error: error as NormalizedPressure,
  saturation: saturation as NormalizedPressure,
})

const clampToUnit = (x: number): number => Math.max(-1, Math.min(1, x))

/** ‖v‖ as the laws use it: the exact Euclidean length. */
export function norm(v: PressureVector): number {
  return Math.sqrt(v.latency * v.latency + v.error * v.error + v.saturation * v.saturation)
}

export const VectorMath = {
  /** ‖v‖, with a noise floor: a length whose square is below ε is 0. Agrees with `dot(v, v)`. */
  magnitude: (v: PressureVector): number => Math.sqrt(VectorMath.dot(v, v)),

  /** a + b */
  add: (a: PressureVector, b: PressureVector): PressureVector =>
    vector(a.latency + b.latency, a.error + b.error, a.saturation + b.saturation),

  /** a − b */
  subtract: (a: PressureVector, b: PressureVector): PressureVector =>
    vector(a.latency - b.latency, a.error - b.error, a.saturation - b.saturation),

  /** v · scalar, component by component */
  scale: (v: PressureVector, scalar: number): PressureVector =>
    vector(v.latency * scalar, v.error * scalar, v.saturation * scalar),

  /** v / scalar, component by component; 0 where that is no finite number */
  divide: (v: PressureVector, scalar: number): PressureVector =>
    vector(safeDivide(v.latency, scalar), safeDivide(v.error, scalar), safeDivide(v.saturation, scalar)),

  /** a · b, 0 when closer to zero than ε */
  dot: (a: PressureVector, b: PressureVector): number =>
    clampToZero(a.latency * b.latency + a.error * b.error + a.saturation * b.saturation),

  /** Each component times its weight, Ω: the terms of P·W. */
  scaleComponents: (v: PressureVector, w: SensitivityWeights): PressureVector =>
    vector(v.latency * w.wLatency, v.error * w.wError, v.saturation * w.wSaturation),

  /** Sum of the components */
  sum: (v: PressureVector): number => v.latency + v.error + v.saturation,

  /** Each component within [-1, 1] */
  clamp: (v: PressureVector): PressureVector =>
    vector(clampToUnit(v.latency), clampToUnit(v.error), clampToUnit(v.saturation)),

  /** A route that is exactly as expected */
  zero: (): PressureVector => vector(0, 0, 0),
} as const
