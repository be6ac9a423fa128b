/** The package in workerd. */

import { Atrion as AnyAtrion } from '../atrion.js'
import { enginesOf } from '../engine/engines-web.js'
import { wasmModule } from '../engine/wasm-workerd.js'
import type { AtrionOptions } from '../options/options.js'

export * from './web.js'

const ENGINES = enginesOf(wasmModule)

/** An instance, with the engines that this entry point has. */
export class Atrion extends AnyAtrion {
  constructor(options?: AtrionOptions) {
    super(options, ENGINES)
  }
}
