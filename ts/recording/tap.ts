/**
 * The tap of a recording: while it is in, every call of the engine that changes or decides anything is written down with its inputs, the
 * time it went by, and what came of it. The engine is a function of these, so that the same calls come to the same decisions, bit for bit.
 *
 * The calls of the engine are replaced on the object itself and put back: an instance that does not record pays nothing. Here are those
 * of the hot path; the others are in `ts/recording/rare-calls.ts` and `ts/recording/peers.ts`.
 */

import type { Context } from '../context.js'
import { type Engine, FRAME, NO_SLOT, STATUS, TIERS } from '../engine/port.js'
import type { BlockWriter } from './block-writer.js'
import { Coder, type CoderOptions } from './coder.js'
import {
  ACQUIRE,
  digestOf,
  ENTRY,
  EXTRA,
  NUMBER,
  RELEASE,
  RESULT,
  ROUTE,
  ROUTE_RESULT,
  SIZE,
  wordsOf,
} from './format.js'
import { Peers } from './peers.js'
import { RARE, rareCalls } from './rare-calls.js'

/** The calls that are replaced. */
const TAPPED = ['acquire', 'release', 'route', 'routeBatch', ...RARE] as const
type Tapped = (typeof TAPPED)[number]

/** Rows of a batch in one entry. */
const BATCH_PIECE = 256
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

export interface TapOptions extends CoderOptions {
  /** Share of the decisions that are recorded, (0, 1]. */
  readonly sample: number
}

export class Tap {
  readonly #coder: Coder
  readonly #peers: Peers
  readonly #sample: number
  readonly #before = new Map<Tapped, unknown>()
  /** Decisions that were not recorded because of the sampling. */
  skipped = 0

  constructor(context: Context, writer: BlockWriter, options: TapOptions) {
    this.#coder = new Coder(context, writer, options)
    this.#peers = new Peers(this.#coder)
    this.#sample = options.sample
  }

  /** Everything that was written is unknown to the reader: a block was lost. */
  forget(): void {
    this.#coder.forget()
  }

  /** Replaces the calls of the engine. */
  put(): void {
    const { engine } = this.#coder
    const calls = engine as unknown as Record<Tapped, unknown>
    for (const name of TAPPED) this.#before.set(name, calls[name])
    const call = <N extends Tapped>(name: N): Engine[N] =>
      (this.#before.get(name) as (...args: unknown[]) => unknown).bind(engine) as Engine[N]
    this.#coder.skipStalls()
    engine.acquire = this.#acquireOf(call('acquire'))
    engine.release = this.#releaseOf(call('release'))
    engine.route = this.#routeOf(call('route'))
    engine.routeBatch = this.#routeBatchOf(call('routeBatch'))
    Object.assign(engine, rareCalls(this.#coder, this.#peers, call))
    this.#peers.put()
  }

  /** Puts the engine's own calls back. */
  remove(): void {
    const calls = this.#coder.engine as unknown as Record<Tapped, unknown>
    for (const [name, call] of this.#before) calls[name] = call
    this.#before.clear()
    this.#peers.remove()
  }

  #acquireOf(acquire: () => void): () => void {
    const coder = this.#coder
    const { engine, writer } = coder
    const sample = this.#sample
    const isSampled = sample < 1
    return () => {
      let frame = coder.look()
      const slot = frame[FRAME.SLOT]!
      if (coder.known[slot] !== coder.epoch || writer.isFull) coder.ready(slot)
      const tier = frame[FRAME.TIER]!
      const key = frame[FRAME.KEY]!
      const ageMs = frame[FRAME.QUEUE_AGE_MS]!
      const process = frame[FRAME.PROCESS_SATURATION]!
      const waitedMs = frame[FRAME.WAITED_MS]!
      const askedVoltage = frame[FRAME.VOLTAGE]!
      const givenUp = frame[FRAME.CAUSE]!
      acquire()
      if (engine.frame !== frame) frame = coder.look()
      const nowMs = engine.lastRead(false)
      if (frame[FRAME.STALLS] !== coder.stalls) coder.writeStalls()
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
      const isSame = slot === coder.lastSlot
      coder.lastSlot = slot
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
          if (ageMs === coder.lastAgeMs) writer.byte(NUMBER.SAME)
          else writer.number(ageMs)
          coder.lastAgeMs = ageMs
        }
        if (process !== 0) {
          if (process === coder.lastProcess) writer.byte(NUMBER.SAME)
          else writer.number(process)
          coder.lastProcess = process
        }
        if (waitedMs !== -1) writer.number(waitedMs)
        if ((extras & EXTRA.WEIGHT) !== 0) writer.number(weight)
        if ((extras & EXTRA.CLASS) !== 0) writer.double(keyClass)
        if ((extras & EXTRA.GIVEN_UP) !== 0) writer.byte(givenUp)
      }
      if (byVoltage) writer.number(askedVoltage)
      writer.word(digest(coder.words, R_WORD, V_WORD, RETRY_WORD))
      writer.decisions += 1
      if (permit === SIZE.MOST_PERMIT && isAllowed) coder.beginRare(ENTRY.FAULT, engine.readClock(true))
    }
  }

  /** Remembers the permit of a place. @returns its place; −1 of one that has none */
  #hold(permit: number, isRecorded: boolean): number {
    const coder = this.#coder
    if (!(permit < SIZE.MOST_PERMIT)) return -1
    const generation = Math.floor(permit / SIZE.PLACES)
    const place = permit - generation * SIZE.PLACES
    if (place >= coder.generations.length) {
      if (place >= MOST_PLACES) return place
      const grown = new Uint32Array(Math.min(MOST_PLACES, Math.max(place + 1, 2 * coder.generations.length)))
      grown.set(coder.generations)
      coder.generations = grown
    }
    coder.generations[place] = isRecorded ? generation + 1 : NOT_RECORDED
    return place
  }

