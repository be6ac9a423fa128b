/** The engines that Node has, best first. */

import { createNativeEngine } from './native.js'
import type { Engine, EngineKind } from './port.js'
import { TsEngine } from './ts/engine.js'
import { WasmEngine } from './wasm.js'
import { wasmModule } from './wasm-node.js'

export type Engines = Readonly<Partial<Record<EngineKind, (maxRoutes: number, isShared?: boolean) => Engine>>>

export const ENGINES: Engines = {
  native: createNativeEngine,
  wasm: (maxRoutes) => new WasmEngine(wasmModule(), maxRoutes),
  ts: (maxRoutes) => new TsEngine(maxRoutes),
}
