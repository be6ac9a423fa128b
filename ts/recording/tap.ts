/**
 * The tap of a recording: while it is in, every call of the engine that changes or decides anything is written down with its inputs, the
 * time it went by, and what came of it. The engine is a function of these, so that the same calls come to the same decisions, bit for bit.
 *
 * The calls of the engine are replaced on the object itself and put back: an instance that does not record pays nothing.
 *
 * Longer than other files, because the calls of the hot path share the state of the coder, and a look into another object at each would cost
 * a decision more than its entry does.
 */

import type { Context } from '../context.js'
import type { MailboxLink, NativeCluster } from '../engine/cluster-port.js'
import { LAW } from '../engine/law-cells.js'
import { type Engine, FRAME, NO_SLOT, PAST, type RareCalls, SHARE, STATE, STATUS, TIERS } from '../engine/port.js'
import type { BlockWriter } from './block-writer.js'
import {
  ACQUIRE,
  digestOf,
  ENTRY,
  EXTRA,
  LARGEST_ENTRY,
  NUMBER,
  RELEASE,
  RESULT,
  ROUTE,
  ROUTE_RESULT,
  SIZE,
  toJson,
  wordsOf,
} from './format.js'
import { type Redact, redacted } from './redact.js'

/** The calls that are replaced. */
const TAPPED = [
  'acquire',
  'release',
  'route',
  'routeBatch',
  'intern',
  'remove',
  'defineLaw',
  'setLaw',
  'writeState',
  'share',
  'inherit',
  'scar',
  'lease',
  'order',
  'setDryRun',
  'nextUsed',
] as const
type Tapped = (typeof TAPPED)[number]

/** Rows of a batch in one entry. */
const BATCH_PIECE = 256
/** Longest setting of a route that is written, characters of JSON. */
const LONGEST_PROFILE = 4_096
/** Tries to begin an entry: a block that is dropped makes all slots unknown. */
const MAX_TRIES = 4
/** Permits whose sampling is remembered. */
const MOST_PLACES = 1 << 22
/** Marks a place whose permit is not in the recording. */
const NOT_RECORDED = 0xffff_ffff

/** A local copy, since an imported name of another chunk is a getter. */
const digest = digestOf
const MOST_TIERS = TIERS.length
const R_WORD = FRAME.RESISTANCE * SIZE.WORDS
const V_WORD = FRAME.VOLTAGE * SIZE.WORDS
const RETRY_WORD = FRAME.RETRY_AFTER_MS * SIZE.WORDS
const BOTH = STATUS.ALLOW | STATUS.TICKED
const SHARE_CELLS = SHARE.BOUND + 1
const PAST_CELLS = PAST.GAMMA + 1
/** Cells of a route that peers report: slot, whether what was inherited went, and those of its share. */
const PEER_CELLS = 2 + SHARE_CELLS
/** A piece of an image, bytes. */
const IMAGE_PIECE = LARGEST_ENTRY / 2
/** After an image that was lost none is written for so long, ms. */
const IMAGE_REST_MS = 10_000
/** An image of what peers changed follows so much later, ms. */
const IMAGE_PAUSE_MS = 500