  #releaseOf(release: () => void): () => void {
    const coder = this.#coder
    const { engine, writer } = coder
    return () => {
      let frame = coder.look()
      const permit = frame[FRAME.PERMIT]!
      const given = frame[FRAME.OUTCOME]!
      const outcome = given & RELEASE.OUTCOMES
      const slot = frame[FRAME.SLOT]!
      const ageMs = frame[FRAME.AGE_MS]!
      if (permit < 0) coder.ready(slot)
      else if (writer.isFull) coder.ready(NO_SLOT)
      release()
      if (engine.frame !== frame) frame = coder.look()
      const nowMs = engine.lastRead(false)
      if (frame[FRAME.STALLS] !== coder.stalls) coder.writeStalls()
      // A permit that was void changes nothing.
      const status = frame[FRAME.STATUS]!
      if (permit >= 0 && (status & STATUS.VOID) !== 0) return
      if (permit >= SIZE.MOST_PERMIT) return
      const isConcluded = permit < 0
      const generation = Math.floor(permit / SIZE.PLACES)
      const place = permit - generation * SIZE.PLACES
      const known = isConcluded ? 0 : coder.generations[place]!
      if (known === NOT_RECORDED) return
      const isWhole = isConcluded || known !== generation + 1
      // The permit of a call has an additional bit.
      if (given !== outcome && frame[FRAME.EXCUSED_MS]! > 0) {
        writer.byte(ENTRY.EXCUSED)
        coder.time(writer.lastMs)
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

  #routeOf(route: () => void): () => void {
    const coder = this.#coder
    const { engine, writer } = coder
    const sample = this.#sample
    const isSampled = sample < 1
    return () => {
      let frame = coder.look()
      const slot = frame[FRAME.SLOT]!
      const law = frame[FRAME.LAW]!
      if (law >= 0 && coder.knownLaws.get(law) !== coder.epoch) coder.introduceLaw(law)
      if (coder.known[slot] !== coder.epoch || writer.isFull) coder.ready(slot)
      const latencyMs = frame[FRAME.LATENCY_MS]!
      const errorRate = frame[FRAME.ERROR_RATE]!
      const saturation = frame[FRAME.SATURATION]!
      const voltage = frame[FRAME.VOLTAGE]!
      route()
      if (engine.frame !== frame) frame = coder.look()
      const nowMs = engine.lastRead(true)
      if (isSampled && Math.random() >= sample) {
        this.skipped += 1
        return
      }
      const status = frame[FRAME.STATUS]!
      const steps = writer.stepsTo(nowMs)
      const isSame = slot === coder.lastSlot
      const isUsual = voltage === coder.lastVoltage
      coder.lastSlot = slot
      coder.lastVoltage = voltage
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
      writer.word(digest(coder.words, R_WORD, V_WORD, RETRY_WORD))
      writer.decisions += 1
    }
  }

  #routeBatchOf(routeBatch: () => void): () => void {
    const coder = this.#coder
    const { engine, writer } = coder
    const rows = new Float64Array(engine.batch.length)
    return () => {
      const count = engine.frame[FRAME.SLOT]!
      rows.set(engine.batch.subarray(0, count * 4))
      for (let row = 0; row < count; row++) {
        const slot = rows[row * 4]!
        if (coder.known[slot] !== coder.epoch) coder.ready(slot)
      }
      const nowMs = coder.timed(routeBatch, true)
      const { batch } = engine
      const words = wordsOf(batch)
      for (let from = 0; from < count; from += BATCH_PIECE) {
        const to = Math.min(from + BATCH_PIECE, count)
        coder.beginRare(ENTRY.BATCH, nowMs)
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
}
