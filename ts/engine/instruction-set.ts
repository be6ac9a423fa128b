/** The instruction set that `ATRION_SIMD` names: an addon refuses one that the processor has not got. */

import { ConfigError } from '../base/errors.js'

/** The error of the addon as one of the configuration; any other as it is. */
export function namingSets(error: unknown): unknown {
  const sets = /^ATRION_SIMD: (.+)$/.exec((error as Error).message)?.[1]
  if (sets === undefined) return error
  const refused = new ConfigError('ATRION_SIMD', `one of ${sets}`, process.env.ATRION_SIMD)
  return Object.assign(refused, { remedy: 'unset ATRION_SIMD' })
}
