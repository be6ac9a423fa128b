/** Sources of the file's layer: a file that is watched, and anything with `subscribe`. */

import type { FSWatcher } from 'node:fs'
import { builtin } from '../base/builtin.js'
import { ConfigError, DependencyError } from '../base/errors.js'
import { readWhole } from '../base/files.js'
import { subscribed } from '../base/host-calls.js'
import { wrongType } from '../base/input.js'
import { ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import type { ConfigSource, WatchFileOptions } from './types.js'

const NAMES = ['parse', 'intervalMs'] satisfies (keyof WatchFileOptions)[]
const DEFAULT_INTERVAL_MS = 1_000
/** Longest file, bytes. */
const MOST_BYTES = 1 << 20
/** Changes that come together are read once, ms. */
const TOGETHER_MS = 10

export interface SourceHost {
  /** The whole of the layer. @throws ConfigError where it does not fit */
  replace(settings: unknown, origin: string): void
  /** Reports that the source could not be read or does not fit; the last content that did holds. */
  refused(origin: string, error: unknown): void
}

interface Yaml {
  parse(text: string): unknown
}

/** Loads the application's own `yaml`. @throws DependencyError where there is none */
function loadYaml(file: string): Yaml['parse'] {
  const { createRequire } = builtin('node:module')
  let cause: unknown
  for (const from of [`${process.cwd()}/_`, file]) {
    try {
      return (createRequire(from)('yaml') as Yaml).parse
    } catch (error) {
      cause = error
    }
  }
  throw new DependencyError('yaml', 'npm install yaml', { cause })
}

function parserOf(path: string, parse: WatchFileOptions['parse']): (text: string) => unknown {
  if (parse !== undefined) return parse
  if (/\.ya?ml$/i.test(path)) return loadYaml(path)
  return (text) => JSON.parse(text)
}

/**
 * Watches a file: its content is the whole layer, and what it held last stays while it is absent. A file that is
 * replaced, by a rename or through a symbolic link as in a mounted ConfigMap, is read again; one that is written half is refused, and
 * read again when it is whole.
 *
 * @returns a function that ends the watch, when the file was read for the first time
 * @throws (rejects) what reading it the first time throws; nothing is watched then
 */
export async function watchFile(path: string, given: WatchFileOptions, host: SourceHost): Promise<() => void> {
  if (typeof path !== 'string' || path === '') throw wrongType('path', 'a non-empty string', path)
  if (typeof given !== 'object' || given === null) throw wrongType('options', 'an object', given)
  for (const name of Object.keys(given)) {
    if (!(NAMES as readonly string[]).includes(name)) throw unknownName(`options.${name}`, name, NAMES)
  }
  const { parse, intervalMs = DEFAULT_INTERVAL_MS } = ownOptions(given, NAMES)
  if (parse !== undefined && typeof parse !== 'function') throw new ConfigError('options.parse', 'a function', parse)
  if (!(typeof intervalMs === 'number' && intervalMs >= 10 && intervalMs <= 60_000)) {
    throw new ConfigError('options.intervalMs', 'a number of ms in [10, 60000]', intervalMs)
  }
  const { watch } = builtin('node:fs')
  const { open } = builtin('node:fs/promises')
  const { dirname, resolve } = builtin('node:path')
  if (typeof watch !== 'function' || typeof open !== 'function') {
    throw new ConfigError('path', 'a file, on a runtime with node:fs', path)
  }
  const file = resolve(path)
  const read = parserOf(file, parse)
  const origin = `file ${file}`
  let last: string | undefined
  const load = async (): Promise<void> => {
    const text = new TextDecoder().decode(await readWhole(file, MOST_BYTES))
    if (text === last) return
    last = text
    host.replace(read(text), origin)
  }
  await load()

  let isEnded = false
  let isLoading = false
  let isWanted = false
  let together: ReturnType<typeof setTimeout> | undefined
  const loadAgain = async (): Promise<void> => {
    if (isLoading) {
      isWanted = true
      return
    }
    isLoading = true
    try {
      await load()
    } catch (error) {
      if (!isEnded && report(error)) host.refused(origin, error)
    }
    isLoading = false
    if (isWanted && !isEnded) {
      isWanted = false
      void loadAgain()
    }
  }
  let reported: string | undefined
  // A file that is gone is reported once; one that is wrong, once for each content.
  const report = (error: unknown): boolean => {
    const { code } = error as { code?: unknown }
    const fault = code === 'ENOENT' ? 'absent' : `${last?.length} ${String(error)}`
    if (fault === reported) return false
    reported = fault
    return true
  }
  const soon = (): void => {
    if (together !== undefined || isEnded) return
    together = setTimeout(() => {
      together = undefined
      void loadAgain()
    }, TOGETHER_MS)
    together.unref?.()
  }
  let watcher: FSWatcher | undefined
  try {
    // The folder, since a file that is renamed over another is not the one that was watched.
    watcher = watch(dirname(file), { persistent: false }, soon)
    watcher.on('error', () => watcher?.close())
  } catch {
    // The timer finds changes as well.
  }
  const timer = setInterval(() => void loadAgain(), intervalMs)
  timer.unref?.()
  return () => {
    isEnded = true
    clearInterval(timer)
    clearTimeout(together)
    watcher?.close()
  }
}

/** Takes over what a source gives. @returns a function that ends that @throws TypeError for what is no source */
export function subscribeTo(source: ConfigSource, host: SourceHost): () => void {
  const subscribe: unknown = (source as Partial<ConfigSource> | null | undefined)?.subscribe
  if (typeof subscribe !== 'function') throw wrongType('source', 'an object with a method subscribe()', source)
  let isEnded = false
  const end: unknown = source.subscribe((settings) => {
    if (isEnded) return
    try {
      host.replace(settings, 'source')
    } catch (error) {
      host.refused('source', error)
    }
  })
  const unsubscribe = subscribed(
    () => end,
    (error) => {
      if (!isEnded) host.refused('source', error)
    },
  )
  return () => {
    isEnded = true
    unsubscribe?.()
  }
}
