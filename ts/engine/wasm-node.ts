/** The module as Node loads it: bytes from beside the built package, compiled once a thread. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

let compiled: WebAssembly.Module | undefined

/** Throws where the file is not, or is not for this machine (simd128 is from 2021). */
export function wasmModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve('#wasm')))
  return compiled
}
