/** The choice of an engine: the one named, or the best that loads. */

import { ConfigError, DependencyError } from '../base/errors.js'
import { warnOnce } from '../base/warn-once.js'
import type { Engines } from './engines.js'
import { reasonOf, remedyOf } from './failure.js'
import type { Engine, EngineKind } from './port.js'

type Create = (maxRoutes: number, isShared?: boolean) => Engine

/** Absent in browsers and in some isolates. */
const host = (globalThis as { readonly process?: Partial<NodeJS.Process> }).process

/** Warns the process, once, of an engine's failure where no logger is set. */
export const warnOfFault = (message: string): void => warnOnce('fault', `${message}. A logger gets the backtrace`)

function named(engines: Engines, kind: string): Create {
  const create = Object.hasOwn(engines, kind) ? engines[kind as EngineKind] : undefined
  if (create) return create
  throw new ConfigError('engine', `auto, ${Object.keys(engines).join(', ')}`, kind)
}

/**
 * @param engines the entry point's
 * @param wanted 'auto', or an engine by name
 * @param isShared the one engine of the process, which only 'native' has
 * @throws ConfigError for a name that is none, DependencyError for a named engine that does not load
 */
export function loadEngine(engines: Engines, wanted: string, maxRoutes: number, isShared = false): Engine {
  if (isShared && wanted !== 'native') {
    if (wanted !== 'auto') throw new ConfigError('scope', `'instance' on engine '${wanted}'`, 'process')
    return loadEngine(engines, 'native', maxRoutes, isShared)
  }
  if (wanted !== 'auto') {
    const create = named(engines, wanted)
    try {
      return create(maxRoutes, isShared)
    } catch (cause) {
      if (cause instanceof ConfigError) throw cause
      throw new DependencyError(`engine '${wanted}'`, remedyOf(wanted, cause), {
        cause,
        problem: `did not load: ${reasonOf(wanted, cause)}`,
      })
    }
  }
  const failures: string[] = []
  let remedy: string | undefined
  for (const [kind, create] of Object.entries(engines)) {
    try {
      const engine = create(maxRoutes)
      if (failures.length > 0) {
        warnOnce('load', `running on engine '${engine.kind}': ${failures.join('; ')}. To repair it: ${remedy}`)
      }
      return engine
    } catch (error) {
      failures.push(`'${kind}' did not load: ${reasonOf(kind, error)}`)
      // The remedy of the best engine comes first, unless it names the one that has failed now.
      if (remedy === undefined || remedy.includes(`'${kind}'`)) remedy = remedyOf(kind, error)
    }
  }
  const problem = `did not load: ${failures.join('; ')}`
  throw new DependencyError('any engine', remedy, { problem })
}

/** A variable of the environment, where there is one, and where it may be read. */
function variable(name: string): string | undefined {
  try {
    return host?.env?.[name]
  } catch {
    return undefined
  }
}

/** The engine that the options and the environment ask for: options first, then ATRION_ENGINE, then ATRION_USE_WASM. */
export function engineWanted(engine: string | undefined, useWasm: boolean | undefined): string {
  if (engine !== undefined) return engine
  if (useWasm === true) return 'wasm'
  return variable('ATRION_ENGINE') || (variable('ATRION_USE_WASM') === 'true' ? 'wasm' : 'auto')
}
