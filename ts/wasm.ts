/** The package on the wasm engine, whatever else would load. */

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

/** {@link AnyAtrion} on engine 'wasm'. */
export class Atrion extends AnyAtrion {
  constructor(options: AtrionOptions = {}) {
    super({ ...options, engine: options.engine === undefined || options.engine === 'auto' ? 'wasm' : options.engine })
  }
}