export interface TapOptions {
  /** Share of the decisions that are recorded, (0, 1]. */
  readonly sample: number
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

export class Tap {
  readonly #engine: Engine
  readonly #routes: Context['routes']
  readonly #writer: BlockWriter
  readonly #options: TapOptions
  readonly #before = new Map<Tapped, unknown>()
  readonly #isSampled: boolean
  /** Counts how often everything became unknown to the reader. */
  #epoch = 1
  /** The epoch in which each slot was written. */
  #known = new Uint32Array(256)
  readonly #knownLaws = new Map<number, number>()
  /** The generation of the last permit of each place, plus one; 0: none was seen. */
  #generations = new Uint32Array(1024)
  #names = 0
  #frame: Float64Array = new Float64Array()
  #words: Int32Array = new Int32Array()
  #lastSlot = -1
  #lastVoltage = Number.NaN
  /** Signals of the last request in this block that had them: they change less often than requests come. */
  #lastAgeMs = Number.NaN
  #lastProcess = Number.NaN
  /** FRAME.STALLS as it was when stalls were last written. */
  #stalls = 0
  /** True where the engine has to be written as it is, before the next call. */
  #owesImage = false
  #noImageUntilMs = 0
  /** Images that were written; and how often all that is known was. */
  #images = 0
  #anew = 0
  /** The last entry of {@link ENTRY.USED}: the block, its count and its end. */
  readonly #used = { sequence: -1, at: 0, end: 0 }
  readonly #rows: Float64Array
  /** Decisions that were not recorded because of the sampling. */
  skipped = 0

  constructor({ engine, routes }: Context, writer: BlockWriter, options: TapOptions) {
    this.#engine = engine
    this.#routes = routes
    this.#writer = writer
    this.#options = options
    this.#isSampled = options.sample < 1
    this.#rows = new Float64Array(engine.batch.length)
  }

  /** Everything that was written is unknown to the reader: a block was lost. */
  forget(): void {
    this.#epoch += 1
  }

