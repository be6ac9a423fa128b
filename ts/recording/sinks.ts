/** The places that blocks of a recording go to. None of them waits: a block that finds no room is dropped, and counted by its writer. */

import { errorOf } from '../base/host-calls.js'
import { BLOCK, FORMAT_VERSION, HEAD } from './format.js'

export interface Sink {
  /** An array of {@link BLOCK.MAX_BYTES} to fill; undefined: make one. */
  buffer(): Uint8Array | undefined
  /** Takes the first `length` bytes of a full block, with its array; false: there is no room, and the array stays with the caller. */
  take(block: Uint8Array, length: number, decisions: number): boolean
  /** Resolves when all that was taken is where it belongs, or lost. */
  close(): Promise<void>
  /** Decisions in blocks that were taken, and lost later. */
  readonly lost: number
  /** Bytes of blocks that were taken, and lost later. */
  readonly lostBytes: number
  /** The last failure. */
  readonly error: Error | undefined
  /** The recording, of a ring alone. */
  read?(): Uint8Array
}

/** A block of at least so many bytes is kept in its array, and a shorter one in a copy. */
const NEARLY_FULL = (BLOCK.MAX_BYTES * 15) / 16
/** Blocks that wait to be written: 4 MiB. */
const MOST_WAITING = 64

/** The head of a file. */
export function headOf(): Uint8Array {
  const head = new Uint8Array(HEAD.LENGTH)
  head.set(new TextEncoder().encode(HEAD.NAME))
  new DataView(head.buffer).setUint16(HEAD.VERSION_AT, FORMAT_VERSION, true)
  return head
}

/** A block, in the first bytes of its array. */
export interface Waiting {
  readonly bytes: Uint8Array
  readonly length: number
  readonly decisions: number
}

/** Blocks that wait, in order, and arrays to be used again. */
export abstract class QueueSink implements Sink {
  protected readonly waiting: Waiting[] = []
  protected isWriting = false
  /** Called when nothing waits any more. */
  protected onIdle: (() => void) | undefined
  readonly #spare: Uint8Array[] = []
  lost = 0
  lostBytes = 0
  error: Error | undefined

  buffer(): Uint8Array | undefined {
    return this.#spare.pop()
  }

  take(bytes: Uint8Array, length: number, decisions: number): boolean {
    if (!this.isOpen || this.waiting.length >= MOST_WAITING) return false
    this.waiting.push({ bytes, length, decisions })
    this.wake()
    return true
  }

  /** False: blocks are dropped. */
  protected abstract readonly isOpen: boolean
  /** Begins to write the first block that waits. */
  protected abstract write(block: Waiting): void
  abstract close(): Promise<void>

  /** Writes the next block, unless one is being written; where none waits, reports that. */
  protected wake(): void {
    if (this.isWriting) return
    const next = this.waiting[0]
    if (next === undefined) this.onIdle?.()
    else this.write(next)
  }

  /** An array that may be filled again. */
  protected reuse(bytes: Uint8Array): void {
    if (this.#spare.length < 4) this.#spare.push(bytes)
  }

  protected lose({ decisions, length }: Waiting): void {
    this.lost += decisions
    this.lostBytes += length
  }
}

/** A stream of Node's, as far as it is used. */
export interface WritableLike {
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean
  on(event: string, listener: (...args: never[]) => void): unknown
  removeListener(event: string, listener: (...args: never[]) => void): unknown
  readonly writable?: boolean
  readonly errored?: Error | null
}

/**
 * A stream, which is not ended: it is the caller's. One that is slow gets one block after the other, and what finds no room is dropped. What it
 * was given is its own, as it may keep the bytes long after it has called back: no array of it is filled again.
 */
export class StreamSink extends QueueSink {
  readonly #stream: WritableLike
  #isClosed = false
  readonly #onError = (error: Error): void => this.#fail(error)

