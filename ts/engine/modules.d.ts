declare module '*.wasm' {
  const module: WebAssembly.Module
  export default module
}

declare module '*.wasm?module' {
  const module: WebAssembly.Module
  export default module
}

declare module '*.wasm?deflate' {
  /** Without a header. */
  export const BASE64: string
  /** Of the module itself. */
  export const BYTES: number
}
