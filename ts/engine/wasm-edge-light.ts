/** The module as Vercel's edge runtime gives it: compiled beforehand, by a static import that says so. */

import compiled from 'atrion.wasm?module'

export const wasmModule = (): WebAssembly.Module => compiled
