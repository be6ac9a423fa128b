/** The class with the engines that Node has. */

import { Atrion as AnyAtrion } from '../atrion.js'
import { ENGINES } from '../engine/engines-node.js'
import type { AtrionOptions } from '../options/options.js'

/** {@link AnyAtrion} */
export class Atrion extends AnyAtrion {
  constructor(options?: AtrionOptions) {
    super(options, ENGINES)
  }
}
