/** State in a file, for a process that has no store beside it: what it knew is there again when it restarts. */

import { BoundedRoutes, DEFAULT_MAX_ROUTES } from '../base/bounded-routes.js'
import { builtin } from '../base/builtin.js'
import { ConfigError, ConnectionError, ParseError, SyncError } from '../base/errors.js'
import { readWhole } from '../base/files.js'
import { ownOptions } from '../base/own.js'
import { isError, isOfKind } from '../base/realm.js'
import { removeLeftovers, replaceFile } from './disk.js'
import { isPhysicsVector, type PhysicsVector, type StateProvider } from './provider.js'
import { type Entry, entriesOf, textOf } from './snapshot.js'

const { dirname, resolve } = builtin('node:path')
const { fileURLToPath } = builtin('node:url')

export interface FileStateProviderOptions {
  /** The file is written at most so often, ms, [1, 2³¹ − 1]: what may be lost when the process is killed. Default 1000. */
  readonly intervalMs?: number
  /**
   * Most routes kept, ≥ 1; the least recently written goes first. Their names are at most 256 characters each on average, or 16 Mi
   * in all. Default 65,536.
   */
  readonly maxRoutes?: number
}

const MAX_INTERVAL_MS = 2 ** 31 - 1
/** A snapshot is not larger than its routes make it, in the longest spelling of their names … */
const BYTES_A_ROUTE = 2048
/** … but this much may always be read: there may have been more routes before. */
const LEAST_BYTES = 2 ** 28

/**
 * Routes' state in one file of one process: two processes that write to the same file replace each other's snapshots. It keeps no
 * documents, since no two nodes could share them.
 *
 * Changes are written at most every `intervalMs` in the background, and by `disconnect()`; a process that is killed
 * at any instant leaves its last complete snapshot. While the file cannot be written, `updateVector` rejects; what it was
 * given is kept nevertheless, and written as soon as that is possible again. The timer keeps no process alive.
 *
 * ```ts
 * const atrion = new Atrion({ provider: new FileStateProvider('/var/lib/shop/atrion.json') })
 * await atrion.connect()
 * ```
 */
export class FileStateProvider implements StateProvider {
  readonly name = 'FileStateProvider'
  readonly ownsRecords = true
  readonly #intervalMs: number
  readonly #maxRoutes: number
  readonly #vectors: BoundedRoutes<Entry>
  #path: string
  #isConnected = false
  /** Connecting and disconnecting, one after the other. */
  #turn: Promise<void> = Promise.resolve()
  #isDirty = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #writing: Promise<void> | undefined
  /** The reason for which the last attempt to write failed. */
  #failure: unknown

  /**
   * @param path the file, in a folder that exists; need not exist itself
   * @throws ConfigError for a path or an option out of its range
   */
  constructor(path: string | URL, options: FileStateProviderOptions = {}) {
    this.#path = pathOf(path)
    const { intervalMs = 1000, maxRoutes = DEFAULT_MAX_ROUTES, ...unknown } = optionsOf(options)
    for (const [field, got] of Object.entries(unknown)) throw new ConfigError(field, 'intervalMs or maxRoutes', got)
    if (typeof intervalMs !== 'number' || !(intervalMs >= 1 && intervalMs <= MAX_INTERVAL_MS)) {
      throw new ConfigError('intervalMs', 'a number in [1, 2147483647]', intervalMs)
    }
    if (!Number.isInteger(maxRoutes) || maxRoutes < 1) throw new ConfigError('maxRoutes', 'an integer ≥ 1', maxRoutes)
    this.#intervalMs = intervalMs
    this.#maxRoutes = maxRoutes
    this.#vectors = new BoundedRoutes(maxRoutes)
  }

  /**
   * Loads the last snapshot; without a file there is nothing to load. Connected already, it does nothing.
   *
   * @throws ConnectionError when the folder is not there or cannot be written to
   * @throws ParseError when the file cannot be read, is no snapshot, or was written by a later version; the file is left as it is
   */
  connect(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isConnected) return
      try {
        // Through a link, the file that it points to is replaced, and not the link.
        const { access, constants, realpath } = builtin('node:fs/promises')
        this.#path = await realpath(this.#path).catch(() => this.#path)
        await access(dirname(this.#path), constants.W_OK)
        await removeLeftovers(this.#path)
      } catch (cause) {
        throw new ConnectionError(this.name, { cause })
      }
      const entries = await this.#load()
      this.#vectors.clear()
      for (const [routeId, entry] of entries.slice(-this.#maxRoutes)) this.#vectors.set(routeId, entry)
      this.#isConnected = true
    })
  }

  /**
   * Writes what has not been written. Not connected, it does nothing.
   *
   * @throws SyncError when that fails; it is still connected then, and may be called again
   */
  disconnect(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isConnected) return
      await this.#writing
      while (this.#isDirty) {
        await this.#write()
        if (this.#failure !== undefined) throw new SyncError('*', this.#failure)
      }
      this.#vectors.clear()
      this.#isConnected = false
    })
  }

