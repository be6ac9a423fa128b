/**
 * The names of atrion 2.0's wasm module, over the functional model: objects in place of plain numbers, and a momentum that
 * remembers. What decides in this package is the wasm engine; these are for code that called the module's laws itself.
 */

import { DEFAULT_CONFIG, DEFAULT_SLO, deriveWeights } from './core/config.js'
import { calculateResistance } from './core/resistance.js'
import { updateScar } from './core/scar.js'
import type * as core from './core/types.js'
import { VectorMath } from './core/vector.js'

/** P, as an object of the module's. */
export class PressureVector implements core.PressureVector {
  latency: core.NormalizedPressure
  error: core.NormalizedPressure
  saturation: core.NormalizedPressure

  constructor(latency: number, error: number, saturation: number) {
    this.latency = latency as core.NormalizedPressure
    this.error = error as core.NormalizedPressure
    this.saturation = saturation as core.NormalizedPressure
  }

  /** Nothing to free: no memory of wasm is behind it. */
  free(): void {}
}

/** The module's constants; a plain {@link core.PhysicsConfig} may stand in their place. */
export class WasmPhysicsConfig {
  base_resistance: number = DEFAULT_CONFIG.baseResistance
  damping_factor: number = DEFAULT_CONFIG.dampingFactor
  scar_factor: number = DEFAULT_CONFIG.scarFactor
  /** ms in which a momentum falls to 1/e of itself. */
  momentum_halflife = 5000
  bootstrap_ticks: number = DEFAULT_CONFIG.bootstrapTicks
  break_threshold: number = DEFAULT_CONFIG.baseResistance * DEFAULT_CONFIG.breakMultiplier
  recovery_threshold: number = (DEFAULT_CONFIG.baseResistance * DEFAULT_CONFIG.breakMultiplier) / 2

  /** Nothing to free: no memory of wasm is behind it. */
  free(): void {}
}

/** W, as an object of the module's; plain {@link core.SensitivityWeights} may stand in its place. */
export class WasmSensitivityWeights {
  w_latency: number
  w_error: number
  w_saturation: number

  constructor(wLatency: number, wError: number, wSaturation: number) {
    this.w_latency = wLatency
    this.w_error = wError
    this.w_saturation = wSaturation
  }

  /** Nothing to free: no memory of wasm is behind it. */
  free(): void {}
}

export type PhysicsConfig = core.PhysicsConfig
export const PhysicsConfig = WasmPhysicsConfig
export type SensitivityWeights = core.SensitivityWeights
export const SensitivityWeights = WasmSensitivityWeights

/** The modes, by the module's numbers. */
export const OperationalMode = Object.freeze({ Bootstrap: 0, Operational: 1, CircuitBreaker: 2 })
export type OperationalMode = core.OperationalMode

const DEFAULT_HALFLIFE_MS = 5000

/** The laws of a tick, one by one, under one config. */
export class PhysicsEngine {
  #config: core.PhysicsConfig = DEFAULT_CONFIG
  #weights: core.SensitivityWeights = deriveWeights(DEFAULT_SLO)
  #halflifeMs = DEFAULT_HALFLIFE_MS

  /** An engine with custom constants. */
  static withConfig(
    config: WasmPhysicsConfig | Partial<core.PhysicsConfig>,
    weights: WasmSensitivityWeights | core.SensitivityWeights,
  ): PhysicsEngine {
    const engine = new PhysicsEngine()
    if (config instanceof WasmPhysicsConfig) {
      const { base_resistance, damping_factor, scar_factor, bootstrap_ticks, momentum_halflife } = config
      engine.#halflifeMs = momentum_halflife
      engine.#config = {
        ...DEFAULT_CONFIG,
        baseResistance: base_resistance,
        dampingFactor: damping_factor,
        scarFactor: scar_factor,
        bootstrapTicks: bootstrap_ticks,
      }
    } else engine.#config = { ...DEFAULT_CONFIG, ...config }
    engine.#weights =
      weights instanceof WasmSensitivityWeights
        ? { wLatency: weights.w_latency, wError: weights.w_error, wSaturation: weights.w_saturation }
        : weights
    return engine
  }

  /** ‖P‖ */
  static vectorMagnitude(pressure: core.PressureVector): number {
    return VectorMath.magnitude(pressure)
  }

  /** R, Ω: `momentum` in 1/ms, `scar` and `staleness` in Ω. */
  calculateResistance(pressure: core.PressureVector, momentum: number, scar: number, staleness: number): number {
    return calculateResistance(
      pressure,
      momentum as core.Momentum,
      scar as core.Scar,
      this.#weights,
      this.#config,
      staleness,
    )
  }

  /** S, Ω, with the trauma of one tick and without decay: Δt = 0. */
  updateScar(currentScar: number, pressure: core.PressureVector): number {
    return updateScar(currentScar as core.Scar, pressure, this.#config, 0 as core.DeltaTime)
  }

  /** M, 1/ms, as the module smoothed it over ticks: M·e^(−Δt/τ) + ‖ΔP‖/Δt·(1 − e^(−Δt/τ)). Δt in ms; at 0 it stays. */
  updateMomentum(
    currentMomentum: number,
    previousPressure: core.PressureVector,
    currentPressure: core.PressureVector,
    deltaT: number,
  ): number {
    if (!(deltaT > 0)) return currentMomentum
    const kept = Math.exp(-deltaT / this.#halflifeMs)
    const change = VectorMath.magnitude(VectorMath.subtract(currentPressure, previousPressure)) / deltaT
    return currentMomentum * kept + change * (1 - kept)
  }

  /** Nothing to free: no memory of wasm is behind it. */
  free(): void {}
}

/** Returns whether this runtime has WebAssembly. */
export const isWasmAvailable = (): boolean => typeof (globalThis as { WebAssembly?: unknown }).WebAssembly === 'object'

let engine: PhysicsEngine | undefined

/** The process-wide engine of the laws, made by the first call. */
export async function initWasm(
  config?: Partial<core.PhysicsConfig> | null,
  weights?: core.SensitivityWeights | null,
): Promise<PhysicsEngine> {
  engine ??= PhysicsEngine.withConfig(config ?? {}, weights ?? deriveWeights(DEFAULT_SLO))
  return engine
}

/** The engine that {@link initWasm} made. @throws Error before it */
export function getWasmEngine(): PhysicsEngine {
  if (engine === undefined) throw new Error('the wasm engine is not initialized: await initWasm() first')
  return engine
}

export const createPressureVector = (latency: number, error: number, saturation: number): PressureVector =>
  new PressureVector(latency, error, saturation)

/** {@link PhysicsEngine.calculateResistance} of any engine. */
export const calculateResistanceWasm = (
  physics: PhysicsEngine,
  pressure: { latency: number; error: number; saturation: number },
  momentum: number,
  scar: number,
  staleness: number,
): number =>
  physics.calculateResistance(
    createPressureVector(pressure.latency, pressure.error, pressure.saturation),
    momentum,
    scar,
    staleness,
  )
