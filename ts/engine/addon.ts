/** The Rust addon. */

import { createRequire } from 'node:module'

/** The addon, looked for beside the built package and among its platform packages. Throws where there is none. */
export const loadBinding = (): unknown => createRequire(import.meta.url)('#native')
