/**
 * Law of the adaptive break point: clamp(μ + kσ, minFloor, hardCeiling), where μ and σ are what R normally is on this
 * route. With α = 2/(N + 1) and δ = x − μ: μ ← μ + αδ, σ² ← (1 − α)(σ² + αδ²).
 *
 * Exponential moments take three numbers a route, whatever the window. What they lack is a memory of health: a ramp
 * slow enough is learnt as normal, and `hardCeiling` is what stops that.
 */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { isSafeNumber } from './guards.js'
import type { AutoTunerConfig, Ohms } from './types.js'

export type { AutoTunerConfig } from './types.js'

export interface TunerStats {
  /** μ, Ω */
  mean: number
  /** σ, Ω */
  stdDev: number
  /** Ticks seen. */
  sampleCount: number
  isWarmedUp: boolean
}

/** All that a tuner remembers. */
export interface TunerMoments {
  /** μ, Ω */
  readonly mean: number
  /** σ², Ω² */
  readonly variance: number
  readonly count: number
}

/** {@link AutoTunerConfig}'s defaults. */
export const DEFAULT_AUTOTUNER_CONFIG: Readonly<AutoTunerConfig> & {
  readonly minFloor: Ohms
  readonly hardCeiling: Ohms
} = Object.freeze({
  windowSize: 100,
  sensitivity: 3,
  minFloor: 30 as Ohms,
  hardCeiling: 500 as Ohms,
  warmupTicks: 50,
  recoveryMultiplier: 0.5,
})

/** Break point before warm-up of a tuner that was given no other, Ω: the defaults' baseResistance · breakMultiplier. */
const DEFAULT_STATIC_BREAK_POINT = 100

/** The usual resistance of one route, and the points at which it breaks and recovers. */
export class AutoTuner {
  readonly #config: Readonly<AutoTunerConfig>
  readonly #fallbackBreak: number | undefined
  readonly #alpha: number
  #mean = 0
  #variance = 0
  #count = 0

  /**
   * @param config what differs from {@link DEFAULT_AUTOTUNER_CONFIG}
   * @param fallbackBreak break point before warm-up, Ω; by default the static one of the physics it is used with
   * @throws ConfigError when a value is out of its range
   */
  constructor(config: Partial<AutoTunerConfig> = {}, fallbackBreak?: number) {
    this.#config = complete(config)
    this.#fallbackBreak = fallbackBreak
    this.#alpha = 2 / (this.#config.windowSize + 1)
  }

  /** Learns one resistance, Ω. What is no finite number is ignored: it would poison the moments for good. */
  observe(resistance: number): void {
    if (!isSafeNumber(resistance)) return
    this.#count += 1
    if (this.#count === 1) {
      this.#mean = resistance
      this.#variance = 0
      return
    }
    const delta = resistance - this.#mean
    this.#mean += this.#alpha * delta
    this.#variance = (1 - this.#alpha) * (this.#variance + this.#alpha * delta * delta)
  }

  getStats(): TunerStats {
    return {
      mean: this.#mean,
      stdDev: Math.sqrt(this.#variance),
      sampleCount: this.#count,
      isWarmedUp: this.#count >= this.#config.warmupTicks,
    }
  }

  /**
   * Resistance at which the breaker opens, Ω.
   *
   * @param staticBreakPoint what it is before warm-up, unless the constructor was given one, Ω, default 100
   */
  computeBreakPoint(staticBreakPoint: number = DEFAULT_STATIC_BREAK_POINT): Ohms {
    const { sensitivity, minFloor, hardCeiling, warmupTicks } = this.#config
    if (this.#count < warmupTicks) return (this.#fallbackBreak ?? staticBreakPoint) as Ohms
    const unusual = this.#mean + sensitivity * Math.sqrt(this.#variance)
    return Math.max(minFloor, Math.min(unusual, hardCeiling)) as Ohms
  }

  /** Resistance below which the breaker closes, Ω; never below minFloor/2. Takes what computeBreakPoint takes. */
  computeRecoveryPoint(staticBreakPoint?: number): Ohms {
    const { minFloor, recoveryMultiplier } = this.#config
    return Math.max(minFloor / 2, this.computeBreakPoint(staticBreakPoint) * recoveryMultiplier) as Ohms
  }

  shouldBreak(resistance: number): boolean {
    return resistance >= this.computeBreakPoint()
  }

  shouldRecover(resistance: number): boolean {
    return resistance < this.computeRecoveryPoint()
  }

  /** Forgets everything. */
  reset(): void {
    this.restore({ mean: 0, variance: 0, count: 0 })
  }

  /** The moments that it has learnt, to be kept elsewhere. */
  snapshot(): TunerMoments {
    return { mean: this.#mean, variance: this.#variance, count: this.#count }
  }

  /** Takes over what was learnt elsewhere. */
  restore(moments: TunerMoments): void {
    this.#mean = moments.mean
    this.#variance = moments.variance
    this.#count = moments.count
  }
}

function complete(config: Partial<AutoTunerConfig>): Readonly<AutoTunerConfig> {
  if (typeof config !== 'object' || config === null) throw new ConfigError('autoTuner', 'an object', config)
  const names = Object.keys(DEFAULT_AUTOTUNER_CONFIG)
  const given = Object.fromEntries(Object.entries(copyOf(config, names)).filter(([, value]) => value !== undefined))
  const all: AutoTunerConfig = { ...DEFAULT_AUTOTUNER_CONFIG, ...given }
  const require = (field: keyof AutoTunerConfig, range: string, holds: (value: number) => boolean): void => {
    const value: unknown = all[field]
    if (!isSafeNumber(value) || !holds(value)) throw new ConfigError(`autoTuner.${field}`, range, value)
  }
  require('windowSize', 'a finite number ≥ 1', (n) => n >= 1)
  require('sensitivity', 'a finite number ≥ 0', (k) => k >= 0)
  require('minFloor', 'a finite number of Ω ≥ 0', (ohms) => ohms >= 0)
  require('hardCeiling', `a finite number of Ω ≥ minFloor (${all.minFloor})`, (ohms) => ohms >= all.minFloor)
  require('warmupTicks', 'a finite number ≥ 0', (ticks) => ticks >= 0)
  require('recoveryMultiplier', 'in (0, 1]', (share) => share > 0 && share <= 1)
  return all
}
