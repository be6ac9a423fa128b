/** A route in virtual time: the functional model, a clock that moves by one sampling window a tick, and a scenario. */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { VirtualClock } from '../core/clock.js'
import { DEFAULT_CONFIG, DEFAULT_SLO, deriveBaselines, deriveWeights } from '../core/config.js'
import { normalizeTelemetry } from '../core/normalize.js'
import { createBootstrapState, updatePhysics } from '../core/tick.js'
import type { AutoTuner } from '../core/tuner.js'
import type { PhysicsConfig, RouteState, SLOConfig } from '../core/types.js'
import { VectorMath } from '../core/vector.js'
import { SimulationObserver } from './observer.js'
import type { Scenario } from './scenarios.js'

export interface SimulationOptions {
  /** Ticks to run, ≥ 0; each takes config.minDeltaT of virtual time. */
  readonly durationTicks: number
  /** The differences from DEFAULT_CONFIG. */
  readonly config?: Partial<PhysicsConfig>
  /** The differences from DEFAULT_SLO. */
  readonly slo?: Partial<SLOConfig>
  readonly scenario: Scenario
  /** Sets the break point; without one it is static. */
  readonly tuner?: AutoTuner
}

const NAMES = ['durationTicks', 'config', 'slo', 'scenario', 'tuner'] satisfies (keyof SimulationOptions)[]

/**
 * Runs a scenario to its end. The same options give the same record, whenever it runs.
 *
 * @throws ConfigError when it would have no end
 */
export function runSimulation(options: SimulationOptions): SimulationObserver {
  if (typeof options !== 'object' || options === null) throw new ConfigError('options', 'an object', options)
  const { durationTicks, scenario, tuner, config: physics, slo: objective } = copyOf(options, NAMES)
  if (!(Number.isFinite(durationTicks) && durationTicks >= 0)) {
    throw new ConfigError('durationTicks', 'a finite number ≥ 0', durationTicks)
  }
  if (typeof scenario !== 'function') throw new ConfigError('scenario', 'a function', scenario)
  const config: PhysicsConfig = { ...DEFAULT_CONFIG, ...physics }
  const slo: SLOConfig = { ...DEFAULT_SLO, ...objective }
  const weights = deriveWeights(slo)
  const baselines = deriveBaselines(slo)

  const clock = new VirtualClock()
  const observer = new SimulationObserver()
  let state: RouteState = createBootstrapState('simulation', VectorMath.zero(), config, clock.now())

  for (let tick = 1; tick <= durationTicks; tick += 1) {
    clock.advance(config.minDeltaT)
    const sample = scenario(tick)
    const { latency, error, saturation } = sample
    const pressure = normalizeTelemetry(latency, error, saturation, baselines, config.tanhScale)
    state = updatePhysics(state, pressure, weights, config, clock.now(), undefined, tuner)
    observer.record(tick, state, sample)
  }
  return observer
}