  /** Replaces the calls of the engine. */
  put(): void {
    const engine = this.#engine as unknown as Record<Tapped, unknown>
    for (const name of TAPPED) this.#before.set(name, engine[name])
    const call = <N extends Tapped>(name: N): Engine[N] =>
      (this.#before.get(name) as (...args: unknown[]) => unknown).bind(engine) as Engine[N]
    // Of stalls before the recording nothing is written.
    this.#engine.loop?.takeStalls()
    this.#stalls = this.#engine.frame[FRAME.STALLS]!
    engine.acquire = this.#acquireOf(call('acquire'))
    engine.release = this.#releaseOf(call('release'))
    engine.route = this.#routeOf(call('route'))
    engine.routeBatch = this.#routeBatchOf(call('routeBatch'))
    Object.assign(engine, this.#rareOf(call))
  }

  /** Puts the engine's own calls back. */
  remove(): void {
    const engine = this.#engine as unknown as Record<Tapped, unknown>
    for (const [name, call] of this.#before) engine[name] = call
    this.#before.clear()
  }

  /** Other nodes changed routes in a way that no entry has: the engine is written as it is now. */
  notePeers(): void {
    this.#beginRare(ENTRY.PEERS, this.#engine.readClock(true))
    this.#owesImage = true
    // Routes are taken over from a store in many small steps.
    this.#noImageUntilMs = Math.max(this.#noImageUntilMs, performance.now() + IMAGE_PAUSE_MS)
    this.forget()
  }

  /** Brings the engine into step with its peers, as {@link NativeCluster.sync}. */
  sync(cluster: NativeCluster, link: MailboxLink, gamma: number): void {
    const cells = cluster.syncRecorded(link, gamma)
    // The last time it is asked for there is no more.
    this.#noteUsed(cells[0]! + 1)
    const nowMs = this.#engine.readClock(true)
    for (let at = 1; at + PEER_CELLS <= cells.length; at += PEER_CELLS) {
      const slot = cells[at]!
      this.#ready(slot, false)
      if (cells[at + 1] === 1) {
        this.#beginRare(ENTRY.INHERIT, nowMs)
        this.#writer.varint(slot)
        this.#writer.byte(0)
        for (let i = 0; i < PAST_CELLS; i++) this.#writer.double(0)
      }
      this.#beginRare(ENTRY.SHARE, nowMs)
      this.#writer.varint(slot)
      this.#writer.doubles(cells, at + 2, SHARE_CELLS)
    }
  }

  /** The next of the routes that were used were asked for so many times. */
  #noteUsed(times: number): void {
    const writer = this.#writer
    const used = this.#used
    if (used.sequence === writer.sequence && used.end === writer.at) {
      writer.addTo(used.at, times)
      return
    }
    this.#beginRare(ENTRY.USED, writer.lastMs)
    used.at = writer.at
    writer.word(times)
    used.end = writer.at
    used.sequence = writer.sequence
  }

  /** The engine failed in a call. */
  noteFault(): void {
    this.#beginRare(ENTRY.FAULT, this.#engine.readClock(true))
  }

  /** Views of the frame: one of a memory that grew is another. */
  #look(): Float64Array {
    const { frame } = this.#engine
    if (frame !== this.#frame) {
      this.#frame = frame
      this.#words = wordsOf(frame)
    }
    return frame
  }

  /**
   * Makes room for an entry about a slot, and sees to it that the reader knows the slot.
   *
   * @param isBefore false after the call that the entry is about, which an image would have already
   */
  #ready(slot: number, isBefore = true): void {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (this.#writer.begin()) this.#open()
      if (this.#owesImage && isBefore) this.#writeImage()
      if (this.#known[slot] === this.#epoch || slot === NO_SLOT) return
      this.#introduce(slot)
    }
  }

  /** The beginning of a block: what the coder remembers is forgotten; where the reader knows nothing, it gets all it needs. */
  #open(): void {
    const writer = this.#writer
    this.#lastSlot = -1
    this.#lastVoltage = Number.NaN
    this.#lastAgeMs = Number.NaN
    this.#lastProcess = Number.NaN
    const isFirst = this.#knownLaws.get(0) !== this.#epoch
    if (this.#options.beginsAnew()) this.#epoch += 1
    else if (!isFirst) return
    this.#owesImage = this.#anew > 0 || !this.#options.isWhole
    this.#anew += 1
    writer.byte(ENTRY.ABOUT)
    writer.text(toJson(this.#options.about()))
    this.#writeBase()
    this.#introduceLaw(0)
  }

  #writeBase(): void {
    this.#writer.byte(ENTRY.BASE)
    this.#writer.text(toJson(this.#routes.params))
  }

  #beginLarge(): void {
    if (this.#writer.beginLarge()) this.#open()
  }

  /** Writes the engine as it is, where that is not too much. */
  #writeImage(): void {
    if (performance.now() < this.#noImageUntilMs) return
    this.#owesImage = false
    const most = this.#options.mostImageBytes(this.#images === 0)
    if (most === 0) return
    const engine = this.#engine
    const image = engine.images?.take(most)
    if (image === undefined) return
    const writer = this.#writer
    const epoch = this.#epoch
    for (const name of engine.routeIds()) {
      const slot = engine.find(name)
      if (slot < 0 || !engine.readState(slot)) continue
      this.#beginLarge()
      this.#note(slot)
      this.#writeName(slot, name)
      this.#introduceLaw(this.#look()[FRAME.STATE + STATE.LAW]!)
    }
    for (let from = 0; from < image.length; from += IMAGE_PIECE) {
      this.#beginRare(ENTRY.IMAGE, writer.lastMs)
      writer.varint(image.length)
      writer.varint(from)
      writer.piece(image.subarray(from, from + IMAGE_PIECE))
    }
    if (this.#epoch === epoch) this.#images += 1
    else this.#noImageUntilMs = performance.now() + IMAGE_REST_MS
    // A reader that begins here knows the permits that are out by their numbers alone.
    this.#generations.fill(0)
  }

  /** Writes the known part of a route that was there before. */
  #introduce(slot: number): void {
    this.#beginLarge()
    const engine = this.#engine
    const name = engine.nameOf(slot)
    this.#note(slot)
    if (name === undefined || !engine.readState(slot)) return
    const hasLimiter = engine.hasClosedLoop && engine.readStats(slot)
    const writer = this.#writer
    const frame = this.#look()
    this.#writeName(slot, name)
    this.#introduceLaw(frame[FRAME.STATE + STATE.LAW]!)
    writer.byte(ENTRY.KNOWN)
    this.#time(engine.readClock(false))
    writer.varint(slot)
    writer.byte(hasLimiter ? 1 : 0)
    writer.doubles(frame, FRAME.STATE, STATE.LENGTH)
    const order = this.#routes.orderOf(name)
    if (order !== 0) {
      writer.byte(ENTRY.ORDER)
      this.#time(writer.lastMs)
      writer.varint(slot)
      writer.byte(order)
    }
  }

  #note(slot: number): void {
    if (slot >= this.#known.length) {
      const grown = new Uint32Array(Math.max(slot + 1, 2 * this.#known.length))
      grown.set(this.#known)
      this.#known = grown
    }
    this.#known[slot] = this.#epoch
  }

  #writeName(slot: number, name: string): void {
    const writer = this.#writer
    writer.byte(ENTRY.NAME)
    writer.varint(slot)
    writer.varint(Math.min(name.length * 3, 0xffff_ffff))
    this.#names += 1
    writer.text(redacted(name, this.#options.redact, this.#names))
    this.#writeProfile(slot, name)
  }

  #writeProfile(slot: number, name: string): void {
    const profile = this.#routes.profiles.get(name)
    if (profile === 'STANDARD') return
    const text = toJson(profile)
    if (text.length > LONGEST_PROFILE) return
    this.#writer.byte(ENTRY.PROFILE)
    this.#writer.varint(slot)
    this.#writer.text(text)
  }

  #introduceLaw(law: number): void {
    if (law < 0 || this.#knownLaws.get(law) === this.#epoch) return
    const cells = this.#routes.profiles.cellsOf(law)
    if (cells === undefined) return
    this.#beginLarge()
    this.#writeLaw(law, cells)
  }

  #writeLaw(law: number, cells: Float64Array): void {
    this.#knownLaws.set(law, this.#epoch)
    this.#writer.byte(ENTRY.LAW)
    this.#time(this.#writer.lastMs)
    this.#writer.varint(law)
    this.#writer.doubles(cells, 0, LAW.LENGTH)
  }

  /** The time of a rare entry: its steps plus one, or 0 and the double. */
  #time(nowMs: number): void {
    const steps = this.#writer.stepsTo(nowMs)
    this.#writer.varint(steps + 1)
    if (steps < 0) this.#writer.double(nowMs)
    this.#writer.lastMs = nowMs
  }

  #beginRare(entry: number, nowMs: number): void {
    this.#beginLarge()
    this.#writer.byte(entry)
    this.#time(nowMs)
  }

  /** Writes the stalls of the event loop that the engine has just learnt of. */
  #writeStalls(): void {
    this.#stalls = this.#engine.frame[FRAME.STALLS]!
    const ends = this.#engine.loop?.takeStalls()
    if (ends === undefined || ends.length === 0) return
    const writer = this.#writer
    // Not in a block of their own: the slot that is decided on is known in this one.
    writer.byte(ENTRY.STALL)
    this.#time(writer.lastMs)
    writer.varint(ends.length / 2)
    const from = Math.max(0, ends.length - 2 * SIZE.STALLS)
    writer.doubles(ends, from, ends.length - from)
  }