  /** @throws ConnectionError when not connected */
  async getVector(routeId: string): Promise<PhysicsVector | null> {
    this.#demandConnected()
    const entry = this.#vectors.get(routeId)
    return entry ? { ...entry.vector } : null
  }

  /**
   * Keeps the vector in memory; the file follows.
   *
   * @throws TypeError when the route's name is no string, or a number of the vector is not finite or negative
   * @throws ConnectionError when not connected
   * @throws SyncError while the file cannot be written
   */
  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    this.#demandConnected()
    if (typeof routeId !== 'string') throw new TypeError('routeId must be a string')
    if (!isPhysicsVector(vector)) throw new TypeError('vector must have finite, non-negative numbers')
    const { scar, momentumScalar, lastTick, resistance } = vector
    this.#vectors.set(routeId, { at: Date.now(), vector: { scar, momentumScalar, lastTick, resistance } })
    this.#mark()
    if (this.#failure !== undefined) throw new SyncError(routeId, this.#failure)
  }

  /** @throws ConnectionError when not connected */
  async deleteVector(routeId: string): Promise<void> {
    this.#demandConnected()
    if (this.#vectors.delete(routeId)) this.#mark()
  }

  /** @throws ConnectionError when not connected */
  async listRoutes(): Promise<string[]> {
    this.#demandConnected()
    return [...this.#vectors.keys()]
  }

  /**
   * The `maxRoutes` most recently written routes, and how long ago that was, ms.
   *
   * @throws ConnectionError when not connected
   */
  async load(maxRoutes: number): Promise<Iterable<readonly [routeId: string, vector: PhysicsVector, ageMs: number]>> {
    this.#demandConnected()
    const nowMs = Date.now()
    const entries = [...this.#vectors]
    return entries
      .slice(Math.max(0, entries.length - maxRoutes))
      .map(([routeId, { vector, at }]) => [routeId, { ...vector }, Math.max(0, nowMs - at)] as const)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  #demandConnected(): void {
    if (!this.#isConnected) throw new ConnectionError(this.name)
  }

  async #load(): Promise<[string, Entry][]> {
    try {
      return entriesOf(await readWhole(this.#path, Math.max(LEAST_BYTES, this.#maxRoutes * BYTES_A_ROUTE)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      const reason = isError(error) ? error.message : String(error)
      throw new ParseError('*', { cause: new Error(`${this.#path}: ${reason}`, { cause: error }) })
    }
  }

  #mark(): void {
    this.#isDirty = true
    if (this.#timer !== undefined || this.#writing !== undefined) return
    this.#timer = setTimeout(() => void this.#write(), this.#intervalMs)
    this.#timer.unref()
  }

  /** Writes a snapshot of now; never rejects. Only where nothing is being written: then no timer runs beside it. */
  #write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isDirty = false
    // Vectors are replaced and never changed, so this list is of this instant however long the writing takes.
    const content = textOf([...this.#vectors], Date.now())
    this.#writing = replaceFile(this.#path, content).then(
      () => this.#written(undefined),
      (error) => this.#written(error ?? new Error('unknown')),
    )
    return this.#writing
  }

  #written(failure: unknown): void {
    this.#writing = undefined
    this.#failure = failure
    if (failure !== undefined) this.#isDirty = true
    if (this.#isDirty) this.#mark()
  }
}

function pathOf(path: unknown): string {
  const range = 'the path of a file, or a file: URL'
  try {
    const text = isOfKind(path, 'URL') ? fileURLToPath(path as URL) : path
    if (typeof text === 'string' && text !== '' && !text.includes('\0')) return resolve(text)
  } catch (cause) {
    throw new ConfigError('path', range, path, { cause })
  }
  throw new ConfigError('path', range, path)
}

function optionsOf(options: unknown): FileStateProviderOptions {
  if (typeof options === 'object' && options !== null) return ownOptions(options, ['intervalMs', 'maxRoutes'])
  throw new ConfigError('options', 'an object', options)
}
