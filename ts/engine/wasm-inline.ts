/**
 * The module as bytes in the package's own code, which every bundle takes along: nothing to fetch, to copy or to configure, and
 * synchronous. Where compiling bytes is allowed (Node, Deno, Bun, browsers), this works.
 */

import { BASE64, BYTES } from 'atrion.wasm?deflate'
import { builtin } from '../base/builtin.js'
import { inflate } from '../base/inflate.js'

let compiled: WebAssembly.Module | undefined

/** Throws where WebAssembly is switched off, or this machine has no simd128 (it is from 2021). Compiled once a thread. */
export function wasmModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(bytes())
  return compiled
}

function bytes(): Uint8Array<ArrayBuffer> {
  const deflated = Uint8Array.from(atob(BASE64), (char) => char.charCodeAt(0))
  const { inflateRawSync } = builtin('node:zlib')
  return inflateRawSync ? new Uint8Array(inflateRawSync(deflated)) : inflate(deflated, BYTES)
}
