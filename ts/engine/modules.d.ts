declare module '*.wasm' {
  const module: WebAssembly.Module
  export default module
}

declare module '*.wasm?module' {
  const module: WebAssembly.Module
  export default module
}

declare module '*.wasm?deflate' {
  /** The module's bytes as text: deflated, without a header, in Base64. Where it is a file of its own it is read when it is asked for. */
  export const deflated: () => string
  /** The length of the module. */
  export const BYTES: number
  /** The module's checksum. */
  export const CHECKSUM: number
  /** The module as a file beside the package's code, where there is one. */
  export const file: (fs: typeof import('node:fs')) => Uint8Array<ArrayBuffer> | undefined
}
