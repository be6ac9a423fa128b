/**
 * The numbers and texts of a block, one after the other. A block whose checksum fits may still hold anything: each is checked before it is
 * handed out.
 */

import { BLOCK, fromJson, NUMBER, SIZE } from '../recording/format.js'
import type { Block } from './blocks.js'

/** A block that holds what no recording holds. */
export class GarbageError extends Error {}

const MOST_SLOTS = 2 ** 24
const decoder = new TextDecoder('utf-8', { fatal: true })

export class BlockReader {
  #bytes: Uint8Array = new Uint8Array()
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #end = 0
  /** The time of the entry before, ms. */
  #lastMs = 0

  /** Begins at the first entry of a block. */
  open({ bytes, baseMs }: Block): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = BLOCK.LENGTH
    this.#end = bytes.length
    this.#lastMs = baseMs
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end
  }

  byte(): number {
    const { length } = this.#bytes
    if (this.#at >= length) throw new GarbageError('an entry goes beyond its block')
    return this.#bytes[this.#at++]!
  }

  varint(): number {
    let value = 0
    let unit = 1
    for (let i = 0; i < 5; i++) {
      const byte = this.byte()
      value += (byte & 127) * unit
      if (byte < 128) return value
      unit *= 128
    }
    throw new GarbageError('a number has no end')
  }

  below(most: number, what: string): number {
    const value = this.varint()
    if (value < most) return value
    throw new GarbageError(`${what} ${value}, and there are ${most} at most`)
  }

  slot(): number {
    return this.below(MOST_SLOTS, 'slot')
  }

  word(): number {
    const at = this.#at
    if (at + 4 > this.#end) throw new GarbageError('an entry goes beyond its block')
    this.#at = at + 4
    return this.#view.getInt32(at, true)
  }

  double(): number {
    const at = this.#at
    if (at + 8 > this.#end) throw new GarbageError('an entry goes beyond its block')
    this.#at = at + 8
    return this.#view.getFloat64(at, true)
  }

  doubles(count: number): Float64Array {
    const cells = new Float64Array(count)
    for (let i = 0; i < count; i++) cells[i] = this.double()
    return cells
  }

  hash(): number {
    const hash = this.double()
    if (hash >= 0 && hash < 2 ** 53 && hash % 1 === 0) return hash
    throw new GarbageError('a key is not a hash')
  }

  /** @param last the number that stood in its place before, where there may be one */
  number(last?: number): number {
    const kind = this.byte()
    switch (kind) {
      case NUMBER.SAME:
        if (last === undefined || Number.isNaN(last)) throw new GarbageError('the same number as none')
        return last
      case NUMBER.ZERO:
        return 0
      case NUMBER.MINUS_ONE:
        return -1
      case NUMBER.INFINITY:
        return Number.POSITIVE_INFINITY
      case NUMBER.INTEGER:
        return this.varint()
      case NUMBER.SIXTY_FOURTHS:
        return this.varint() / 64
      case NUMBER.FLOAT: {
        const at = this.#at
        if (at + 4 > this.#end) throw new GarbageError('an entry goes beyond its block')
        this.#at = at + 4
        return this.#view.getFloat32(at, true)
      }
      case NUMBER.DOUBLE:
        return this.double()
      default:
        throw new GarbageError(`a number of kind ${kind}`)
    }
  }

  json(): unknown {
    try {
      return fromJson(this.text())
    } catch (error) {
      throw new GarbageError(`a text is not JSON: ${(error as Error).message}`)
    }
  }

  piece(): Uint8Array {
    const length = this.varint()
    if (this.#at + length > this.#end) throw new GarbageError('a text goes beyond its block')
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  text(): string {
    const bytes = this.piece()
    try {
      return decoder.decode(bytes)
    } catch {
      // A name that was cut within a character.
      return new TextDecoder().decode(bytes)
    }
  }

  /** The time of an entry of the hot path: a double, or steps from the one before. */
  hotTime(isWhole: boolean): number {
    this.#lastMs = isWhole ? this.double() : this.#lastMs + this.varint() / SIZE.STEPS_PER_MS
    return this.#lastMs
  }

  /** The time of any other entry that has one. */
  rareTime(): number {
    const steps = this.varint()
    this.#lastMs = steps === 0 ? this.double() : this.#lastMs + (steps - 1) / SIZE.STEPS_PER_MS
    return this.#lastMs
  }

  /** A duration. */
  milliseconds(): number {
    const ms = this.double()
    if (ms >= 0 && ms < Number.POSITIVE_INFINITY) return ms
    throw new GarbageError(`a time of ${ms} ms`)
  }

  times(): number {
    const times = this.word()
    if (times > 0 && times <= 2 * MOST_SLOTS) return times
    throw new GarbageError(`${times} times`)
  }
}
