/** Files of recordings. */

import { builtin } from '../base/builtin.js'
import { AtrionError } from '../base/errors.js'
import { headOf, QueueSink, type Waiting } from './sinks.js'

/** The time after a failure in which nothing is written, ms. */
const REST_MS = 1_000
/** The mode of a new file, less what the process masks. */
const NEW_MODE = 0o666

type Files = ReturnType<typeof builtin<'node:fs'>>

interface Opened {
  readonly fd: number
  /** The file, among those of this process; undefined of a device. */
  readonly id: string | undefined
}

/** Files that recordings of this thread write to. */
const inUse = new Set<string>()

/**
 * Opens a file that no other recording has: one of the same name loses it, so that a process which still writes to that writes to a file
 * of no name, and not into this one. undefined: the name is not that of a plain file, or may not be given to another.
 */
function openAnew(files: Files, path: string, flags: number): number | undefined {
  const { O_CREAT = 0, O_EXCL = 0 } = files.constants
  let mode = NEW_MODE
  // Another process may do the same at the same time.
  for (let attempts = 0; attempts < 8; attempts++) {
    try {
      return files.openSync(path, flags | O_CREAT | O_EXCL, mode)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EEXIST') return undefined
    }
    try {
      const found = files.lstatSync(path)
      if (!found.isFile() || found.nlink !== 1) return undefined
      // One that may not be written to is not removed either.
      files.closeSync(files.openSync(path, flags))
      if (inUse.has(idOf(found))) return undefined
      files.unlinkSync(path)
      mode = found.mode & 0o777
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') return undefined
    }
  }
  return undefined
}

/**
 * Opens a file to be written from its beginning. A pipe, which would hold the process until something reads it, is none; what can be
 * written anywhere, as `/dev/null`, is taken for one.
 *
 * @throws the error of a file that cannot be opened, Error for what is none, AtrionError where another recording writes to it
 */
function openToWrite(files: Files, path: string): Opened {
  const { O_WRONLY = 1, O_CREAT = 0, O_NONBLOCK = 0 } = files.constants
  const flags = O_WRONLY | O_NONBLOCK
  const fd = openAnew(files, path, flags) ?? files.openSync(path, flags | O_CREAT, NEW_MODE)
  try {
    const found = files.fstatSync(fd)
    if (found.isCharacterDevice()) return { fd, id: undefined }
    if (!found.isFile()) throw new Error(`${path} is not a file`)
    const id = idOf(found)
    if (inUse.has(id)) throw new AtrionError(`another recording writes to ${path}: give each a file of its own`)
    files.ftruncateSync(fd)
    inUse.add(id)
    return { fd, id }
  } catch (error) {
    files.closeSync(fd)
    throw error
  }
}

const idOf = ({ dev, ino }: { readonly dev: number; readonly ino: number }): string => `${dev} ${ino}`

/**
 * A file. A block is written to where the last whole one ends, so that what a failed write left is written over; after a failure, a
 * full disk among them, blocks are dropped for a second, and then it is tried again. One that was removed, or that another process writes anew, takes
 * nothing more.
 */
export class FileSink extends QueueSink {
  readonly #files: Files
  readonly #fd: number
  readonly #mostBytes: number
  #end = 0
  #restsUntilMs = 0
  #isClosed = false
  #isFull = false
  /** True when the file has no name any more. */
  #isGone = false
  readonly #id: string | undefined

  /** @throws the error of a file that cannot be opened */
  constructor(path: string, mostBytes: number) {
    super()
    this.#files = builtin('node:fs')
    this.#mostBytes = mostBytes
    const { fd, id } = openToWrite(this.#files, path)
    this.#fd = fd
    this.#id = id
    const head = headOf()
    try {
      this.#files.writeSync(this.#fd, head, 0, head.length, 0)
    } catch (error) {
      this.#release()
      this.#files.closeSync(this.#fd)
      throw error
    }
    this.#end = head.length
  }

  protected get isOpen(): boolean {
    return !this.#isClosed && !this.#isFull && !this.#isGone && performance.now() >= this.#restsUntilMs
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
    if (this.#id === undefined) {
      this.#writeFrom(next, 0)
      return
    }
    this.#files.fstat(this.#fd, (_, found) => {
      this.#isGone = found?.nlink === 0
      if (this.#isGone) this.#settle(next, new Error('the file was removed, or another process records to it'))
      else this.#writeFrom(next, 0)
    })
  }

  #writeFrom(block: Waiting, from: number): void {
    this.#files.write(this.#fd, block.bytes, from, block.length - from, this.#end + from, (error, written) => {
      if (error === null && from + written < block.length && written > 0) {
        this.#writeFrom(block, from + written)
        return
      }
      this.#settle(block, error ?? (written > 0 ? undefined : new Error('nothing was written')))
    })
  }

  /** A block was written, or was not. */
  #settle(block: Waiting, error: Error | undefined): void {
    this.isWriting = false
    this.waiting.shift()
    if (error === undefined) {
      this.#end += block.length
      this.reuse(block.bytes)
    } else {
      this.error = error
      this.#restsUntilMs = performance.now() + REST_MS
      for (const lost of [block, ...this.waiting.splice(0)]) this.lose(lost)
    }
    this.wake()
  }

  /** Writes what waits before the process ends. */
  writeNow(): void {
    for (const block of this.waiting) {
      try {
        const written = this.#files.writeSync(this.#fd, block.bytes, 0, block.length, this.#end)
        if (written < block.length) return
        this.#end += written
      } catch {
        return
      }
    }
  }

  #release(): void {
    if (this.#id !== undefined) inUse.delete(this.#id)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await new Promise<void>((resolve) => {
      this.onIdle = resolve
      this.wake()
    })
    this.#release()
    // The rest that a failed write left beyond the last whole block goes.
    if (this.error !== undefined) {
      await new Promise<void>((resolve) => this.#files.ftruncate(this.#fd, this.#end, () => resolve()))
    }
    await new Promise<void>((resolve) => this.#files.close(this.#fd, () => resolve()))
  }
}
