/** Blocks of a recording as they fill: bytes are put one after the other, and a full block goes to the sink. */

import { checksum } from '../base/checksum.js'
import { BLOCK, LARGEST_ENTRY, NUMBER, SIZE } from './format.js'
import type { Sink } from './sinks.js'

/** The length from which a block counts as full, bytes. */
const FULL = BLOCK.MAX_BYTES - LARGEST_ENTRY
/** Entries of the hot path, and stalls that come with one, take less than this, so that a block is used up to its end. */
const SMALL_ENTRY = 512
const FULL_FOR_SMALL = BLOCK.MAX_BYTES - SMALL_ENTRY
const MOST_STEPS = 2 ** 28

const encoder = new TextEncoder()

export class BlockWriter {
  readonly #sink: Sink
  /** Called where decisions were lost, so that all that the reader needs is written again. */
  readonly #onGap: () => void
  bytes: Uint8Array
  view: DataView
  /** The next byte. */
  at: number = BLOCK.LENGTH
  /** The byte from which on {@link BlockWriter.begin} has to be called before an entry of the hot path; 0: the block is empty. */
  full = 0
  /** The time of the entry before, ms. */
  lastMs = Number.NaN
  /** Decisions in the block. */
  decisions = 0
  #sequence = 0
  #droppedBefore = 0
  /** Decisions that are in blocks which the sink took. */
  kept = 0
  dropped = 0
  bytesWritten = 0

  constructor(sink: Sink, onGap: () => void) {
    this.#sink = sink
    this.#onGap = onGap
    this.bytes = sink.buffer() ?? new Uint8Array(BLOCK.MAX_BYTES)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Makes room for an entry of the hot path. @returns true where a block begins with it */
  begin(): boolean {
    if (this.at >= FULL_FOR_SMALL) this.finish()
    if (!this.isEmpty) return false
    this.full = FULL_FOR_SMALL
    this.view.setFloat64(BLOCK.BASE_AT, this.lastMs, true)
    return true
  }

  /** The same for any entry. */
  beginLarge(): boolean {
    if (this.at >= FULL) this.finish()
    return this.begin()
  }

  /** The number of the block that is being filled. */
  get sequence(): number {
    return this.#sequence
  }

  get isEmpty(): boolean {
    return this.full === 0
  }

  /** Steps from the entry before to a time, ms; −1 where they do not lead to it exactly. */
  stepsTo(nowMs: number): number {
    const { lastMs } = this
    const steps = (nowMs - lastMs) * SIZE.STEPS_PER_MS
    const whole = steps | 0
    return steps >= 0 && steps < MOST_STEPS && whole === steps && lastMs + steps / SIZE.STEPS_PER_MS === nowMs
      ? whole
      : -1
  }

  /** A time after an operation that says whether it is whole: steps from the one before, or the double itself. */
  time(nowMs: number, steps: number): void {
    if (steps >= 0) this.varint(steps)
    else this.double(nowMs)
    this.lastMs = nowMs
  }

  byte(value: number): void {
    this.bytes[this.at++] = value
  }

  /** A whole number in [0, 2³²). */
  varint(value: number): void {
    const { bytes } = this
    let at = this.at
    let left = value
    while (left > 127) {
      bytes[at++] = left | 128
      left >>>= 7
    }
    bytes[at++] = left
    this.at = at
  }

  word(value: number): void {
    const { at } = this
    this.view.setInt32(at, value, true)
    this.at = at + 4
  }

  /** Adds to a word that was written in this block. */
  addTo(at: number, value: number): void {
    this.view.setInt32(at, this.view.getInt32(at, true) + value, true)
  }

  /** Bytes, of at most half of the largest entry, after their number. */
  piece(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  double(value: number): void {
    const { at } = this
    this.view.setFloat64(at, value, true)
    this.at = at + 8
  }

  doubles(cells: Float64Array, from: number, count: number): void {
    for (let i = 0; i < count; i++) this.double(cells[from + i]!)
  }

  /** A number in as few bytes as hold it exactly. */
  number(value: number): void {
    const parts = value * 64
    // Not by `%`, which V8 calls a function of C for.
    if (value > 0 && value < 2 ** 24 && Math.floor(parts) === parts) {
      const isWhole = Math.floor(value) === value
      this.byte(isWhole ? NUMBER.INTEGER : NUMBER.SIXTY_FOURTHS)
      this.varint(isWhole ? value : parts)
    } else if (value === 0 && 1 / value > 0) this.byte(NUMBER.ZERO)
    else if (value === -1) this.byte(NUMBER.MINUS_ONE)
    else if (value === Number.POSITIVE_INFINITY) this.byte(NUMBER.INFINITY)
    else if (Math.fround(value) === value && value !== 0) {
      this.byte(NUMBER.FLOAT)
      this.view.setFloat32(this.at, value, true)
      this.at += 4
    } else {
      this.byte(NUMBER.DOUBLE)
      this.double(value)
    }
  }

  /** A text of at most half of the largest entry. */
  text(value: string): void {
    this.piece(encoder.encode(value).subarray(0, LARGEST_ENTRY / 2))
  }

  /** Hands the block on, where there is anything in it, and begins another. Never waits: a block that finds no room is dropped. */
  finish(): void {
    if (this.isEmpty) return
    const padded = (this.at + 3) & ~3
    this.bytes.fill(0, this.at, padded)
    const { view } = this
    view.setUint32(BLOCK.MAGIC_AT, BLOCK.MAGIC, true)
    view.setUint32(BLOCK.LENGTH_AT, padded - BLOCK.SEQUENCE_AT, true)
    view.setUint32(BLOCK.SEQUENCE_AT, this.#sequence++, true)
    view.setUint32(BLOCK.DECISIONS_AT, this.decisions, true)
    view.setUint32(BLOCK.DROPPED_AT, Math.min(this.#droppedBefore, 0xffff_ffff), true)
    view.setUint32(BLOCK.CHECKSUM_AT, checksum(this.bytes.subarray(BLOCK.SEQUENCE_AT, padded)), true)
    const isLost = !this.#sink.take(this.bytes, padded, this.decisions)
    if (isLost) {
      this.dropped += this.decisions
      this.#droppedBefore += Math.max(1, this.decisions)
    } else {
      this.kept += this.decisions
      this.bytesWritten += padded
      this.#droppedBefore = 0
      this.bytes = this.#sink.buffer() ?? new Uint8Array(BLOCK.MAX_BYTES)
      this.view = new DataView(this.bytes.buffer)
    }
    this.at = BLOCK.LENGTH
    this.decisions = 0
    this.full = 0
    if (isLost) this.#onGap()
  }
}
