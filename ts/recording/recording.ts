/** Recordings as callers hold them. */

import { VERSION } from '../addon/addon.js'
import { builtin } from '../base/builtin.js'
import { AtrionError, ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import { own, ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { after } from '../base/timer.js'
import { within } from '../base/within.js'
import type { Context } from '../context.js'
import { type Engine, FRAME } from '../engine/port.js'
import { requireNumber, requireObject } from '../options/ranges.js'
import { BlockWriter } from './block-writer.js'
import { FileSink } from './file-sink.js'
import { type Redact, requireRedact } from './redact.js'
import { LEAST_RING_BYTES, RingSink, type Sink, StreamSink, type WritableLike } from './sinks.js'
import { Tap } from './tap.js'

export interface RecordOptions {
  /**
   * Share of the decisions that are recorded, (0, 1]. Default 1. What is sampled shows what came and what was decided, but cannot be decided
   * again: the decisions between are missing.
   */
  readonly sample?: number | null | undefined
  /**
   * The part of routes' names that is written: true (default), names in which addresses, long numbers, tokens and queries are masked; 'routes', a
   * number in place of each name; false, names as they are. Keys are never written, in no setting: a hash under a secret stands for each.
   */
  readonly redact?: Redact | null | undefined
  /** Of a file: it grows no further than this, bytes; what comes then is dropped and counted. Default 16 GiB, about a week of 1000 decisions a second. */
  readonly maxBytes?: number | null | undefined
  /**
   * The time that {@link Recording.stop} waits for a stream to take what is left, ms, 0 to 3,600,000. What was not taken by then is dropped and
   * counted. A file is waited for as long as the system writes. Default 10,000.
   */
  readonly stopTimeoutMs?: number | null | undefined
}

/** Memory in which the newest decisions are kept, and from which they are read when they are needed. */
export interface RingTarget {
  /** 524,288 to 1,073,741,824 */
  readonly ringBytes: number
}

/** A path, a stream of Node's, or a ring in memory. */
export type RecordTarget = string | WritableLike | RingTarget

export interface RecordingStats {
  /** Decisions that are in the recording, or on their way there. */
  readonly decisions: number
  /** Bytes of the recording. */
  readonly bytes: number
  /** Decisions that found no room: the disk was full, the stream slow, the file as large as it may be; of a ring, those that newer ones took the place of. */
  readonly dropped: number
  /** Decisions that the sampling left out. */
  readonly skipped: number
  /** The last failure of the file or the stream. */
  readonly error: Error | undefined
}

const DEFAULT_MAX_BYTES = 16 * 2 ** 30
const DEFAULT_STOP_TIMEOUT_MS = 10_000
const MOST_RING_BYTES = 2 ** 30
/** The time after which a block that is not full is written, ms. */
const FLUSH_MS = 1_000

const NAMES = ['sample', 'redact', 'maxBytes', 'stopTimeoutMs'] as const
const SAMPLE = { says: 'a number in (0, 1]', holds: (x: number) => x > 0 && x <= 1 }
const MAX_BYTES = { says: 'a number of bytes, 131072 or more', holds: (x: number) => x >= 131_072 }
const STOP_TIMEOUT_MS = { says: 'a number of ms in [0, 3600000]', holds: (x: number) => x >= 0 && x <= 3_600_000 }
const RING_BYTES = {
  says: `a number of bytes in [${LEAST_RING_BYTES}, ${MOST_RING_BYTES}]`,
  holds: (x: number) => x >= LEAST_RING_BYTES && x <= MOST_RING_BYTES,
}

/** An image of the engine has at most so many bytes: at the beginning, and where decisions were lost. */
const MOST_IMAGE_BYTES = 2 ** 21
const MOST_LATER_IMAGE_BYTES = 2 ** 18
/** The part of a ring that an image may take: each of its four stretches begins with one. */
const IMAGE_SHARE = 1 / 8

function mostImageBytes(target: RecordTarget, isFirst: boolean): number {
  const ringBytes = typeof target === 'object' ? own(target as RingTarget, 'ringBytes') : undefined
  if (ringBytes !== undefined) return Math.min(MOST_IMAGE_BYTES, ringBytes * IMAGE_SHARE)
  return isFirst ? MOST_IMAGE_BYTES : MOST_LATER_IMAGE_BYTES
}

/** The instances that are recorded. */
const recorded = new WeakSet<Engine>()

/** The last writes before the process ends, one of each recording. */
const atExit = new Set<() => void>()

function writeAll(): void {
  for (const write of atExit) write()
}

function writeAtExit(write: () => void): void {
  if (atExit.size === 0) globalThis.process?.on?.('exit', writeAll)
  atExit.add(write)
}

function writeNoMore(write: () => void): void {
  atExit.delete(write)
  if (atExit.size === 0) globalThis.process?.removeListener?.('exit', writeAll)
}

const isWritable = (target: object): target is WritableLike =>
  (['write', 'on', 'removeListener'] as const).every(
    (name) => typeof (target as Partial<WritableLike>)[name] === 'function',
  )

function sinkOf(target: RecordTarget, maxBytes: number): Sink {
  if (typeof target === 'string') {
    if (target === '') throw wrongType('target', 'the path of a file, a stream, or { ringBytes }', target)
    if (builtin('node:fs').openSync === undefined) {
      throw new ConfigError('target', 'a stream or { ringBytes }, as this runtime has no files', target)
    }
    return new FileSink(target, maxBytes)
  }
  if (typeof target === 'object' && target !== null) {
    if (isWritable(target)) return new StreamSink(target)
    const ringBytes = own(target as RingTarget, 'ringBytes')
    if (ringBytes !== undefined) return new RingSink(requireNumber('target.ringBytes', ringBytes, RING_BYTES))
  }
  throw wrongType('target', 'the path of a file, a writable stream, or { ringBytes }', target)
}

export class Recording implements AsyncDisposable {
  readonly #context: Context
  readonly #sink: Sink
  readonly #writer: BlockWriter
  readonly #tap: Tap
  readonly #timer: ReturnType<typeof setInterval>
  readonly #onExit = (): void => this.#writeNow()
  readonly #stopTimeoutMs: number
  #stopped: Promise<void> | undefined

  /** @internal */
  constructor(context: Context, target: RecordTarget, given: RecordOptions, isDryRun: () => boolean) {
    requireObject('options', given)
    const options = ownOptions(given, NAMES)
    for (const name of Object.keys(options)) {
      if (!(NAMES as readonly string[]).includes(name)) throw unknownName(name, name, [...NAMES])
    }
    const sample = options.sample == null ? 1 : requireNumber('sample', options.sample, SAMPLE)
    const redact = requireRedact(options.redact)
    const maxBytes =
      options.maxBytes == null ? DEFAULT_MAX_BYTES : requireNumber('maxBytes', options.maxBytes, MAX_BYTES)
    this.#stopTimeoutMs =
      options.stopTimeoutMs == null
        ? DEFAULT_STOP_TIMEOUT_MS
        : requireNumber('stopTimeoutMs', options.stopTimeoutMs, STOP_TIMEOUT_MS)
    const { engine, routes } = context
    if (recorded.has(engine)) throw new AtrionError('this instance is recorded already: stop that recording first')
    const sink = sinkOf(target, maxBytes)
    recorded.add(engine)
    this.#context = context
    this.#sink = sink
    this.#writer = new BlockWriter(sink, () => this.#tap.forget())
    // Routes that were there before have a past that is not in the recording.
    const isWhole = engine.routeIds().length === 0 && routes.index.evictions === 0 && !routes.isShared
    const startedAt = new Date().toISOString()
    this.#tap = new Tap(context, this.#writer, {
      sample,
      redact,
      about: () => ({
        atrion: VERSION,
        engine: engine.kind,
        maxRoutes: routes.maxRoutes,
        scope: routes.isShared ? 'process' : 'instance',
        isWhole,
        isRing: sink instanceof RingSink,
        sample,
        redact,
        startedAt,
        dryRun: isDryRun(),
        waitedMs: engine.frame[FRAME.WAITED_MS],
      }),
      isWhole,
      // Changes by other threads are in no image; and a sample cannot be decided again.
      mostImageBytes: (isFirst) => (routes.isShared || sample < 1 ? 0 : mostImageBytes(target, isFirst)),
      beginsAnew: () => sink instanceof RingSink && sink.beginsAnew(),
    })
    this.#tap.put()
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS)
    this.#timer.unref?.()
    writeAtExit(this.#onExit)
  }

  get stats(): RecordingStats {
    const { kept, dropped, decisions, bytesWritten } = this.#writer
    const { lost, lostBytes, error } = this.#sink
    return {
      decisions: kept - lost + decisions,
      bytes: Math.max(0, bytesWritten - lostBytes),
      dropped: dropped + lost,
      skipped: this.#tap.skipped,
      error,
    }
  }

  get isStopped(): boolean {
    return this.#stopped !== undefined
  }

  /** A ring's content, the bytes of a recording; undefined of a file or a stream. */
  read(): Uint8Array | undefined {
    if (this.#sink.read === undefined) return undefined
    this.#flush()
    return this.#sink.read()
  }

  /**
   * Ends the recording; resolves when all of it is where it belongs, or after `stopTimeoutMs`: what a stream has not taken by
   * then counts as dropped, and `stats.error` says so. A stream is not ended: it is yours. Never rejects.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    this.#tap.remove()
    clearInterval(this.#timer)
    recorded.delete(this.#context.engine)
    this.#flush()
    await this.#close()
    writeNoMore(this.#onExit)
  }

  async #close(): Promise<void> {
    const sink = this.#sink
    if (!(sink instanceof StreamSink)) return sink.close()
    const ms = this.#stopTimeoutMs
    const lost = (): Error =>
      new AtrionError(`the stream did not take all within ${ms} ms of stop(): the rest is dropped`)
    // A process that waits for the end waits that long.
    return within(() => sink.close(), ms, after, lost).catch((error: Error) => sink.giveUp(error))
  }

  #flush(): void {
    if (!this.#writer.isEmpty) this.#writer.finish()
  }

  #writeNow(): void {
    this.#flush()
    if (this.#sink instanceof FileSink) this.#sink.writeNow()
  }
}
