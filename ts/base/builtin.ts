/**
 * Node's own modules, asked for at run time: an `import` of one would be in every bundle, where one in ESM can't `require` it and
 * one for another runtime has none. Without such modules it gives an empty object.
 */
import { requireOld } from './builtin-old.js'

export const builtin = ((id: string) =>
  (globalThis as { process?: Partial<NodeJS.Process> }).process?.getBuiltinModule?.(id) ??
  requireOld(id) ??
  {}) as typeof process.getBuiltinModule