  constructor(stream: WritableLike) {
    super()
    this.#stream = stream
    stream.on('error', this.#onError as never)
    const head = headOf()
    super.take(head, head.length, 0)
  }

  override take(bytes: Uint8Array, length: number, decisions: number): boolean {
    const { writable, errored } = this.#stream
    if (writable === false) this.error ??= errored ?? new Error('the stream is over')
    if (length >= NEARLY_FULL) return super.take(bytes, length, decisions)
    if (!super.take(bytes.slice(0, length), length, decisions)) return false
    this.reuse(bytes)
    return true
  }

  protected get isOpen(): boolean {
    return !this.#isClosed && this.error === undefined && this.#stream.writable !== false
  }

  protected write(next: Waiting): void {
    this.isWriting = true
    const settle = (error?: Error | null): void => {
      if (!this.isWriting || this.waiting[0] !== next) {
        // It was given up, and works after all.
        if (!error && this.#isClosed) this.#leave()
        return
      }
      this.isWriting = false
      if (error) {
        this.#fail(error)
        return
      }
      this.waiting.shift()
      this.wake()
    }
    try {
      this.#stream.write(next.bytes.subarray(0, next.length), settle)
    } catch (error) {
      settle(errorOf(error))
    }
  }

  /** Blocks that wait are lost, because of `error`. */
  giveUp(error: Error): void {
    this.error ??= error
    for (const block of this.waiting.splice(0)) this.lose(block)
    if (!this.isWriting) this.onIdle?.()
  }

  #fail(error: Error): void {
    this.isWriting = false
    this.giveUp(error)
  }

  #leave(): void {
    this.#stream.removeListener('error', this.#onError as never)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await new Promise<void>((resolve) => {
      this.onIdle = resolve
      this.wake()
    })
    // One that was written to in vain says so later, and an error that has no listener ends the process.
    if (this.error === undefined && this.#stream.writable !== false) this.#leave()
  }
}

/** A run of blocks whose first one holds all that is needed to read on. */
interface Stretch {
  readonly blocks: Waiting[]
  bytes: number
}

/**
 * A ring in memory: the newest stretches of blocks. The oldest goes where the rest fills three quarters of it, and its arrays are filled
 * again: those that wait for the garbage collector would take more memory than the ring.
 */
export class RingSink implements Sink {
  readonly #mostBytes: number
  /** Arrays of one stretch, which may end a block later, and that of a block that was copied. */
  readonly #mostSpare: number
  readonly #stretches: Stretch[] = []
  readonly #spare: Uint8Array[] = []
  #bytes = 0
  lost = 0
  lostBytes = 0
  readonly error = undefined

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
    this.#mostSpare = Math.ceil(mostBytes / 4 / BLOCK.MAX_BYTES) + 2
  }

  /** Called at the beginning of a block: true where all that is needed to read on is to be written again. */
  beginsAnew(): boolean {
    const last = this.#stretches.at(-1)
    if (last !== undefined && last.bytes < this.#mostBytes / 4) return false
    this.#stretches.push({ blocks: [], bytes: 0 })
    return true
  }

  buffer(): Uint8Array | undefined {
    return this.#spare.pop()
  }

  take(bytes: Uint8Array, length: number, decisions: number): boolean {
    const isKept = length >= NEARLY_FULL
    if (!isKept) this.#spare.push(bytes)
    const last = this.#stretches.at(-1)!
    last.blocks.push({ bytes: isKept ? bytes : bytes.slice(0, length), length, decisions })
    last.bytes += length
    this.#bytes += length
    while (this.#bytes > this.#mostBytes && this.#stretches.length > 1) {
      const gone = this.#stretches.shift()!
      this.#bytes -= gone.bytes
      this.lostBytes += gone.bytes
      for (const block of gone.blocks) {
        this.lost += block.decisions
        if (block.bytes.length === BLOCK.MAX_BYTES && this.#spare.length < this.#mostSpare)
          this.#spare.push(block.bytes)
      }
    }
    return true
  }

  async close(): Promise<void> {}

  read(): Uint8Array {
    const blocks = this.#stretches.flatMap((stretch) => stretch.blocks)
    const parts = [headOf(), ...blocks.map(({ bytes, length }) => bytes.subarray(0, length))]
    const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }
}

/** The least that a ring holds: four stretches of two blocks. */
export const LEAST_RING_BYTES = 8 * BLOCK.MAX_BYTES
