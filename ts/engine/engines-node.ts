/** The engines that Node has, best first; in other runtimes, which a bundle of this may end up in, all but the native one. */

import { builtin } from '../base/builtin.js'
import type { Engines } from './engines.js'
import { enginesOf } from './engines-web.js'
import { createNativeEngine } from './native.js'
import { wasmModule } from './wasm-inline.js'

const isNode = builtin('node:module').createRequire !== undefined

export const ENGINES: Engines = { ...(isNode && { native: createNativeEngine }), ...enginesOf(() => wasmModule()) }
