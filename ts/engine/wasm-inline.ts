/**
 * The module as bytes in the package's own code, which every bundle takes along: nothing to fetch, to copy or to configure, and
 * synchronous. Where compiling bytes is allowed (Node, Deno, Bun, browsers), this works.
 */

import { BYTES, CHECKSUM, deflated, file } from 'atrion.wasm?deflate'
import { builtin } from '../base/builtin.js'
import { checksum } from '../base/checksum.js'
import { inflate } from '../base/inflate.js'

let compiled: WebAssembly.Module | undefined

/** Throws where WebAssembly is switched off, or this machine has no simd128 (it is from 2021). Compiled once a thread. */
export function wasmModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(bytes())
  return compiled
}

function bytes(): Uint8Array<ArrayBuffer> {
  // To inflate takes longer than to read; what lies beside the package's code may be another version's.
  const installed = file(builtin('node:fs'))
  if (installed?.length === BYTES && checksum(installed) === CHECKSUM) return installed
  const packed = Uint8Array.from(atob(deflated()), (char) => char.charCodeAt(0))
  const { inflateRawSync } = builtin('node:zlib')
  return inflateRawSync ? new Uint8Array(inflateRawSync(packed)) : inflate(packed, BYTES)
}
