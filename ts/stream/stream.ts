/** Streams the states of all routes into memory that other threads read, under a sequence lock a route. */

import { AtrionError } from '../base/errors.js'
import { given } from '../base/input.js'
import type { Context } from '../context.js'
import { METRIC, METRIC_CELLS, SHED_CAUSES } from '../engine/metric-cells.js'
import { TIERS } from '../engine/port.js'
import { integer, override, requireObject } from '../options/ranges.js'
import { bytesOf, CELLS, FORMAT, HEAD, MAGIC, NAME_BYTES, ROW } from './layout.js'
import type { StateStream, StreamOptions } from './types.js'

const DEFAULTS = { intervalMs: 100, maxRoutes: 1_024 }
const RANGES = { intervalMs: integer(1, 60_000), maxRoutes: integer(1, 65_536) }

/** Node 20 has it since 20.0; elsewhere it may be missing, and then a private symbol stands for it. */
const DISPOSE: typeof Symbol.dispose = Symbol.dispose ?? (Symbol('Symbol.dispose') as typeof Symbol.dispose)

/** Cells of the stream that are the sum of several cells of metrics. */
const SUMMED: Readonly<Record<string, number>> = { admitted: TIERS.length, shed: TIERS.length * SHED_CAUSES }
/** The first cell of metrics that goes into each cell of the stream, and the one after the last. */
const FROM = CELLS.map(([, metric]) => metric)
const TO = CELLS.map(([name, metric]) => metric + (SUMMED[name] ?? 1))

/** A write by the timer comes so many times its own duration after the one before at least, so that it takes a tenth of a thread at most. */
const REST = 10

/** @throws ConfigError for an option out of its range, AtrionError where there is no shared memory */
export function createStream(context: Context, options: StreamOptions = {}): StateStream {
  const own = given(requireObject('options', options), Object.keys(DEFAULTS))
  const { intervalMs, maxRoutes } = override('', DEFAULTS, own, RANGES)
  if (typeof SharedArrayBuffer !== 'function') {
    throw new AtrionError('there is no SharedArrayBuffer: a page has it where it is cross-origin isolated')
  }
  return new Stream(context, intervalMs, maxRoutes)
}

/** A row of the stream that a route has. */
interface Row {
  readonly index: number
  /** The write that last found its route. */
  seen: number
}

class Stream implements StateStream {
  readonly buffer: SharedArrayBuffer
  readonly intervalMs: number
  readonly maxRoutes: number
  readonly #context: Context
  readonly #words: Int32Array
  /** The same memory by cells, two words each: what this thread has written. */
  readonly #written: Float64Array
  readonly #rows = new Map<string, Row>()
  /** Rows that were used and are free. */
  readonly #free: number[] = []
  readonly #cells = new Float64Array(CELLS.length)
  readonly #cellWords = new Int32Array(this.#cells.buffer)
  readonly #name = new Uint8Array(NAME_BYTES)
  readonly #nameWords = new Int32Array(this.#name.buffer)
  readonly #encoder = new TextEncoder()
  readonly #timer: ReturnType<typeof setInterval>
  #metrics: Float64Array | undefined
  #writes = 0
  /** The time before which the timer writes nothing, ms. */
  #restsUntilMs = Number.NEGATIVE_INFINITY
  #isStopped = false

