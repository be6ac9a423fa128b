/** The entries of a block, one after the other, each as a call of a handler. The first that can be none ends the reading. */

import { LAW } from '../engine/law-cells.js'
import { PAST, SHARE, STATE } from '../engine/port.js'
import { MOST_LANES } from '../options/lanes.js'
import { ACQUIRE, ENTRY, EXTRA, RELEASE, RESULT, ROUTE, ROUTE_RESULT, SIZE } from '../recording/format.js'
import { BlockReader, GarbageError } from './block-reader.js'
import type { Block } from './blocks.js'
import { Entry, type Handler } from './entry.js'

const MOST_LAWS = 2 ** 16
const MOST_IMAGE_BYTES = 2 ** 24

export class Decoder {
  readonly #handler: Handler
  readonly #entry = new Entry()
  readonly #reader = new BlockReader()
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
  decode(block: Block): void {
    const reader = this.#reader
    reader.open(block)
    this.#lastAgeMs = Number.NaN
    this.#lastProcess = Number.NaN
    const entry = this.#entry
    entry.slot = -1
    entry.voltage = Number.NaN
    entry.excusedMs = 0
    let voltage = Number.NaN
    let slot = -1
    while (!reader.isAtEnd) {
      const op = reader.byte()
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
    }
  }

  #acquire(op: number, entry: Entry): void {
    const reader = this.#reader
    entry.tier = (op / ACQUIRE.TIER) & 7
    if (entry.tier > 4 && entry.tier !== ACQUIRE.BY_VOLTAGE) throw new GarbageError(`tier ${entry.tier}`)
    entry.nowMs = reader.hotTime((op & ACQUIRE.FULL_TIME) !== 0)
    if ((op & ACQUIRE.SAME_SLOT) === 0) entry.slot = reader.slot()
    else if (entry.slot < 0) throw new GarbageError('the same slot as none')
    const result = reader.byte()
    entry.isAllowed = (result & RESULT.ALLOW) !== 0
    entry.isTicked = (result & RESULT.TICKED) !== 0
    entry.isStale = (result & RESULT.STALE) !== 0
    entry.waits = (result & RESULT.WAIT) !== 0
    entry.mode = (result / RESULT.MODE) & 3
    if (entry.mode > 2) throw new GarbageError(`mode ${entry.mode}`)
    entry.cause = (result & RESULT.CAUSE) === 0 ? 0 : reader.byte()
    const hasPlace = entry.isAllowed && (result & RESULT.NO_PLACE) === 0
    entry.place = hasPlace ? reader.below(SIZE.PLACES, 'place') : -1
    entry.key = (op & ACQUIRE.KEY) === 0 ? Number.NaN : reader.hash()
    const extras = (op & ACQUIRE.EXTRAS) === 0 ? 0 : reader.byte()
    entry.queueAgeMs = (extras & EXTRA.QUEUE_AGE) === 0 ? 0 : reader.number(this.#lastAgeMs)
    if (entry.queueAgeMs !== 0) this.#lastAgeMs = entry.queueAgeMs
    entry.process = (extras & EXTRA.PROCESS) === 0 ? 0 : reader.number(this.#lastProcess)
    if (entry.process !== 0) this.#lastProcess = entry.process
    entry.waitedMs = (extras & EXTRA.WAITED) === 0 ? -1 : reader.number()
    entry.weight = (extras & EXTRA.WEIGHT) === 0 ? 1 : reader.number()
    entry.keyClass = (extras & EXTRA.CLASS) === 0 ? Number.NaN : reader.hash()
    if ((extras & EXTRA.CLASS_IS_KEY) !== 0) entry.keyClass = entry.key
    entry.givenUp = (extras & EXTRA.GIVEN_UP) === 0 ? 0 : reader.byte()
    entry.lane = (extras & EXTRA.LANE) === 0 ? 0 : reader.below(MOST_LANES + 1, 'lane')
    entry.voltage = entry.tier === ACQUIRE.BY_VOLTAGE ? reader.number() : 0
    entry.digest = reader.word()
    this.#handler.acquire(entry)
  }

  #release(op: number, entry: Entry): void {
    const reader = this.#reader
    entry.outcome = (op / RELEASE.OUTCOME) & 7
    if (entry.outcome > 4) throw new GarbageError(`outcome ${entry.outcome}`)
    entry.nowMs = reader.hotTime((op & RELEASE.FULL_TIME) !== 0)
    entry.isTicked = (op & RELEASE.TICKED) !== 0
    if ((op & RELEASE.FULL_PERMIT) === 0) {
      entry.place = reader.below(SIZE.PLACES, 'place')
      entry.permit = Number.NaN
    } else {
      entry.place = -1
      entry.permit = reader.double()
      if (entry.permit !== -1 && !(entry.permit >= 0 && entry.permit < SIZE.MOST_PERMIT && entry.permit % 1 === 0)) {
        throw new GarbageError(`permit ${entry.permit}`)
      }
      if (entry.permit === -1) {
        const { slot } = entry
        entry.slot = reader.slot()
        entry.ageMs = reader.double()
        this.#handler.release(entry)
        entry.slot = slot
        return
      }
    }
    this.#handler.release(entry)
    entry.excusedMs = 0
  }

