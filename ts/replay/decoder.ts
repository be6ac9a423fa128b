/**
 * The entries of a block, one after the other, each as a call of a handler. A block whose checksum fits may still hold anything: every
 * number is checked before it is used, and the first that can be none ends the reading.
 *
 * Longer than other files, because it is one object over the bytes of a block: each kind of entry has a method.
 */

import { LAW } from '../engine/law-cells.js'
import { PAST, SHARE, STATE } from '../engine/port.js'
import {
  ACQUIRE,
  BLOCK,
  ENTRY,
  EXTRA,
  fromJson,
  NUMBER,
  RELEASE,
  RESULT,
  ROUTE,
  ROUTE_RESULT,
  SIZE,
} from '../recording/format.js'
import type { Block } from './blocks.js'

/** A block that holds what no recording holds. */
export class GarbageError extends Error {}

const MOST_SLOTS = 2 ** 24
const MOST_LAWS = 2 ** 16
const MOST_IMAGE_BYTES = 2 ** 24
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A decoded entry: one object, written anew for every one. */
export class Entry {
  nowMs = 0
  slot = 0
  tier = 0
  voltage = 0
  key = Number.NaN
  keyClass = Number.NaN
  weight = 1
  queueAgeMs = 0
  process = 0
  waitedMs = -1
  givenUp = 0
  isAllowed = false
  isTicked = false
  isStale = false
  waits = false
  mode = 0
  cause = 0
  /** The place of the permit; −1: none, or one that is not numbered. */
  place = -1
  digest = 0
  outcome = 0
  /** Of a release: the permit where its place does not stand for it; −1 concludes a detached request. */
  permit = Number.NaN
  /** Of a release: what does not count of the permit's age, ms. */
  excusedMs = 0
  ageMs = 0
  latencyMs = 0
  errorRate = 0
  saturation = 0
  law = -1
}

export interface Handler {
  about(about: unknown): void
  base(params: unknown): void
  name(slot: number, bytes: number, name: string): void
  profile(slot: number, profile: unknown): void
  intern(slot: number, nowMs: number): void
  remove(slot: number, nowMs: number): void
  law(law: number, cells: Float64Array, nowMs: number): void
  setLaw(slot: number, law: number, nowMs: number): void
  state(slot: number, cells: Float64Array, nowMs: number): void
  known(slot: number, hasLimiter: boolean, cells: Float64Array, nowMs: number): void
  share(slot: number, cells: Float64Array, nowMs: number): void
  inherit(slot: number, taken: boolean, cells: Float64Array, nowMs: number): void
  scar(slot: number, ohms: number, nowMs: number): void
  lease(slot: number, taken: boolean, nowMs: number): void
  order(slot: number, order: number, nowMs: number): void
  dryRun(dryRun: boolean): void
  peers(): void
  stall(sinceMs: number, untilMs: number): void
  /** There were more at once than are recorded. */
  tooManyStalls(): void
  /** The next of the routes that were used was asked for so many times. */
  used(times: number): void
  image(image: Uint8Array, nowMs: number): void
  fault(): void
  acquire(entry: Entry): void
  release(entry: Entry): void
  route(entry: Entry): void
  /** A row of a batch: slot and telemetry are in the entry; what came of it besides. */
  row(entry: Entry, status: number): void
}

export class Decoder {
  readonly #handler: Handler
  readonly #entry = new Entry()
  #bytes: Uint8Array = new Uint8Array()
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #end = 0
  #lastMs = 0
  /** Signals of the last request in this block that had them. */
  #lastAgeMs = Number.NaN
  #lastProcess = Number.NaN
  /** The image that is being read as far as it is, with room for more, its bytes so far, and those of the whole. */
  #image = new Uint8Array(0)
  #imageBytes = 0
  #imageLength = 0

  constructor(handler: Handler) {
    this.#handler = handler
  }

  /** Hands the entries of a block to the handler. @throws GarbageError at the first that is none */
  decode({ bytes, baseMs }: Block): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = BLOCK.LENGTH
    this.#end = bytes.length
    this.#lastMs = baseMs
    this.#lastAgeMs = Number.NaN
    this.#lastProcess = Number.NaN
    const entry = this.#entry
    entry.slot = -1
    entry.voltage = Number.NaN
    entry.excusedMs = 0
    let voltage = Number.NaN
    let slot = -1
    while (this.#at < this.#end) {
      const op = bytes[this.#at++]!
      if (op >= ACQUIRE.OP) {
        entry.slot = slot
        this.#acquire(op, entry)
        slot = entry.slot
      } else if (op >= RELEASE.OP) {
        this.#release(op, entry)
      } else if (op >= ROUTE.OP) {
        entry.slot = slot
        entry.voltage = voltage
        this.#route(op, entry)
        slot = entry.slot
        voltage = entry.voltage
      } else if (op !== ENTRY.PAD) this.#rare(op)
      if (this.#at > this.#end) throw new GarbageError('an entry goes beyond its block')
    }
  }

  #byte(): number {
    const { length } = this.#bytes
    if (this.#at >= length) throw new GarbageError('an entry goes beyond its block')
    return this.#bytes[this.#at++]!
  }

  #varint(): number {
    let value = 0
    let unit = 1
    for (let i = 0; i < 5; i++) {
      const byte = this.#byte()
      value += (byte & 127) * unit
      if (byte < 128) return value
      unit *= 128
    }
    throw new GarbageError('a number has no end')
  }

