/** The engines outside Node, best first. How the module comes is the bundle's business: it puts its own `wasm-node` in. */

import type { Engines } from './engines.js'
import { TsEngine } from './ts/engine.js'
import { WasmEngine } from './wasm.js'
import { wasmModule } from './wasm-node.js'

export const ENGINES: Engines = {
  wasm: (maxRoutes) => new WasmEngine(wasmModule(), maxRoutes),
  ts: (maxRoutes) => new TsEngine(maxRoutes),
}