  #acquireOf(acquire: () => void): () => void {
    const writer = this.#writer
    const { sample } = this.#options
    const isSampled = this.#isSampled
    const engine = this.#engine
    return () => {
      let frame = this.#look()
      const slot = frame[FRAME.SLOT]!
      if (this.#known[slot] !== this.#epoch || writer.isFull) this.#ready(slot)
      const tier = frame[FRAME.TIER]!
      const key = frame[FRAME.KEY]!
      const ageMs = frame[FRAME.QUEUE_AGE_MS]!
      const process = frame[FRAME.PROCESS_SATURATION]!
      const waitedMs = frame[FRAME.WAITED_MS]!
      const askedVoltage = frame[FRAME.VOLTAGE]!
      const givenUp = frame[FRAME.CAUSE]!
      acquire()
      if (engine.frame !== frame) frame = this.#look()
      const nowMs = engine.lastRead(false)
      if (frame[FRAME.STALLS] !== this.#stalls) this.#writeStalls()
      const status = frame[FRAME.STATUS]!
      const isAllowed = (status & STATUS.ALLOW) !== 0
      const permit = frame[FRAME.PERMIT]!
      if (isSampled && Math.random() >= sample) {
        if (isAllowed) this.#hold(permit, false)
        this.skipped += 1
        return
      }
      const steps = writer.stepsTo(nowMs)
      const hasKey = key >= 0
      const byVoltage = !(tier >= 0 && tier < MOST_TIERS)
      let extras = 0
      if (ageMs !== 0) extras |= EXTRA.QUEUE_AGE
      if (process !== 0) extras |= EXTRA.PROCESS
      if (waitedMs !== -1) {
        extras |= EXTRA.WAITED
        if (waitedMs === Number.POSITIVE_INFINITY && givenUp !== 0) extras |= EXTRA.GIVEN_UP
      }
      let keyClass = Number.NaN
      let weight = 1
      if (hasKey) {
        weight = frame[FRAME.KEY_WEIGHT]!
        keyClass = frame[FRAME.KEY_CLASS]!
        if (weight !== 1) extras |= EXTRA.WEIGHT
        if (keyClass >= 0) extras |= keyClass === key ? EXTRA.CLASS_IS_KEY : EXTRA.CLASS
      }
      const isSame = slot === this.#lastSlot
      this.#lastSlot = slot
      writer.byte(
        ACQUIRE.OP |
          ((byVoltage ? ACQUIRE.BY_VOLTAGE : tier) * ACQUIRE.TIER) |
          (hasKey ? ACQUIRE.KEY : 0) |
          (extras !== 0 ? ACQUIRE.EXTRAS : 0) |
          (isSame ? ACQUIRE.SAME_SLOT : 0) |
          (steps < 0 ? ACQUIRE.FULL_TIME : 0),
      )
      writer.time(nowMs, steps)
      if (!isSame) writer.varint(slot)
      const cause = frame[FRAME.CAUSE]!
      const place = isAllowed ? this.#hold(permit, true) : -1
      writer.byte(
        (status & BOTH) |
          ((status & STATUS.STALE) !== 0 ? RESULT.STALE : 0) |
          ((status & STATUS.WAIT) !== 0 ? RESULT.WAIT : 0) |
          (frame[FRAME.MODE]! * RESULT.MODE) |
          (cause !== 0 ? RESULT.CAUSE : 0) |
          (isAllowed && place < 0 ? RESULT.NO_PLACE : 0),
      )
      if (cause !== 0) writer.byte(cause)
      if (place >= 0) writer.varint(place)
      if (hasKey) writer.double(key)
      if (extras !== 0) {
        writer.byte(extras)
        if (ageMs !== 0) {
          if (ageMs === this.#lastAgeMs) writer.byte(NUMBER.SAME)
          else writer.number(ageMs)
          this.#lastAgeMs = ageMs
        }
        if (process !== 0) {
          if (process === this.#lastProcess) writer.byte(NUMBER.SAME)
          else writer.number(process)
          this.#lastProcess = process
        }
        if (waitedMs !== -1) writer.number(waitedMs)
        if ((extras & EXTRA.WEIGHT) !== 0) writer.number(weight)
        if ((extras & EXTRA.CLASS) !== 0) writer.double(keyClass)
        if ((extras & EXTRA.GIVEN_UP) !== 0) writer.byte(givenUp)
      }
      if (byVoltage) writer.number(askedVoltage)
      writer.word(digest(this.#words, R_WORD, V_WORD, RETRY_WORD))
      writer.decisions += 1
      if (permit === SIZE.MOST_PERMIT && isAllowed) this.noteFault()
    }
  }

  /** Remembers the permit of a place. @returns its place; −1 of one that has none */
  #hold(permit: number, isRecorded: boolean): number {
    if (!(permit < SIZE.MOST_PERMIT)) return -1
    const generation = Math.floor(permit / SIZE.PLACES)
    const place = permit - generation * SIZE.PLACES
    if (place >= this.#generations.length) {
      if (place >= MOST_PLACES) return place
      const grown = new Uint32Array(Math.min(MOST_PLACES, Math.max(place + 1, 2 * this.#generations.length)))
      grown.set(this.#generations)
      this.#generations = grown
    }
    this.#generations[place] = isRecorded ? generation + 1 : NOT_RECORDED
    return place
  }

  #releaseOf(release: () => void): () => void {
    const writer = this.#writer
    const engine = this.#engine
    return () => {
      let frame = this.#look()
      const permit = frame[FRAME.PERMIT]!
      const given = frame[FRAME.OUTCOME]!
      const outcome = given & RELEASE.OUTCOMES
      const slot = frame[FRAME.SLOT]!
      const ageMs = frame[FRAME.AGE_MS]!
      if (permit < 0) this.#ready(slot)
      else if (writer.isFull) this.#ready(NO_SLOT)
      release()
      if (engine.frame !== frame) frame = this.#look()
      const nowMs = engine.lastRead(false)
      if (frame[FRAME.STALLS] !== this.#stalls) this.#writeStalls()
      // A permit that was void changes nothing.
      const status = frame[FRAME.STATUS]!
      if (permit >= 0 && (status & STATUS.VOID) !== 0) return
      if (permit >= SIZE.MOST_PERMIT) return
      const isConcluded = permit < 0
      const generation = Math.floor(permit / SIZE.PLACES)
      const place = permit - generation * SIZE.PLACES
      const known = isConcluded ? 0 : this.#generations[place]!
      if (known === NOT_RECORDED) return
      const isWhole = isConcluded || known !== generation + 1
      // The permit of a call has an additional bit.
      if (given !== outcome && frame[FRAME.EXCUSED_MS]! > 0) {
        writer.byte(ENTRY.EXCUSED)
        this.#time(writer.lastMs)
        writer.double(frame[FRAME.EXCUSED_MS]!)
      }
      const steps = writer.stepsTo(nowMs)
      writer.byte(
        RELEASE.OP |
          (outcome * RELEASE.OUTCOME) |
          (steps < 0 ? RELEASE.FULL_TIME : 0) |
          (!isConcluded && (status & STATUS.TICKED) !== 0 ? RELEASE.TICKED : 0) |
          (isWhole ? RELEASE.FULL_PERMIT : 0),
      )
      writer.time(nowMs, steps)
      if (!isWhole) {
        writer.varint(place)
        return
      }
      writer.double(permit)
      if (!isConcluded) return
      writer.varint(slot)
      writer.double(ageMs)
    }
  }

  /** Makes a call of an engine at a time that is read for it. @returns that time, ms */
  #timed(call: () => void, isCoarse: boolean): number {
    const { frame } = this.#engine
    const given = frame[FRAME.NOW]!
    const nowMs = this.#engine.readClock(isCoarse)
    frame[FRAME.NOW] = nowMs
    try {
      call()
    } finally {
      this.#engine.frame[FRAME.NOW] = given
    }
    return nowMs
  }

  #routeOf(route: () => void): () => void {
    const writer = this.#writer
    const { sample } = this.#options
    const engine = this.#engine
    return () => {
      let frame = this.#look()
      const slot = frame[FRAME.SLOT]!
      const law = frame[FRAME.LAW]!
      if (law >= 0 && this.#knownLaws.get(law) !== this.#epoch) this.#introduceLaw(law)
      if (this.#known[slot] !== this.#epoch || writer.isFull) this.#ready(slot)
      const latencyMs = frame[FRAME.LATENCY_MS]!
      const errorRate = frame[FRAME.ERROR_RATE]!
      const saturation = frame[FRAME.SATURATION]!
      const voltage = frame[FRAME.VOLTAGE]!
      route()
      if (engine.frame !== frame) frame = this.#look()
      const nowMs = engine.lastRead(true)
      if (this.#isSampled && Math.random() >= sample) {
        this.skipped += 1
        return
      }
      const status = frame[FRAME.STATUS]!
      const steps = writer.stepsTo(nowMs)
      const isSame = slot === this.#lastSlot
      const isUsual = voltage === this.#lastVoltage
      this.#lastSlot = slot
      this.#lastVoltage = voltage
      writer.byte(
        ROUTE.OP |
          (steps < 0 ? ROUTE.FULL_TIME : 0) |
          (isSame ? ROUTE.SAME_SLOT : 0) |
          (isUsual ? ROUTE.SAME_VOLTAGE : 0) |
          (law >= 0 ? ROUTE.LAW : 0),
      )
      writer.time(nowMs, steps)
      if (!isSame) writer.varint(slot)
      const isRefused = (status & (STATUS.ALLOW | STATUS.STALE)) === 0
      writer.byte(
        (status & (STATUS.ALLOW | STATUS.TICKED | STATUS.REJECTED | STATUS.FIRST_REJECTED)) |
          ((status & STATUS.STALE) !== 0 ? ROUTE_RESULT.STALE : 0) |
          (frame[FRAME.MODE]! * ROUTE_RESULT.MODE) |
          (isRefused ? ROUTE_RESULT.CAUSE : 0),
      )
      if (isRefused) writer.byte(frame[FRAME.CAUSE]!)
      writer.number(latencyMs)
      writer.number(errorRate)
      writer.number(saturation)
      if (!isUsual) writer.double(voltage)
      if (law >= 0) writer.varint(law)
      writer.word(digest(this.#words, R_WORD, V_WORD, RETRY_WORD))
      writer.decisions += 1
    }
  }

  #routeBatchOf(routeBatch: () => void): () => void {
    const writer = this.#writer
    const rows = this.#rows
    return () => {
      const count = this.#engine.frame[FRAME.SLOT]!
      rows.set(this.#engine.batch.subarray(0, count * 4))
      for (let row = 0; row < count; row++) {
        const slot = rows[row * 4]!
        if (this.#known[slot] !== this.#epoch) this.#ready(slot)
      }
      const nowMs = this.#timed(routeBatch, true)
      const { batch } = this.#engine
      const words = wordsOf(batch)
      for (let from = 0; from < count; from += BATCH_PIECE) {
        const to = Math.min(from + BATCH_PIECE, count)
        this.#beginRare(ENTRY.BATCH, nowMs)
        writer.varint(to - from)
        for (let row = from; row < to; row++) {
          const at = row * 4
          writer.varint(rows[at]!)
          writer.number(rows[at + 1]!)
          writer.number(rows[at + 2]!)
          writer.number(rows[at + 3]!)
          writer.byte(batch[at + 2]!)
          writer.byte(batch[at + 3]!)
          writer.word(words[(at + 1) * SIZE.WORDS]! ^ words[(at + 1) * SIZE.WORDS + 1]!)
        }
        writer.decisions += to - from
      }
    }
  }

  /** The calls that are not of the hot path. */
  #rareOf(call: <N extends keyof RareCalls & Tapped>(name: N) => Engine[N]): Partial<Engine> {
    const writer = this.#writer
    const engine = this.#engine
    /** Writes an entry about a slot after the call, at the time that the call went by. */
    const after = <T>(entry: number, slot: number, isCoarse: boolean, run: () => T, more?: (result: T) => void): T => {
      this.#ready(slot)
      // Room for the entry: a block that began after the call would begin with what came of it.
      this.#beginLarge()
      let result!: T
      const nowMs = this.#timed(() => {
        result = run()
      }, isCoarse)
      this.#beginRare(entry, nowMs)
      writer.varint(slot)
      more?.(result)
      return result
    }
    const [intern, remove, defineLaw, setLaw] = [call('intern'), call('remove'), call('defineLaw'), call('setLaw')]
    const [writeState, share, inherit, scar] = [call('writeState'), call('share'), call('inherit'), call('scar')]
    const [lease, order, setDryRun] = [call('lease'), call('order'), call('setDryRun')]
    const nextUsed = call('nextUsed')
    return {
      intern: (routeId) => {
        const wasThere = engine.find(routeId)
        this.#ready(wasThere >= 0 ? wasThere : NO_SLOT)
        this.#beginLarge()
        let slot = NO_SLOT
        const nowMs = this.#timed(() => {
          slot = intern(routeId)
        }, true)
        if (slot === NO_SLOT) return slot
        this.#beginLarge()
        if (slot !== wasThere) {
          this.#note(slot)
          this.#writeName(slot, routeId)
        }
        writer.byte(ENTRY.INTERN)
        this.#time(nowMs)
        writer.varint(slot)
        return slot
      },
      remove: (slot) => {
        after(ENTRY.REMOVE, slot, true, () => remove(slot))
        if (slot < this.#known.length) this.#known[slot] = 0
      },
      defineLaw: (cells, id) => {
        const law = defineLaw(cells, id)
        if (law < 0) return law
        this.#beginLarge()
        this.#writeLaw(law, cells)
        // The new settings of all routes are known at this point.
        if (law === 0) {
          writer.byte(ENTRY.BASE)
          writer.text(toJson(this.#routes.profiles.base))
        }
        return law
      },
      setLaw: (slot, law) => {
        this.#ready(slot)
        this.#introduceLaw(law)
        after(
          ENTRY.SET_LAW,
          slot,
          true,
          () => setLaw(slot, law),
          () => {
            writer.varint(law)
            const name = engine.nameOf(slot)
            if (name !== undefined) this.#writeProfile(slot, name)
          },
        )
      },
      writeState: (slot) => {
        const cells = engine.frame.slice(FRAME.STATE, FRAME.STATE + STATE.LENGTH)
        this.#ready(slot)
        engine.frame.set(cells, FRAME.STATE)
        return after(
          ENTRY.STATE,
          slot,
          false,
          () => writeState(slot),
          () => writer.doubles(cells, 0, STATE.LENGTH),
        )
      },
      share: (slot) =>
        after(
          ENTRY.SHARE,
          slot,
          true,
          () => share(slot),
          () => writer.doubles(engine.batch, 0, SHARE_CELLS),
        ),
      inherit: (slot, taken) =>
        after(
          ENTRY.INHERIT,
          slot,
          true,
          () => inherit(slot, taken),
          () => {
            writer.byte(taken ? 1 : 0)
            writer.doubles(engine.batch, 0, PAST_CELLS)
          },
        ),
      scar: (slot, ohms) =>
        after(
          ENTRY.SCAR,
          slot,
          true,
          () => scar(slot, ohms),
          () => writer.double(ohms),
        ),
      lease: (slot, taken) =>
        after(
          ENTRY.LEASE,
          slot,
          false,
          () => lease(slot, taken),
          () => writer.byte(taken ? 1 : 0),
        ),
      order: (slot, given) =>
        after(
          ENTRY.ORDER,
          slot,
          true,
          () => order(slot, given),
          () => writer.byte(given),
        ),
      nextUsed: () => {
        const slot = nextUsed()
        this.#noteUsed(1)
        return slot
      },
      setDryRun: (dryRun) => {
        setDryRun(dryRun)
        this.#beginRare(ENTRY.DRY_RUN, writer.lastMs)
        writer.byte(dryRun ? 1 : 0)
      },
    }
  }
}
