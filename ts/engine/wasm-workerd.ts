/** The module as workerd gives it: compiled beforehand, by a static import. Compiling bytes is forbidden there. */

import compiled from 'atrion.wasm'

export const wasmModule = (): WebAssembly.Module => compiled
