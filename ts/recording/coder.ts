/**
 * The coder of a recording: what its reader knows of slots and laws, and what the entries before had. It begins blocks and entries, and
 * writes all that a reader needs before an entry.
 *
 * Its fields are open: the calls of the hot path, in `ts/recording/tap.ts`, read and write them without a call of their own.
 */

import type { Context } from '../context.js'
import { LAW } from '../engine/law-cells.js'
import { type Engine, FRAME, NO_SLOT, STATE } from '../engine/port.js'
import type { BlockWriter } from './block-writer.js'
import { ENTRY, SIZE, toJson, wordsOf } from './format.js'
import { Images } from './images.js'
import { type Redact, redacted } from './redact.js'

/** Longest setting of a route that is written, characters of JSON. */
const LONGEST_PROFILE = 4_096
/** Tries to begin an entry: a block that is dropped makes all slots unknown. */
const MAX_TRIES = 4

export interface CoderOptions {
  readonly redact: Redact
  /** The facts of the recording that its first block states. */
  readonly about: () => object
  /** True where all that was known has to be written again at the beginning of a block. */
  readonly beginsAnew: () => boolean
  /** True when the engine has nothing yet that a reader has to know. */
  readonly isWhole: boolean
  /** The largest image, bytes: of the engine at the beginning, or where decisions were lost. 0: none. */
  readonly mostImageBytes: (isFirst: boolean) => number
}

export class Coder {
  readonly engine: Engine
  readonly routes: Context['routes']
  readonly writer: BlockWriter
  readonly images: Images
  readonly #options: CoderOptions
  /** Counts how often everything became unknown to the reader. */
  epoch = 1
  /** The epoch in which each slot was written. */
  known = new Uint32Array(256)
  readonly knownLaws = new Map<number, number>()
  /** The generation of the last permit of each place, plus one; 0: none was seen. */
  generations = new Int32Array(1024)
  /** The frame as it was last seen, and its cells as pairs of words. */
  frame: Float64Array = new Float64Array()
  words: Int32Array = new Int32Array()
  lastSlot = -1
  lastVoltage = Number.NaN
  /** Signals of the last request in this block that had them: they change less often than requests come. */
  lastAgeMs = Number.NaN
  lastProcess = Number.NaN
  /** FRAME.STALLS when stalls were last written. */
  stalls = 0
  /** True from a call to its last entry: the reader does not begin between them, where it would know what came of a call and not the call. */
  isWithin = false
  #names = 0
  /** The number of times that all that is known was written. */
  #anew = 0

  constructor({ engine, routes }: Context, writer: BlockWriter, options: CoderOptions) {
    this.engine = engine
    this.routes = routes
    this.writer = writer
    this.#options = options
    this.images = new Images(options.mostImageBytes)
  }

  /** Everything that was written is unknown to the reader: a block was lost. */
  forget(): void {
    this.epoch += 1
  }

  /** Views of the frame: one of a memory that grew is another. */
  look(): Float64Array {
    const { frame } = this.engine
    if (frame !== this.frame) {
      this.frame = frame
      this.words = wordsOf(frame)
    }
    return frame
  }