  #below(most: number, what: string): number {
    const value = this.#varint()
    if (value < most) return value
    throw new GarbageError(`${what} ${value}, and there are ${most} at most`)
  }

  #slot(): number {
    return this.#below(MOST_SLOTS, 'slot')
  }

  #word(): number {
    const at = this.#at
    if (at + 4 > this.#end) throw new GarbageError('an entry goes beyond its block')
    this.#at = at + 4
    return this.#view.getInt32(at, true)
  }

  #double(): number {
    const at = this.#at
    if (at + 8 > this.#end) throw new GarbageError('an entry goes beyond its block')
    this.#at = at + 8
    return this.#view.getFloat64(at, true)
  }

  #doubles(count: number): Float64Array {
    const cells = new Float64Array(count)
    for (let i = 0; i < count; i++) cells[i] = this.#double()
    return cells
  }

  #hash(): number {
    const hash = this.#double()
    if (hash >= 0 && hash < 2 ** 53 && hash % 1 === 0) return hash
    throw new GarbageError('a key is not a hash')
  }

  /** @param last the number that stood in its place before, where there may be one */
  #number(last?: number): number {
    const kind = this.#byte()
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
        return this.#varint()
      case NUMBER.SIXTY_FOURTHS:
        return this.#varint() / 64
      case NUMBER.FLOAT: {
        const at = this.#at
        if (at + 4 > this.#end) throw new GarbageError('an entry goes beyond its block')
        this.#at = at + 4
        return this.#view.getFloat32(at, true)
      }
      case NUMBER.DOUBLE:
        return this.#double()
      default:
        throw new GarbageError(`a number of kind ${kind}`)
    }
  }

  #json(): unknown {
    try {
      return fromJson(this.#text())
    } catch (error) {
      throw new GarbageError(`a text is not JSON: ${(error as Error).message}`)
    }
  }

  #piece(): Uint8Array {
    const length = this.#varint()
    if (this.#at + length > this.#end) throw new GarbageError('a text goes beyond its block')
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  #text(): string {
    const bytes = this.#piece()
    try {
      return decoder.decode(bytes)
    } catch {
      // A name that was cut within a character.
      return new TextDecoder().decode(bytes)
    }
  }

  #hotTime(isWhole: boolean): number {
    this.#lastMs = isWhole ? this.#double() : this.#lastMs + this.#varint() / SIZE.STEPS_PER_MS
    return this.#lastMs
  }

  #rareTime(): number {
    const steps = this.#varint()
    this.#lastMs = steps === 0 ? this.#double() : this.#lastMs + (steps - 1) / SIZE.STEPS_PER_MS
    return this.#lastMs
  }

  #acquire(op: number, entry: Entry): void {
    entry.tier = (op / ACQUIRE.TIER) & 7
    if (entry.tier > 4 && entry.tier !== ACQUIRE.BY_VOLTAGE) throw new GarbageError(`tier ${entry.tier}`)
    entry.nowMs = this.#hotTime((op & ACQUIRE.FULL_TIME) !== 0)
    if ((op & ACQUIRE.SAME_SLOT) === 0) entry.slot = this.#slot()
    else if (entry.slot < 0) throw new GarbageError('the same slot as none')
    const result = this.#byte()
    entry.isAllowed = (result & RESULT.ALLOW) !== 0
    entry.isTicked = (result & RESULT.TICKED) !== 0
    entry.isStale = (result & RESULT.STALE) !== 0
    entry.waits = (result & RESULT.WAIT) !== 0
    entry.mode = (result / RESULT.MODE) & 3
    if (entry.mode > 2) throw new GarbageError(`mode ${entry.mode}`)
    entry.cause = (result & RESULT.CAUSE) === 0 ? 0 : this.#byte()
    const hasPlace = entry.isAllowed && (result & RESULT.NO_PLACE) === 0
    entry.place = hasPlace ? this.#below(SIZE.PLACES, 'place') : -1
    entry.key = (op & ACQUIRE.KEY) === 0 ? Number.NaN : this.#hash()
    const extras = (op & ACQUIRE.EXTRAS) === 0 ? 0 : this.#byte()
    entry.queueAgeMs = (extras & EXTRA.QUEUE_AGE) === 0 ? 0 : this.#number(this.#lastAgeMs)
    if (entry.queueAgeMs !== 0) this.#lastAgeMs = entry.queueAgeMs
    entry.process = (extras & EXTRA.PROCESS) === 0 ? 0 : this.#number(this.#lastProcess)
    if (entry.process !== 0) this.#lastProcess = entry.process
    entry.waitedMs = (extras & EXTRA.WAITED) === 0 ? -1 : this.#number()
    entry.weight = (extras & EXTRA.WEIGHT) === 0 ? 1 : this.#number()
    entry.keyClass = (extras & EXTRA.CLASS) === 0 ? Number.NaN : this.#hash()
    if ((extras & EXTRA.CLASS_IS_KEY) !== 0) entry.keyClass = entry.key
    entry.givenUp = (extras & EXTRA.GIVEN_UP) === 0 ? 0 : this.#byte()
    entry.voltage = entry.tier === ACQUIRE.BY_VOLTAGE ? this.#number() : 0
    entry.digest = this.#word()
    this.#handler.acquire(entry)
  }

  #release(op: number, entry: Entry): void {
    entry.outcome = (op / RELEASE.OUTCOME) & 7
    if (entry.outcome > 4) throw new GarbageError(`outcome ${entry.outcome}`)
    entry.nowMs = this.#hotTime((op & RELEASE.FULL_TIME) !== 0)
    entry.isTicked = (op & RELEASE.TICKED) !== 0
    if ((op & RELEASE.FULL_PERMIT) === 0) {
      entry.place = this.#below(SIZE.PLACES, 'place')
      entry.permit = Number.NaN
    } else {
      entry.place = -1
      entry.permit = this.#double()
      if (entry.permit !== -1 && !(entry.permit >= 0 && entry.permit < SIZE.MOST_PERMIT && entry.permit % 1 === 0)) {
        throw new GarbageError(`permit ${entry.permit}`)
      }
      if (entry.permit === -1) {
        const { slot } = entry
        entry.slot = this.#slot()
        entry.ageMs = this.#double()
        this.#handler.release(entry)
        entry.slot = slot
        return
      }
    }
    this.#handler.release(entry)
    entry.excusedMs = 0
  }

  #route(op: number, entry: Entry): void {
    entry.nowMs = this.#hotTime((op & ROUTE.FULL_TIME) !== 0)
    if ((op & ROUTE.SAME_SLOT) === 0) entry.slot = this.#slot()
    else if (entry.slot < 0) throw new GarbageError('the same slot as none')
    const result = this.#byte()
    entry.isAllowed = (result & ROUTE_RESULT.ALLOW) !== 0
    entry.isTicked = (result & ROUTE_RESULT.TICKED) !== 0
    entry.isStale = (result & ROUTE_RESULT.STALE) !== 0
    entry.mode = (result / ROUTE_RESULT.MODE) & 3
    if (entry.mode > 2) throw new GarbageError(`mode ${entry.mode}`)
    entry.cause = (result & ROUTE_RESULT.CAUSE) === 0 ? 0 : this.#byte()
    entry.latencyMs = this.#number()
    entry.errorRate = this.#number()
    entry.saturation = this.#number()
    if ((op & ROUTE.SAME_VOLTAGE) === 0) entry.voltage = this.#double()
    entry.law = (op & ROUTE.LAW) === 0 ? -1 : this.#below(MOST_LAWS, 'law')
    entry.digest = this.#word()
    this.#handler.route(entry)
  }

  #rare(op: number): void {
    const handler = this.#handler
    switch (op) {
      case ENTRY.ABOUT:
        handler.about(this.#json())
        return
      case ENTRY.BASE:
        handler.base(this.#json())
        return
      case ENTRY.NAME:
        handler.name(this.#slot(), this.#varint(), this.#text())
        return
      case ENTRY.PROFILE:
        handler.profile(this.#slot(), this.#json())
        return
      default:
    }
    const nowMs = this.#rareTime()
    switch (op) {
      case ENTRY.INTERN:
        handler.intern(this.#slot(), nowMs)
        return
      case ENTRY.REMOVE:
        handler.remove(this.#slot(), nowMs)
        return
      case ENTRY.LAW:
        handler.law(this.#below(MOST_LAWS, 'law'), this.#doubles(LAW.LENGTH), nowMs)
        return
      case ENTRY.SET_LAW:
        handler.setLaw(this.#slot(), this.#below(MOST_LAWS, 'law'), nowMs)
        return
      case ENTRY.STATE:
        handler.state(this.#slot(), this.#doubles(STATE.LENGTH), nowMs)
        return
      case ENTRY.KNOWN:
        handler.known(this.#slot(), this.#byte() !== 0, this.#doubles(STATE.LENGTH), nowMs)
        return
      case ENTRY.SHARE:
        handler.share(this.#slot(), this.#doubles(SHARE.BOUND + 1), nowMs)
        return
      case ENTRY.INHERIT:
        handler.inherit(this.#slot(), this.#byte() !== 0, this.#doubles(PAST.GAMMA + 1), nowMs)
        return
      case ENTRY.SCAR:
        handler.scar(this.#slot(), this.#double(), nowMs)
        return
      case ENTRY.LEASE:
        handler.lease(this.#slot(), this.#byte() !== 0, nowMs)
        return
      case ENTRY.ORDER:
        handler.order(this.#slot(), this.#byte(), nowMs)
        return
      case ENTRY.DRY_RUN:
        handler.dryRun(this.#byte() !== 0)
        return
      case ENTRY.PEERS:
        handler.peers()
        return
      case ENTRY.STALL:
        this.#stalls()
        return
      case ENTRY.EXCUSED:
        this.#entry.excusedMs = this.#milliseconds()
        return
      case ENTRY.USED:
        handler.used(this.#times())
        return
      case ENTRY.IMAGE:
        this.#imagePiece(nowMs)
        return
      case ENTRY.FAULT:
        handler.fault()
        return
      case ENTRY.BATCH:
        this.#batch(nowMs)
        return
      default:
        throw new GarbageError(`an entry of kind ${op}`)
    }
  }

  #times(): number {
    const times = this.#word()
    if (times > 0 && times <= 2 * MOST_SLOTS) return times
    throw new GarbageError(`${times} times`)
  }

  /** A piece of an image; one that lacks a piece is left out. */
  #imagePiece(nowMs: number): void {
    const length = this.#below(MOST_IMAGE_BYTES + 1, 'an image of bytes:')
    const from = this.#varint()
    const piece = this.#piece()
    if (piece.length === 0) throw new GarbageError('a piece of an image has no bytes')
    if (from + piece.length > length) throw new GarbageError('a piece goes beyond its image')
    if (from === 0) this.#forgetImage(length)
    if (length !== this.#imageLength || from !== this.#imageBytes) {
      this.#forgetImage(0)
      return
    }
    const end = from + piece.length
    if (end > this.#image.length) {
      // Room is made as pieces come: a damaged file may state any length, and any number of times.
      const wider = new Uint8Array(Math.min(length, 2 * end))
      wider.set(this.#image)
      this.#image = wider
    }
    this.#image.set(piece, from)
    this.#imageBytes = end
    if (end < length) return
    const image = this.#image
    this.#forgetImage(0)
    this.#handler.image(image, nowMs)
  }

  /** Begins an image of so many bytes; 0: there is none. */
  #forgetImage(length: number): void {
    this.#image = new Uint8Array(0)
    this.#imageBytes = 0
    this.#imageLength = length
  }

  /** A duration. */
  #milliseconds(): number {
    const ms = this.#double()
    if (ms >= 0 && ms < Number.POSITIVE_INFINITY) return ms
    throw new GarbageError(`a time of ${ms} ms`)
  }

  #stalls(): void {
    const count = this.#varint()
    if (count > SIZE.STALLS) this.#handler.tooManyStalls()
    for (let i = Math.min(count, SIZE.STALLS); i > 0; i--) this.#stall()
  }

  #stall(): void {
    const sinceMs = this.#double()
    const untilMs = this.#double()
    if (!(sinceMs <= untilMs && Number.isFinite(untilMs - sinceMs))) {
      throw new GarbageError(`a stall from ${sinceMs} to ${untilMs} ms`)
    }
    this.#handler.stall(sinceMs, untilMs)
  }

  #batch(nowMs: number): void {
    const count = this.#varint()
    const entry = this.#entry
    entry.nowMs = nowMs
    const { slot } = entry
    for (let row = 0; row < count; row++) {
      entry.slot = this.#slot()
      entry.latencyMs = this.#number()
      entry.errorRate = this.#number()
      entry.saturation = this.#number()
      entry.mode = this.#byte()
      if (entry.mode > 2) throw new GarbageError(`mode ${entry.mode}`)
      const status = this.#byte()
      entry.digest = this.#word()
      this.#handler.row(entry, status)
    }
    entry.slot = slot
  }
}