  #route(op: number, entry: Entry): void {
    const reader = this.#reader
    entry.nowMs = reader.hotTime((op & ROUTE.FULL_TIME) !== 0)
    if ((op & ROUTE.SAME_SLOT) === 0) entry.slot = reader.slot()
    else if (entry.slot < 0) throw new GarbageError('the same slot as none')
    const result = reader.byte()
    entry.isAllowed = (result & ROUTE_RESULT.ALLOW) !== 0
    entry.isTicked = (result & ROUTE_RESULT.TICKED) !== 0
    entry.isStale = (result & ROUTE_RESULT.STALE) !== 0
    entry.mode = (result / ROUTE_RESULT.MODE) & 3
    if (entry.mode > 2) throw new GarbageError(`mode ${entry.mode}`)
    entry.cause = (result & ROUTE_RESULT.CAUSE) === 0 ? 0 : reader.byte()
    entry.latencyMs = reader.number()
    entry.errorRate = reader.number()
    entry.saturation = reader.number()
    if ((op & ROUTE.SAME_VOLTAGE) === 0) entry.voltage = reader.double()
    entry.law = (op & ROUTE.LAW) === 0 ? -1 : reader.below(MOST_LAWS, 'law')
    entry.digest = reader.word()
    this.#handler.route(entry)
  }

  #rare(op: number): void {
    const handler = this.#handler
    const reader = this.#reader
    switch (op) {
      case ENTRY.ABOUT:
        handler.about(reader.json())
        return
      case ENTRY.BASE:
        handler.base(reader.json())
        return
      case ENTRY.NAME:
        handler.name(reader.slot(), reader.varint(), reader.text())
        return
      case ENTRY.PROFILE:
        handler.profile(reader.slot(), reader.json())
        return
      default:
    }
    const nowMs = reader.rareTime()
    switch (op) {
      case ENTRY.INTERN:
        handler.intern(reader.slot(), nowMs)
        return
      case ENTRY.REMOVE:
        handler.remove(reader.slot(), nowMs)
        return
      case ENTRY.LAW:
        handler.law(reader.below(MOST_LAWS, 'law'), reader.doubles(LAW.LENGTH), nowMs)
        return
      case ENTRY.SET_LAW:
        handler.setLaw(reader.slot(), reader.below(MOST_LAWS, 'law'), nowMs)
        return
      case ENTRY.STATE:
        handler.state(reader.slot(), reader.doubles(STATE.LENGTH), nowMs)
        return
      case ENTRY.KNOWN:
        handler.known(reader.slot(), reader.byte() !== 0, reader.doubles(STATE.LENGTH), nowMs)
        return
      case ENTRY.SHARE:
        handler.share(reader.slot(), reader.doubles(SHARE.BOUND + 1), nowMs)
        return
      case ENTRY.INHERIT:
        handler.inherit(reader.slot(), reader.byte() !== 0, reader.doubles(PAST.GAMMA + 1), nowMs)
        return
      case ENTRY.SCAR:
        handler.scar(reader.slot(), reader.double(), nowMs)
        return
      case ENTRY.LEASE:
        handler.lease(reader.slot(), reader.byte() !== 0, nowMs)
        return
      case ENTRY.ORDER:
        handler.order(reader.slot(), reader.byte(), nowMs)
        return
      case ENTRY.DRY_RUN:
        handler.dryRun(reader.byte() !== 0)
        return
      case ENTRY.PEERS:
        handler.peers()
        return
      case ENTRY.STALL:
        this.#stalls()
        return
      case ENTRY.EXCUSED:
        this.#entry.excusedMs = reader.milliseconds()
        return
      case ENTRY.USED:
        handler.used(reader.times())
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

  /** A piece of an image; one that lacks a piece is left out. */
  #imagePiece(nowMs: number): void {
    const reader = this.#reader
    const length = reader.below(MOST_IMAGE_BYTES + 1, 'an image of bytes:')
    const from = reader.varint()
    const piece = reader.piece()
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

  #stalls(): void {
    const reader = this.#reader
    const count = reader.varint()
    if (count > SIZE.STALLS) this.#handler.tooManyStalls()
    for (let i = Math.min(count, SIZE.STALLS); i > 0; i--) this.#stall()
  }

  #stall(): void {
    const reader = this.#reader
    const sinceMs = reader.double()
    const untilMs = reader.double()
    if (!(sinceMs <= untilMs && Number.isFinite(untilMs - sinceMs))) {
      throw new GarbageError(`a stall from ${sinceMs} to ${untilMs} ms`)
    }
    this.#handler.stall(sinceMs, untilMs)
  }

  #batch(nowMs: number): void {
    const reader = this.#reader
    const count = reader.varint()
    const entry = this.#entry
    entry.nowMs = nowMs
    const { slot } = entry
    for (let row = 0; row < count; row++) {
      entry.slot = reader.slot()
      entry.latencyMs = reader.number()
      entry.errorRate = reader.number()
      entry.saturation = reader.number()
      entry.mode = reader.byte()
      if (entry.mode > 2) throw new GarbageError(`mode ${entry.mode}`)
      const status = reader.byte()
      entry.digest = reader.word()
      this.#handler.row(entry, status)
    }
    entry.slot = slot
  }
}