  /**
   * Makes room for an entry about a slot, and sees to it that the reader knows the slot.
   *
   * @param isBefore false after the call that the entry is about, which an image would have already
   */
  ready(slot: number, isBefore = true): void {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (this.writer.begin()) this.#open()
      if (this.images.isOwed && isBefore) this.images.write(this)
      if (this.known[slot] === this.epoch || slot === NO_SLOT) return
      this.#introduce(slot)
    }
  }

  /** Sees to it that the reader knows all of some slots, and goes on from here until the entries of the next call are written. */
  readyAll(slots: Float64Array, count: number, stride: number): void {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const epoch = this.epoch
      for (let at = 0; at < count; at++) {
        const slot = slots[at * stride]!
        if (this.known[slot] !== this.epoch) this.ready(slot)
      }
      if (this.epoch === epoch) break
    }
    this.isWithin = true
  }

  /** Makes room for any entry. */
  beginLarge(): void {
    if (this.writer.beginLarge()) this.#open()
  }

  /** Begins an entry that is not of the hot path, and that has a time. */
  beginRare(entry: number, nowMs: number): void {
    this.beginLarge()
    this.writer.byte(entry)
    this.time(nowMs)
  }

  /** The time of a rare entry: its steps plus one, or 0 and the double. */
  time(nowMs: number): void {
    const steps = this.writer.stepsTo(nowMs)
    this.writer.varint(steps + 1)
    if (steps < 0) this.writer.double(nowMs)
    this.writer.lastMs = nowMs
  }

  /** Makes a call of an engine at a time that is read for it. @returns that time, ms */
  timed(call: () => void, isCoarse: boolean): number {
    const { frame } = this.engine
    const given = frame[FRAME.NOW]!
    const nowMs = this.engine.readClock(isCoarse)
    frame[FRAME.NOW] = nowMs
    try {
      call()
    } finally {
      this.engine.frame[FRAME.NOW] = given
    }
    return nowMs
  }

  /** The beginning of a block: what the coder remembers is forgotten; where the reader knows nothing, it gets all it needs. */
  #open(): void {
    const writer = this.writer
    this.lastSlot = -1
    this.lastVoltage = Number.NaN
    this.lastAgeMs = Number.NaN
    this.lastProcess = Number.NaN
    const isFirst = this.knownLaws.get(0) !== this.epoch
    if (!this.isWithin && this.#options.beginsAnew()) this.epoch += 1
    else if (!isFirst) return
    this.images.isOwed = this.#anew > 0 || !this.#options.isWhole
    this.#anew += 1
    writer.byte(ENTRY.ABOUT)
    writer.text(toJson(this.#options.about()))
    this.writeBase(this.routes.params)
    this.introduceLaw(0)
  }

  /** Writes what governs every route that was not given its own. */
  writeBase(params: object): void {
    this.writer.byte(ENTRY.BASE)
    this.writer.text(toJson(params))
  }

  /** Writes the known part of a route that was there before. */
  #introduce(slot: number): void {
    this.beginLarge()
    const engine = this.engine
    const name = engine.nameOf(slot)
    this.note(slot)
    if (name === undefined || !engine.readState(slot)) return
    const hasLimiter = engine.hasClosedLoop && engine.readStats(slot)
    const writer = this.writer
    const frame = this.look()
    this.writeName(slot, name)
    this.introduceLaw(frame[FRAME.STATE + STATE.LAW]!)
    writer.byte(ENTRY.KNOWN)
    this.time(engine.readClock(false))
    writer.varint(slot)
    writer.byte(hasLimiter ? 1 : 0)
    writer.doubles(frame, FRAME.STATE, STATE.LENGTH)
    const order = this.routes.orderOf(name)
    if (order !== 0) {
      writer.byte(ENTRY.ORDER)
      this.time(writer.lastMs)
      writer.varint(slot)
      writer.byte(order)
    }
  }

  /** The reader knows the slot. */
  note(slot: number): void {
    if (slot >= this.known.length) {
      const grown = new Uint32Array(Math.max(slot + 1, 2 * this.known.length))
      grown.set(this.known)
      this.known = grown
    }
    this.known[slot] = this.epoch
  }

  /** Makes room for the permit of a place. @returns false where it is beyond the last that is remembered */
  widen(place: number, most: number): boolean {
    if (place >= most) return false
    const grown = new Int32Array(Math.min(most, Math.max(place + 1, 2 * this.generations.length)))
    grown.set(this.generations)
    this.generations = grown
    return true
  }

  writeName(slot: number, name: string): void {
    const writer = this.writer
    writer.byte(ENTRY.NAME)
    writer.varint(slot)
    writer.varint(Math.min(name.length * 3, 0xffff_ffff))
    this.#names += 1
    writer.text(redacted(name, this.#options.redact, this.#names))
    this.writeProfile(slot, name)
  }

  writeProfile(slot: number, name: string): void {
    const profile = this.routes.profiles.get(name)
    if (profile === 'STANDARD') return
    const text = toJson(profile)
    if (text.length > LONGEST_PROFILE) return
    this.writer.byte(ENTRY.PROFILE)
    this.writer.varint(slot)
    this.writer.text(text)
  }

  introduceLaw(law: number): void {
    if (law < 0 || this.knownLaws.get(law) === this.epoch) return
    const cells = this.routes.profiles.cellsOf(law)
    if (cells === undefined) return
    this.beginLarge()
    this.writeLaw(law, cells)
  }

  writeLaw(law: number, cells: Float64Array): void {
    this.knownLaws.set(law, this.epoch)
    this.writer.byte(ENTRY.LAW)
    this.time(this.writer.lastMs)
    this.writer.varint(law)
    this.writer.doubles(cells, 0, LAW.LENGTH)
  }

  /** Of stalls before the recording nothing is written. */
  skipStalls(): void {
    this.engine.loop?.takeStalls()
    this.stalls = this.engine.frame[FRAME.STALLS]!
  }

  /** Writes the stalls of the event loop that the engine has just learnt of. */
  writeStalls(): void {
    this.stalls = this.engine.frame[FRAME.STALLS]!
    const ends = this.engine.loop?.takeStalls()
    if (ends === undefined || ends.length === 0) return
    const writer = this.writer
    // Not in a block of their own: the slot that is decided on is known in this one.
    writer.byte(ENTRY.STALL)
    this.time(writer.lastMs)
    writer.varint(ends.length / 2)
    const from = Math.max(0, ends.length - 2 * SIZE.STALLS)
    writer.doubles(ends, from, ends.length - from)
  }
}
