/**
 * Files that are opened without waiting and read without trust: a pipe that nothing writes to would hold the process that opens it for good, a
 * device may never end, and a file may be another by the time that it is read. What is looked at is what was opened.
 */

import type { Stats } from 'node:fs'
import { builtin } from './builtin.js'

/** Flags of a file to be read: a pipe is opened at once, to be found none. */
export const readFlags = (): number => {
  const { O_RDONLY = 0, O_NONBLOCK = 0 } = builtin('node:fs').constants
  return O_RDONLY | O_NONBLOCK
}

/** @throws Error for what is no file, and for one that is too long */
function requireFile(found: Stats, maxBytes: number): void {
  if (!found.isFile()) throw new Error('it is not a file')
  if (found.size > maxBytes) throw new Error(`it has ${found.size} bytes, and at most ${maxBytes} are read`)
}

/** The bytes of a file that is read piece by piece; it may grow meanwhile. */
class Content {
  #bytes: Uint8Array<ArrayBuffer>
  readonly #maxBytes: number
  length = 0

  constructor(size: number, maxBytes: number) {
    // One more than there are shows the end.
    this.#bytes = new Uint8Array(size + 1)
    this.#maxBytes = maxBytes
  }

  /** The array to be read into from {@link length} on. */
  get room(): Uint8Array<ArrayBuffer> {
    if (this.length < this.#bytes.length) return this.#bytes
    const wider = new Uint8Array(Math.min(2 * this.#bytes.length, this.#maxBytes + 1))
    wider.set(this.#bytes)
    this.#bytes = wider
    return wider
  }

  /** So many bytes were read. @returns whether there may be more @throws Error where there are too many */
  add(read: number): boolean {
    this.length += read
    if (this.length > this.#maxBytes) throw new Error(`it has more than the ${this.#maxBytes} bytes that are read`)
    return read > 0
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length)
  }
}

/** The content of a file of at most `maxBytes`. Rejects for anything else of that name. */
export async function readWhole(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = await builtin('node:fs/promises').open(path, readFlags())
  try {
    const found = await file.stat()
    requireFile(found, maxBytes)
    const content = new Content(found.size, maxBytes)
    for (let more = true; more; ) {
      const { room, length } = content
      more = content.add((await file.read(room, length, room.length - length, length)).bytesRead)
    }
    return content.bytes
  } finally {
    await file.close()
  }
}

/** The same at once. @throws the error of a file that cannot be read, Error for anything else of that name */
export function readWholeSync(path: string, maxBytes: number): Uint8Array<ArrayBuffer> {
  const files = builtin('node:fs')
  const fd = files.openSync(path, readFlags())
  try {
    const found = files.fstatSync(fd)
    requireFile(found, maxBytes)
    const content = new Content(found.size, maxBytes)
    for (let more = true; more; ) {
      const { room, length } = content
      more = content.add(files.readSync(fd, room, length, room.length - length, length))
    }
    return content.bytes
  } finally {
    files.closeSync(fd)
  }
}
