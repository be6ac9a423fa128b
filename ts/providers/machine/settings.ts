/** The options of the provider for the processes of one machine, and their check. */

import { DEFAULT_MAX_ROUTES } from '../../base/bounded-routes.js'
import { given } from '../../base/input.js'
import { ownOptions } from '../../base/own.js'
import { flag, integer, known, number, refusal, text } from '../checks.js'

export interface MachineStateProviderOptions {
  /** Processes with the same name share. Default: the working directory. */
  readonly name?: string | null | undefined
  /**
   * The folder of the socket, which has to be the user's alone (mode 700) and is made where it is missing. Default: `atrion` in `XDG_RUNTIME_DIR`, or a
   * folder of the user's for temporary files. On Windows a named pipe is used, and no folder.
   */
  readonly path?: string | null | undefined
  /** The interval at which changes are sent, ms, an integer in [1, 60000]. Default 100. */
  readonly intervalMs?: number | null | undefined
  /** γ: the weight of other nodes' reports against this node's own measurements, [0, 1]. Default 0.3. */
  readonly gamma?: number | null | undefined
  /** Most routes kept, an integer in [1, 1048576]. Default 65536. */
  readonly maxRoutes?: number | null | undefined
  /** `connect()` and each call are given up after so long, ms, an integer in [100, 600000]. Default 5000. */
  readonly timeoutMs?: number | null | undefined
  /** True: `atrion.connect()` rejects where no hub can be joined or made; false: it is tried again until one can. Default true. */
  readonly required?: boolean | null | undefined
}

const FIELDS: ReadonlySet<string> = new Set<keyof MachineStateProviderOptions>([
  ...(['name', 'path', 'intervalMs', 'gamma', 'maxRoutes', 'timeoutMs', 'required'] as const),
])

export interface Settings {
  readonly name: string
  readonly folder: string | undefined
  readonly intervalMs: number
  readonly gamma: number
  readonly maxRoutes: number
  readonly timeoutMs: number
  readonly required: boolean
}

/** @throws ConfigError for an unknown option, a wrong type or a value out of its range */
export function settingsOf(raw: MachineStateProviderOptions): Settings {
  if (typeof raw !== 'object' || raw === null) throw refusal('options', 'an object', raw)
  const options = ownOptions(given(raw, FIELDS), FIELDS)
  known(options, FIELDS, '')
  return {
    name: options.name == null ? process.cwd() : text('name', options.name),
    folder: options.path == null ? undefined : text('path', options.path),
    intervalMs: integer('intervalMs', options.intervalMs ?? 100, 1, 60_000),
    gamma: number('gamma', options.gamma ?? 0.3, 0, 1),
    maxRoutes: integer('maxRoutes', options.maxRoutes ?? DEFAULT_MAX_ROUTES, 1, 2 ** 20),
    timeoutMs: integer('timeoutMs', options.timeoutMs ?? 5000, 100, 600_000),
    required: flag('required', options.required ?? true),
  }
}
