/**
 * The module as bytes inside the bundle: nothing to fetch, to copy or to configure, and synchronous. Where compiling
 * bytes is allowed (browsers, Deno, Bun, Node), this works.
 */

import base64 from 'atrion.wasm?base64'

let compiled: WebAssembly.Module | undefined

export function wasmModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)))
  return compiled
}
