/** The package on the wasm engine, whatever else would load. */

import { own } from './base/own.js'
import { Atrion as AnyAtrion } from './entries/node.js'
import type { AtrionOptions } from './options/options.js'

export * from './index.js'
export {
  calculateResistanceWasm,
  createPressureVector,
  getWasmEngine,
  initWasm,
  isWasmAvailable,
  OperationalMode,
  PhysicsConfig,
  PhysicsEngine,
  PressureVector,
  SensitivityWeights,
} from './wasm-names.js'

/** `Atrion` of the main entry point on engine 'wasm'. */
export class Atrion extends AnyAtrion {
  constructor(options: AtrionOptions = {}) {
    const engine = own(options, 'engine') ?? 'auto'
    super({ ...options, engine: engine === 'auto' ? 'wasm' : engine })
  }
}
