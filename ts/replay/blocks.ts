/**
 * The blocks of a recording, read one after the other. Whatever the file is, nothing is read beyond what its length allows; what is before
 * the damage is used, and the damage is reported.
 */

import { checksum } from '../base/checksum.js'
import { BLOCK, FORMAT_VERSION, HEAD, OLDEST_VERSION } from '../recording/format.js'

/** The reason for which a recording was not read to its end. */
export interface Damage {
  /** The byte of the file that the damaged block begins at. */
  readonly atByte: number
  /** Bytes from there to the end. */
  readonly restBytes: number
  readonly cause: string
}

/** A file that is no recording that this version reads. */
export class RecordingError extends Error {}

export interface Block {
  readonly bytes: Uint8Array
  readonly sequence: number
  readonly baseMs: number
  readonly decisions: number
  readonly droppedBefore: number
}

/** Bytes in pieces: a file's, or an array. */
export interface Source {
  readonly length: number
  /** Up to `length` bytes from `at`; fewer at the end. */
  read(at: number, length: number): Uint8Array
}

export const sourceOf = (bytes: Uint8Array): Source => ({
  length: bytes.length,
  read: (at, length) => bytes.subarray(at, at + length),
})

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Returns whether a source is a recording of any version, or nothing at all. */
export const isRecording = (source: Source): boolean =>
  source.length === 0 || new TextDecoder('latin1').decode(source.read(0, 10)) === HEAD.NAME.trimEnd()

/** @throws RecordingError for what is no recording, or one of a newer format */
function requireHead(source: Source): void {
  const head = source.read(0, HEAD.LENGTH)
  const name = new TextDecoder('latin1').decode(head.subarray(0, HEAD.NAME.length))
  if (name !== HEAD.NAME) {
    // A transfer as text turns the line's end into another.
    const isMangled = name.startsWith(HEAD.NAME.trimEnd())
    throw new RecordingError(
      isMangled
        ? 'the recording was damaged in transfer: it was transferred as text, not as binary'
        : source.length === 0
          ? 'the file is empty'
          : 'the file is not a recording of Atrion: it does not begin with ATRION-REC',
    )
  }
  if (head.length < HEAD.LENGTH) throw new RecordingError('the file ends within its head')
  const version = viewOf(head).getUint16(HEAD.VERSION_AT, true)
  if (version < OLDEST_VERSION || version > FORMAT_VERSION) {
    const remedy = version > FORMAT_VERSION ? ': a newer atrion wrote it, and reads it' : ''
    throw new RecordingError(
      `the recording is of format ${version}, and this version reads ${OLDEST_VERSION} to ${FORMAT_VERSION}${remedy}`,
    )
  }
}

/** The blocks of a source with a head, until its end or its damage. */
export class Blocks {
  readonly #source: Source
  at: number = HEAD.LENGTH
  damage: Damage | undefined

  /** @throws RecordingError as {@link requireHead} */
  constructor(source: Source) {
    this.#source = source
    requireHead(source)
  }

  /** The next block; undefined at the end, or at the damage. */
  next(): Block | undefined {
    const { at } = this
    const { length } = this.#source
    if (at >= length || this.damage !== undefined) return undefined
    const head = this.#source.read(at, BLOCK.LENGTH)
    if (head.length < BLOCK.LENGTH) return this.stop('the file ends within the head of a block')
    const view = viewOf(head)
    if (view.getUint32(BLOCK.MAGIC_AT, true) !== BLOCK.MAGIC) return this.stop('no block begins here')
    const size = view.getUint32(BLOCK.LENGTH_AT, true) + BLOCK.SEQUENCE_AT
    if (size < BLOCK.LENGTH || size > BLOCK.MAX_BYTES || size % 4 !== 0) {
      return this.stop(`a block of ${size} bytes, and blocks have ${BLOCK.LENGTH} to ${BLOCK.MAX_BYTES}`)
    }
    // Copied, so that words are aligned whatever the file's other blocks are.
    const bytes = this.#source.read(at, size).slice()
    if (bytes.length < size) return this.stop('the file ends within a block')
    // The head was another read: a source may have used its array again.
    const whole = viewOf(bytes)
    if (checksum(bytes.subarray(BLOCK.SEQUENCE_AT)) !== whole.getUint32(BLOCK.CHECKSUM_AT, true)) {
      return this.stop('the checksum of a block does not fit')
    }
    this.at = at + size
    return {
      bytes,
      sequence: whole.getUint32(BLOCK.SEQUENCE_AT, true),
      baseMs: whole.getFloat64(BLOCK.BASE_AT, true),
      decisions: whole.getUint32(BLOCK.DECISIONS_AT, true),
      droppedBefore: whole.getUint32(BLOCK.DROPPED_AT, true),
    }
  }

  /** Nothing is read from the block on that began at `at`. */
  stop(cause: string, at: number = this.at): undefined {
    this.damage = { atByte: at, restBytes: this.#source.length - at, cause }
    return undefined
  }
}
