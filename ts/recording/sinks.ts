/** The places that blocks of a recording go to. None of them waits: a block that finds no room is dropped, and counted by its writer. */

import { builtin } from '../base/builtin.js'
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

/** Blocks that wait to be written: 4 MiB. */
const MOST_WAITING = 64
/** The time after a failure in which nothing is written, ms. */
const REST_MS = 1_000

/** The head of a file. */
export function headOf(): Uint8Array {
  const head = new Uint8Array(HEAD.LENGTH)
  head.set(new TextEncoder().encode(HEAD.NAME))
  new DataView(head.buffer).setUint16(HEAD.VERSION_AT, FORMAT_VERSION, true)
  return head
}

/** A block, in the first bytes of its array. */
interface Waiting {
  readonly bytes: Uint8Array
  readonly length: number
  readonly decisions: number
}

/** Blocks that wait, in order, and arrays to be used again. */
abstract class QueueSink implements Sink {
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

  protected done({ bytes }: Waiting): void {
    if (this.#spare.length < 4) this.#spare.push(bytes)
  }

  protected lose({ decisions, length }: Waiting): void {
    this.lost += decisions
    this.lostBytes += length
  }
}

type Files = ReturnType<typeof builtin<'node:fs'>>

/**
 * Opens a file to be written from its beginning. A pipe, which would hold the process until something reads it, is none; what can be
 * written anywhere, as `/dev/null`, is taken for one.
 *
 * @throws the error of a file that cannot be opened, Error for what is none
 */
function openToWrite(files: Files, path: string): number {
  const { O_WRONLY = 1, O_CREAT = 0, O_NONBLOCK = 0 } = files.constants
  const fd = files.openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK, 0o666)
  try {
    const found = files.fstatSync(fd)
    if (found.isFile()) files.ftruncateSync(fd)
    else if (!found.isCharacterDevice()) throw new Error(`${path} is not a file`)
    return fd
  } catch (error) {
    files.closeSync(fd)
    throw error
  }
}

/**
 * A file. A block is written to where the last whole one ends, so that what a failed write left is written over; after a failure, a
 * full disk among them, blocks are dropped for a second, and then it is tried again.
 */
export class FileSink extends QueueSink {
  readonly #files: Files
  readonly #fd: number
  readonly #mostBytes: number
  #end = 0
  #restsUntilMs = 0
  #isClosed = false
  #isFull = false

  /** @throws the error of a file that cannot be opened */
  constructor(path: string, mostBytes: number) {
    super()
    this.#files = builtin('node:fs')
    this.#mostBytes = mostBytes
    this.#fd = openToWrite(this.#files, path)
    const head = headOf()
    try {
      this.#files.writeSync(this.#fd, head, 0, head.length, 0)
    } catch (error) {
      this.#files.closeSync(this.#fd)
      throw error
    }
    this.#end = head.length
  }

  protected get isOpen(): boolean {
    return !this.#isClosed && !this.#isFull && Date.now() >= this.#restsUntilMs
  }

  protected write(next: Waiting): void {
    if (this.#end + next.length > this.#mostBytes) {
      this.waiting.shift()
      this.lose(next)
      this.#isFull = true
      this.wake()
      return
    }
    this.isWriting = true
    this.#writeFrom(next, 0)
  }

  #writeFrom(block: Waiting, from: number): void {
    this.#files.write(this.#fd, block.bytes, from, block.length - from, this.#end + from, (error, written) => {
      if (error === null && from + written < block.length && written > 0) {
        this.#writeFrom(block, from + written)
        return
      }
      this.isWriting = false
      this.waiting.shift()
      if (error === null && written > 0) {
        this.#end += block.length
        this.done(block)
      } else {
        this.error = error ?? new Error('nothing was written')
        this.#restsUntilMs = Date.now() + REST_MS
        for (const lost of [block, ...this.waiting.splice(0)]) this.lose(lost)
      }
      this.wake()
    })
  }

  /** Writes what waits before the process ends. */
  writeNow(): void {
    if (this.#isClosed) return
    for (const block of this.waiting) {
      try {
        this.#files.writeSync(this.#fd, block.bytes, 0, block.length, this.#end)
        this.#end += block.length
      } catch {
        return
      }
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await new Promise<void>((resolve) => {
      this.onIdle = resolve
      this.wake()
    })
    // The rest that a failed write left beyond the last whole block goes.
    if (this.error !== undefined) {
      await new Promise<void>((resolve) => this.#files.ftruncate(this.#fd, this.#end, () => resolve()))
    }
    await new Promise<void>((resolve) => this.#files.close(this.#fd, () => resolve()))
  }
}

/** A stream of Node's, as far as it is used. */
export interface WritableLike {
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean
  on(event: string, listener: (...args: never[]) => void): unknown
  removeListener(event: string, listener: (...args: never[]) => void): unknown
  readonly writable?: boolean
}

/** A stream, which is not ended: it is the caller's. One that is slow gets one block after the other, and what finds no room is dropped. */
export class StreamSink extends QueueSink {
  readonly #stream: WritableLike
  #isClosed = false
  readonly #onError = (error: Error): void => this.#fail(error)

  constructor(stream: WritableLike) {
    super()
    this.#stream = stream
    stream.on('error', this.#onError as never)
    stream.write(headOf(), () => {})
  }

  protected get isOpen(): boolean {
    return !this.#isClosed && this.error === undefined && this.#stream.writable !== false
  }

  protected write(next: Waiting): void {
    this.isWriting = true
    const settle = (error?: Error | null): void => {
      if (!this.isWriting || this.waiting[0] !== next) return
      this.isWriting = false
      if (error) {
        this.#fail(error)
        return
      }
      this.waiting.shift()
      this.done(next)
      this.wake()
    }
    try {
      this.#stream.write(next.bytes.subarray(0, next.length), settle)
    } catch (error) {
      settle(errorOf(error))
    }
  }

  #fail(error: Error): void {
    this.error ??= error
    this.isWriting = false
    for (const block of this.waiting.splice(0)) this.lose(block)
    this.onIdle?.()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await new Promise<void>((resolve) => {
      this.onIdle = resolve
      this.wake()
    })
    // One that was written to in vain says so later, and an error that has no listener ends the process.
    if (this.error !== undefined || this.#stream.writable === false) return
    this.#stream.removeListener('error', this.#onError as never)
  }
}

/** A run of blocks whose first one holds all that is needed to read on. */
interface Stretch {
  readonly blocks: Waiting[]
  bytes: number
}

/** A block of at least so many bytes is kept in its array, and a shorter one in a copy. */
const NEARLY_FULL = (BLOCK.MAX_BYTES * 15) / 16

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
