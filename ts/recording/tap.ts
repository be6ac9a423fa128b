/**
 * The tap of a recording: while it is in, every call of the engine that changes or decides anything is written down with its inputs, the
 * time it went by, and what came of it. The engine is a function of these, so that the same calls come to the same decisions, bit for bit.
 *
 * The calls of the engine are replaced on the object itself and put back: an instance that does not record pays nothing. Those of
 * permits are in `ts/recording/permit-calls.ts`, those of the open loop are here, and the others in `ts/recording/rare-calls.ts` and `ts/recording/peers.ts`.
 */

import type { Context } from '../context.js'
import { type Engine, FRAME, NO_SLOT, STATUS } from '../engine/port.js'
import type { BlockWriter } from './block-writer.js'
import { Coder, type CoderOptions } from './coder.js'
import { digestOf, ENTRY, ROUTE, ROUTE_RESULT, SIZE, wordsOf } from './format.js'
import { Peers } from './peers.js'
import { acquireOf, releaseOf } from './permit-calls.js'
import { RARE, rareCalls } from './rare-calls.js'

/** The calls that are replaced. */
const TAPPED = ['acquire', 'release', 'route', 'routeBatch', 'routeArrays', ...RARE] as const
type Tapped = (typeof TAPPED)[number]

/** Rows of a batch in one entry. */
const BATCH_PIECE = 256

/** A local copy, since an imported name of another chunk is a getter. */
const digest = digestOf
const R_WORD = FRAME.RESISTANCE * SIZE.WORDS
const V_WORD = FRAME.VOLTAGE * SIZE.WORDS
const RETRY_WORD = FRAME.RETRY_AFTER_MS * SIZE.WORDS

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
    engine.acquire = acquireOf(call('acquire'), this.#coder, this.#sample, this)
    engine.release = releaseOf(call('release'), this.#coder)
    engine.route = this.#routeOf(call('route'))
    engine.routeBatch = this.#routeBatchOf(call('routeBatch'))
    engine.routeArrays = undefined
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

  #routeOf(route: () => void): () => void {
    const coder = this.#coder
    const { engine, writer } = coder
    const sample = this.#sample
    const isSampled = sample < 1
    return () => {
      let { frame } = coder
      // A frame of a memory that grew has no cells.
      if (frame.length === 0) frame = coder.look()
      const slot = frame[FRAME.SLOT]!
      const law = frame[FRAME.LAW]! | 0
      if (law >= 0 && coder.knownLaws.get(law) !== coder.epoch) coder.introduceLaw(law)
      if (coder.known[slot] !== coder.epoch || writer.at >= writer.full) {
        if (slot === NO_SLOT) {
          // No route, and no decision.
          route()
          return
        }
        coder.ready(slot)
        frame = coder.look()
      }
      const voltage = frame[FRAME.VOLTAGE]!
      route()
      if (frame.length === 0) frame = coder.look()
      const nowMs = engine.lastRead(true)
      if (isSampled && Math.random() >= sample) {
        this.skipped += 1
        return
      }
      const status = frame[FRAME.STATUS]! | 0
      const steps = writer.stepsTo(nowMs)
      const isSame = slot === coder.lastSlot
      if (!isSame) coder.lastSlot = slot
      const isUsual = voltage === coder.lastVoltage
      if (!isUsual) coder.lastVoltage = voltage
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
          ((frame[FRAME.MODE]! | 0) * ROUTE_RESULT.MODE) |
          (isRefused ? ROUTE_RESULT.CAUSE : 0),
      )
      if (isRefused) writer.byte(frame[FRAME.CAUSE]!)
      writer.number(frame[FRAME.LATENCY_MS]!)
      writer.number(frame[FRAME.ERROR_RATE]!)
      writer.number(frame[FRAME.SATURATION]!)
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
      coder.readyAll(rows, count, 4)
      try {
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
      } finally {
        coder.isWithin = false
      }
    }
  }
}