  constructor(context: Context, intervalMs: number, maxRoutes: number) {
    this.#context = context
    this.intervalMs = intervalMs
    this.maxRoutes = maxRoutes
    this.buffer = new SharedArrayBuffer(bytesOf(maxRoutes))
    this.#words = new Int32Array(this.buffer)
    this.#written = new Float64Array(this.buffer)
    this.#words[HEAD.MAGIC] = MAGIC
    this.#words[HEAD.FORMAT] = FORMAT
    this.#words[HEAD.MAX_ROUTES] = maxRoutes
    this.write()
    this.#timer = setInterval(() => this.#writeInTurn(), intervalMs)
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  write(): void {
    const { engine, clock } = this.#context
    // The clock is the caller's, and may stop this.
    clock.read()
    if (this.#isStopped) return
    const metrics = engine.metrics(this.#metrics)
    this.#metrics = metrics
    this.#writes += 1
    let missed = this.#writeRows(metrics)
    for (const [routeId, row] of this.#rows) if (row.seen !== this.#writes) this.#release(routeId, row)
    if (missed > 0 && this.#free.length > 0) missed = this.#writeRows(metrics)
    Atomics.store(this.#words, HEAD.MISSED, missed)
    this.#stamp()
  }

  #writeInTurn(): void {
    const startMs = performance.now()
    if (startMs < this.#restsUntilMs) return
    this.write()
    this.#restsUntilMs = startMs + REST * (performance.now() - startMs)
  }

  /** Writes the routes that have changed. @returns how many there is no row for */
  #writeRows(metrics: Float64Array): number {
    let missed = 0
    for (let from = 0; from < metrics.length; from += METRIC_CELLS) {
      const routeId = this.#context.routes.nameOf(metrics[from + METRIC.SLOT]!)
      if (routeId !== undefined && !this.#writeRow(routeId, metrics, from)) missed += 1
    }
    return missed
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    Atomics.store(this.#words, HEAD.STOPPED, 1)
  }

  [DISPOSE](): void {
    this.stop()
  }

  /** Writes a route where it has changed; false: there is no row for it. */
  #writeRow(routeId: string, metrics: Float64Array, from: number): boolean {
    let row = this.#rows.get(routeId)
    const isNew = row === undefined
    if (row === undefined) {
      const index = this.#free.pop() ?? this.#words[HEAD.ROWS]!
      if (index >= this.maxRoutes) return false
      row = { index, seen: 0 }
      this.#rows.set(routeId, row)
    }
    row.seen = this.#writes
    this.#gather(metrics, from)
    const at = HEAD.LENGTH + row.index * ROW.LENGTH
    if (!isNew && this.#isWritten(at)) return true
    this.#locked(at + ROW.SEQUENCE, () => {
      this.#store(at + ROW.CELLS, this.#cellWords)
      if (isNew) this.#writeName(at, routeId)
    })
    // A reader looks at a new row only once it was written.
    if (row.index >= this.#words[HEAD.ROWS]!) Atomics.store(this.#words, HEAD.ROWS, row.index + 1)
    return true
  }

  /** Gathers the cells of a route. */
  #gather(metrics: Float64Array, from: number): void {
    const cells = this.#cells
    for (let i = 0; i < cells.length; i++) {
      const to = from + TO[i]!
      let value = 0
      for (let at = from + FROM[i]!; at < to; at++) value += metrics[at]!
      cells[i] = value
    }
  }

  /** Returns whether the gathered cells are those of a row already. */
  #isWritten(at: number): boolean {
    const [cells, written, from] = [this.#cells, this.#written, (at + ROW.CELLS) / 2]
    for (let i = 0; i < cells.length; i++) if (!Object.is(written[from + i], cells[i])) return false
    return true
  }

  #writeName(at: number, routeId: string): void {
    this.#name.fill(0)
    const { written } = this.#encoder.encodeInto(routeId, this.#name)
    this.#store(at + ROW.NAME, this.#nameWords)
    Atomics.store(this.#words, at + ROW.NAME_BYTES, written)
    Atomics.add(this.#words, at + ROW.ROUTE, 1)
  }

  /** A route is gone: its row is free. */
  #release(routeId: string, { index }: Row): void {
    const at = HEAD.LENGTH + index * ROW.LENGTH
    this.#rows.delete(routeId)
    this.#locked(at + ROW.SEQUENCE, () => Atomics.store(this.#words, at + ROW.NAME_BYTES, 0))
    this.#free.push(index)
  }

  /** Writes the time. */
  #stamp(): void {
    this.#cells[0] = Date.now()
    this.#locked(HEAD.SEQUENCE, () => this.#store(HEAD.AT_MS, this.#cellWords.subarray(0, 2)))
  }

  /** Runs `write` between two counts of a sequence, which is odd meanwhile. */
  #locked(sequence: number, write: () => void): void {
    Atomics.add(this.#words, sequence, 1)
    write()
    Atomics.add(this.#words, sequence, 1)
  }

  /** Stores words so that no thread sees them in another order. */
  #store(at: number, words: Int32Array): void {
    const to = this.#words
    for (let i = 0; i < words.length; i++) Atomics.store(to, at + i, words[i]!)
  }
}
