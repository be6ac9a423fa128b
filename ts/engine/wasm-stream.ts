/** The module as a browser likes it best: compiled while it arrives. An import of this file waits for it. */

const url = new URL('../atrion.wasm', import.meta.url)

/** Compiles a response as it arrives; a server that calls it something else than application/wasm costs that head start. */
async function compile(response: Response): Promise<WebAssembly.Module> {
  if (!response.ok) throw new Error(`${url} could not be loaded: ${response.status}`)
  const isWasm = response.headers.get('content-type')?.startsWith('application/wasm')
  return isWasm ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer())
}

const compiled = await compile(await fetch(url))

export const wasmModule = (): WebAssembly.Module => compiled
