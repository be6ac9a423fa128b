/** Engines that do not load: the reason, and the command that mends it. */

import { isError } from '../base/realm.js'

const isNode = (globalThis as { readonly process?: Partial<NodeJS.Process> }).process?.versions?.node !== undefined

/** Flags of Node's may take WebAssembly away; the engine's own error then names a variable that there is not. */
const lacksWasm = (kind: string): boolean => kind === 'wasm' && typeof WebAssembly === 'undefined'

/** The reason for which an engine did not load, on one line. */
export function reasonOf(kind: string, error: unknown): string {
  if (lacksWasm(kind))
    return isNode ? 'this process runs without WebAssembly, as by --jitless' : 'there is no WebAssembly'
  return isError(error) ? error.message.split('\n', 1)[0]! : String(error)
}

/** The command that mends it: an error of the addon, or of what the environment asks of it, says so itself. */
export function remedyOf(kind: string, error: unknown): string {
  if (lacksWasm(kind)) return isNode ? 'node --no-jitless --expose-wasm' : `new Atrion({ engine: 'ts' })`
  return (error as { readonly remedy?: string } | null)?.remedy ?? 'npm install --include=optional'
}
