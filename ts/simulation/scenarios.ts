/** Telemetry as a function of the tick: simple shapes, and a way to combine three of them into a sample. */

/** One measurement over time; the first tick is 1. */
export type PressureGenerator = (tick: number) => number

/** A raw sample: what a route would have measured. */
export interface ScenarioSample {
  /** ms */
  readonly latency: number
  /** share of requests, [0, 1] */
  readonly error: number
  /** share of capacity in use, [0, 1] */
  readonly saturation: number
}

/** The events of a route, tick by tick. */
export type Scenario = (tick: number) => ScenarioSample

const constant = (level: number): PressureGenerator => {
  const measured = Math.max(0, level)
  return () => measured
}

export const Scenarios = {
  /** Nothing but `base`, 0 by default. */
  silence: (base = 0): PressureGenerator => constant(base),

  /** `peak` from tick `start` until before tick `end`, `base` around it. */
  spike:
    (start: number, end: number, peak: number, base = 0): PressureGenerator =>
    (tick) =>
      tick >= start && tick < end ? peak : base,

  /** Always `level`. */
  sustained: (level: number): PressureGenerator => constant(level),

  /** A sine of `period` ticks around `offset`, cut off at 0. */
  oscillating:
    (period: number, amplitude: number, offset = 0): PressureGenerator =>
    (tick) =>
      Math.max(0, offset + amplitude * Math.sin((2 * Math.PI * tick) / period)),

  /** `base` until tick `start`, then `slope` more each tick, up to `cap`. */
  ramp:
    (start: number, slope: number, base = 0, cap = 100): PressureGenerator =>
    (tick) =>
      tick < start ? base : Math.min(cap, base + slope * (tick - start)),

  /** `high` until before tick `dropTick`, `low` from then on. */
  recovery:
    (dropTick: number, high: number, low: number): PressureGenerator =>
    (tick) =>
      tick < dropTick ? high : low,

  /** Three generators, one sample. */
  compose:
    (latency: PressureGenerator, error: PressureGenerator, saturation: PressureGenerator): Scenario =>
    (tick) => ({ latency: latency(tick), error: error(tick), saturation: saturation(tick) }),
} as const
