/** The engines outside Node, best first. */

import type { Engines } from './engines.js'
import { TsEngine } from './ts/engine.js'
import { WasmEngine } from './wasm.js'

/** @param wasmModule how the module comes in this runtime */
export const enginesOf = (wasmModule: () => WebAssembly.Module): Engines => ({
  wasm: (maxRoutes) => new WasmEngine(wasmModule(), maxRoutes),
  ts: (maxRoutes) => new TsEngine(maxRoutes),
})
