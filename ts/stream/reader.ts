/** Reads a stream of states in another thread. */

import { AtrionError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import { isOfKind } from '../base/realm.js'
import { MODES } from '../engine/port.js'
import { bytesOf, CELLS, FORMAT, HEAD, MAGIC, NAME_BYTES, ROW } from './layout.js'
import type { StreamedRoute, StreamSnapshot } from './types.js'

/** Looks at a row that is being written before its last state is given instead. A write takes about a microsecond. */
const MAX_TRIES = 1_000

/** A row as it was last read. */
interface Read {
  sequence: number
  route: number
  routeId: string
  state: StreamedRoute | undefined
}

/**
 * Reads what `atrion.stream()` writes, in a worker or a page. The numbers of a route are always those of one write: a row that was
 * written meanwhile is read again. Nothing waits, and neither side holds up the other.
 *
 * @example
 * const reader = new StreamReader(workerData.buffer)
 * for (const { routeId, resistance } of reader.read().routes) console.log(routeId, resistance)
 */
export class StreamReader {
  readonly #words: Int32Array
  readonly #rows: Read[] = []
  readonly #cells = new Float64Array(CELLS.length)
  readonly #cellWords = new Int32Array(this.#cells.buffer)
  readonly #name = new Uint8Array(NAME_BYTES)
  readonly #nameWords = new Int32Array(this.#name.buffer)
  readonly #decoder = new TextDecoder()
  #collisions = 0

  /** @throws TypeError for what is no shared memory, AtrionError for memory that is no stream's, or one of another format */
  constructor(buffer: SharedArrayBuffer) {
    if (!isOfKind(buffer, 'SharedArrayBuffer')) throw wrongType('buffer', 'a SharedArrayBuffer', buffer)
    const words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4))
    if (words.length < HEAD.LENGTH || words[HEAD.MAGIC] !== MAGIC) {
      throw new AtrionError('buffer must be that of atrion.stream()')
    }
    if (words[HEAD.FORMAT] !== FORMAT) {
      throw new AtrionError(`buffer must be a stream of format ${FORMAT}, got ${words[HEAD.FORMAT]}`)
    }
    const bytes = bytesOf(words[HEAD.MAX_ROUTES]!)
    if (buffer.byteLength < bytes) {
      throw new AtrionError(`buffer must have the ${bytes} bytes of its stream, got ${buffer.byteLength}`)
    }
    this.#words = words
  }

  /** Times that a row was being written while it was read, and was read again. */
  get collisions(): number {
    return this.#collisions
  }

  /** All routes as they were last written. The objects of routes that have not changed are those of the read before. */
  read(): StreamSnapshot {
    const words = this.#words
    const count = Math.min(Atomics.load(words, HEAD.ROWS), words[HEAD.MAX_ROUTES]!)
    const routes: StreamedRoute[] = []
    for (let row = 0; row < count; row++) {
      const state = this.#read(row)
      if (state !== undefined) routes.push(state)
    }
    const isLive = Atomics.load(words, HEAD.STOPPED) === 0
    return { atMs: this.#atMs(), isLive, missed: Atomics.load(words, HEAD.MISSED), routes }
  }

  #read(row: number): StreamedRoute | undefined {
    const words = this.#words
    const at = HEAD.LENGTH + row * ROW.LENGTH
    this.#rows[row] ??= { sequence: 0, route: 0, routeId: '', state: undefined }
    const known = this.#rows[row]
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const sequence = Atomics.load(words, at + ROW.SEQUENCE)
      if (sequence === known.sequence) return known.state
      if ((sequence & 1) === 0) {
        const route = Atomics.load(words, at + ROW.ROUTE)
        const nameBytes = Math.min(Atomics.load(words, at + ROW.NAME_BYTES), NAME_BYTES)
        for (let i = 0; i < CELLS.length * 2; i++) this.#cellWords[i] = Atomics.load(words, at + ROW.CELLS + i)
        if (route !== known.route) {
          for (let i = 0; i * 4 < nameBytes; i++) this.#nameWords[i] = Atomics.load(words, at + ROW.NAME + i)
        }
        // The words are sequentially consistent: no write began between the two looks at the sequence.
        if (Atomics.load(words, at + ROW.SEQUENCE) === sequence) {
          if (route !== known.route) known.routeId = this.#decoder.decode(this.#name.subarray(0, nameBytes))
          known.route = route
          known.sequence = sequence
          known.state = nameBytes === 0 ? undefined : this.#state(known.routeId)
          return known.state
        }
      }
      this.#collisions += 1
    }
    return known.state
  }

  #state(routeId: string): StreamedRoute {
    const state: Record<string, unknown> = { routeId }
    for (const [i, [name]] of CELLS.entries()) state[name] = this.#cells[i]!
    state.mode = MODES[this.#cells[0]!] ?? 'BOOTSTRAP'
    return state as unknown as StreamedRoute
  }

  #atMs(): number {
    const words = this.#words
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const sequence = Atomics.load(words, HEAD.SEQUENCE)
      this.#cellWords[0] = Atomics.load(words, HEAD.AT_MS)
      this.#cellWords[1] = Atomics.load(words, HEAD.AT_MS + 1)
      if ((sequence & 1) === 0 && Atomics.load(words, HEAD.SEQUENCE) === sequence) break
    }
    return this.#cells[0]!
  }
}
