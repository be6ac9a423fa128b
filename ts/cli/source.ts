/**
 * The files that commands read: recordings and logs, also compressed ones and those of standard input.
 *
 * Compressed and piped data is unpacked piece by piece into a temporary file, since it is read more than once; memory stays bounded.
 */

import type { Readable, Transform } from 'node:stream'

import { builtin } from '../base/builtin.js'
import { readFlags } from '../base/files.js'
import { RecordingError, type Source } from '../replay/blocks.js'

/** Bytes that are read at once. */
const PIECE = 2 ** 20
/** The longest file that is unpacked, bytes: a month of a thousand requests a second. */
const MOST_UNPACKED = 2 ** 36
/** Bytes that a compression is known by. */
const MAGIC_LENGTH = 4

/** A source that is to be closed. */
export type OpenSource = Source & { close(): void }

/** The name of a file in messages. */
export const shownName = (path: string): string => (path === '-' ? 'standard input' : path)

/** The stream that unpacks data with this beginning; undefined where it is not compressed, or this Node.js can't unpack it. */
function unpackerOf(head: Uint8Array): Transform | undefined {
  const zlib = builtin('node:zlib')
  const begins = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte)
  if (begins(0x1f, 0x8b)) return zlib.createGunzip()
  // Node.js has it from 22.15 on.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform }
  return begins(0x28, 0xb5, 0x2f, 0xfd) ? createZstdDecompress?.() : undefined
}

/** An open file's bytes, read in pieces. */
function readerOf(fd: number, length: number, close: () => void): OpenSource {
  const files = builtin('node:fs')
  const piece = new Uint8Array(PIECE)
  let [from, to] = [0, 0]
  return {
    length,
    read(at, size) {
      if (at < from || at + size > to) {
        from = at
        to = at + files.readSync(fd, piece, 0, PIECE, at)
      }
      return piece.subarray(at - from, Math.min(at - from + size, to - from))
    },
    close,
  }
}

/** A temporary file that goes with its process. */
function temporary(): { fd: number; close(): void } {
  const [files, { tmpdir }, { join }] = [builtin('node:fs'), builtin('node:os'), builtin('node:path')]
  const folder = files.mkdtempSync(join(tmpdir(), 'atrion-'))
  const path = join(folder, 'unpacked')
  const remove = (): void => files.rmSync(folder, { recursive: true, force: true, maxRetries: 2 })
  const fd = files.openSync(path, 'wx+', 0o600)
  // An open file that is removed at once leaves nothing behind, however the process ends; Windows does not allow that.
  if (process.platform !== 'win32') remove()
  return {
    fd,
    close() {
      files.closeSync(fd)
      remove()
    },
  }
}

/** Writes all of a stream into a file, unpacked. @returns its length, and the damage that ended it */
async function unpack(input: Readable, fd: number): Promise<{ length: number; damage: string | undefined }> {
  const files = builtin('node:fs')
  let length = 0
  let failure: Error | undefined
  const write = (bytes: Uint8Array): void => {
    try {
      if (failure !== undefined) return
      if (length + bytes.length > MOST_UNPACKED) throw new Error(`it is longer than ${MOST_UNPACKED} bytes unpacked`)
      for (let at = 0; at < bytes.length; ) at += files.writeSync(fd, bytes, at)
      length += bytes.length
    } catch (error) {
      failure = error as Error
    }
  }
  let head: Uint8Array | undefined = new Uint8Array()
  let unpacker: Transform | undefined
  let damage: string | undefined
  const feed = async (bytes: Uint8Array): Promise<void> => {
    if (unpacker === undefined) return write(bytes)
    await new Promise<void>((done) => {
      // Each piece is unpacked before the next is read; the error comes to the callback, too.
      unpacker!.write(bytes, (error) => {
        if (error) damage ??= error.message
        done()
      })
    })
  }
  const begin = (bytes: Uint8Array): Promise<void> => {
    head = undefined
    unpacker = unpackerOf(bytes)
    unpacker?.on('data', write).on('error', (error) => {
      damage ??= error.message
    })
    return feed(bytes)
  }
  for await (const piece of input as AsyncIterable<Uint8Array>) {
    if (head === undefined) await feed(piece)
    else {
      head = Buffer.concat([head, piece])
      if (head.length >= MAGIC_LENGTH) await begin(head)
    }
    if (failure !== undefined || damage !== undefined) break
  }
  if (head !== undefined) await begin(head)
  if (unpacker !== undefined && damage === undefined && failure === undefined) {
    const ending = unpacker
    await new Promise((done) => ending.once('end', done).once('error', done).end())
  }
  unpacker?.destroy()
  if (failure !== undefined) throw new RecordingError(`it cannot be unpacked: ${failure.message}`)
  return { length, damage }
}

/** The source of a stream, unpacked; what precedes damage is used. @throws RecordingError where there is nothing to use */
async function unpacked(path: string, input: Readable): Promise<OpenSource> {
  const { fd, close } = temporary()
  try {
    const { length, damage } = await unpack(input, fd)
    if (damage !== undefined) {
      const cause = `the compressed data is damaged: ${damage}`
      if (length === 0) throw new RecordingError(cause)
      console.error(`warning     ${shownName(path)}: ${cause}; the ${length} bytes before that are used`)
    }
    return readerOf(fd, length, close)
  } catch (error) {
    close()
    if (error instanceof RecordingError) throw error
    throw new RecordingError(`it cannot be read: ${(error as Error).message}`)
  }
}

/** Opens a file, or standard input for `-`; unpacks what is compressed. @throws RecordingError for what is no file */
export async function openSource(path: string): Promise<OpenSource> {
  const files = builtin('node:fs')
  if (path === '-') {
    if (process.stdin.isTTY) throw new RecordingError('standard input is a terminal: pipe a recording or a log into it')
    return unpacked(path, process.stdin)
  }
  let fd: number
  try {
    fd = files.openSync(path, readFlags())
  } catch (error) {
    throw new RecordingError(`${path} cannot be opened: ${(error as Error).message}`)
  }
  const found = files.fstatSync(fd)
  if (!found.isFile()) {
    files.closeSync(fd)
    const kind = found.isDirectory() ? ', but a directory' : found.isFIFO() ? ', but a pipe: give - and pipe it in' : ''
    throw new RecordingError(`${path} is not a file${kind}`)
  }
  const source = readerOf(fd, found.size, () => files.closeSync(fd))
  const packing = unpackerOf(source.read(0, MAGIC_LENGTH))
  if (packing === undefined) return source
  packing.destroy()
  try {
    return await unpacked(
      path,
      files.createReadStream(path, { fd, autoClose: false, start: 0, highWaterMark: 2 ** 16 }),
    )
  } finally {
    source.close()
  }
}
