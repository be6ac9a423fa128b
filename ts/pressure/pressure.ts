/** The scarcity of the process itself, as adapters pass it to `acquire()`: its event loop, its memory, and custom signals. */

import type { EventLoopUtilization } from 'node:perf_hooks'
import { builtin } from '../base/builtin.js'
import { ownOptions } from '../base/own.js'
import { type Arrival, arrival, arrivalWaitMs } from './arrival.js'
import { iterationClock } from './iteration.js'
import { ControlGroup, Heap } from './memory.js'

const { performance } = builtin('node:perf_hooks')

/** The signals that are looked at; all of them by default. */
export interface PressureOptions {
  /** The time that requests wait for the event loop. */
  readonly queueAge?: boolean
  /**
   * The time since a request's bytes came in, by the kernel's clock (Linux, native engine): with it the queue age is exact, and
   * what was waited for in order to be accepted, also by the primary of `node:cluster`, is part of it. Default: as `queueAge`.
   */
  readonly acceptQueue?: boolean
  /** Utilisation of the event loop since the last window. It adds to R, but sheds no request by itself: it detects overload and cannot size it. */
  readonly eventLoop?: boolean
  /** V8's heap against its limit. */
  readonly heap?: boolean
  /** Memory of the control group against its limit. */
  readonly cgroup?: boolean
}

/** A custom signal, [0, 1], 1 is full. Its errors, and results that are no number ≥ 0, are ignored. */
export type Signal = () => number

const NAMES = ['queueAge', 'acceptQueue', 'eventLoop', 'heap', 'cgroup'] satisfies (keyof PressureOptions)[]

/** Everything but queue ages is sampled at most this often, when a request comes, ms. */
const WINDOW_MS = 100
/** The most that a busy loop adds to the saturation of the process: below where shedding starts. */
const EVENT_LOOP_SHARE = 0.5

/** An age of 0 is one that was not measured. */
const NOT_ZERO_MS = 1e-3

/** The scarcity of a process is the same for all adapters in it. */
const heap = new Heap()
const group = new ControlGroup()
const shared = { heapMs: Number.NEGATIVE_INFINITY, heap: 0, loopMs: Number.NEGATIVE_INFINITY, loop: 0 }
let utilization: EventLoopUtilization | undefined

function heapOccupancy(nowMs: number): number {
  if (nowMs - shared.heapMs >= WINDOW_MS) {
    shared.heapMs = nowMs
    shared.heap = heap.occupancy()
  }
  return shared.heap
}

/** Differenced: since the last window, not since the process started. */
function loopOccupancy(nowMs: number): number {
  if (nowMs - shared.loopMs >= WINDOW_MS) {
    shared.loopMs = nowMs
    const total = performance.eventLoopUtilization()
    const passed = utilization && performance.eventLoopUtilization(total, utilization)
    shared.loop = passed === undefined ? 0 : EVENT_LOOP_SHARE * (passed.utilization || 0)
    utilization = total
  }
  return shared.loop
}

/** The last measurement of the process. */
export interface ProcessReading {
  /** The time that the last request waited in front of the process, ms; 0 where none came within a second. */
  readonly queueAgeMs: number
  /** The part of that before its connection was accepted, ms. */
  readonly acceptQueueMs: number
  /** Utilisation of the event loop over the last 100 ms or more, [0, 1]. */
  readonly utilization: number
}

/** A measurement is one of now for this long, ms. */
const FRESH_MS = 1_000
const last = { atMs: Number.NEGATIVE_INFINITY, queueAgeMs: 0, acceptQueueMs: 0 }

/** The process's last reading. */
export function processReading(): ProcessReading {
  const nowMs = globalThis.performance.now()
  const isFresh = nowMs - last.atMs <= FRESH_MS
  return {
    queueAgeMs: isFresh ? last.queueAgeMs : 0,
    acceptQueueMs: isFresh ? last.acceptQueueMs : 0,
    utilization: typeof performance?.eventLoopUtilization === 'function' ? loopOccupancy(nowMs) / EVENT_LOOP_SHARE : 0,
  }
}

export class Pressure {
  readonly #queueAge: boolean
  readonly #acceptQueue: boolean
  readonly #eventLoop: boolean
  readonly #heap: boolean
  readonly #cgroup: boolean
  readonly #signals: readonly Signal[]
  #sampledMs = Number.NEGATIVE_INFINITY
  #saturation = 0

  constructor(options: PressureOptions | false | undefined, signals: readonly Signal[] = []) {
    const given = options === false ? undefined : ownOptions(options ?? {}, NAMES)
    this.#queueAge = given !== undefined && given.queueAge !== false
    this.#acceptQueue = given !== undefined && (given.acceptQueue ?? this.#queueAge)
    this.#eventLoop = given !== undefined && given.eventLoop !== false
    this.#heap = given !== undefined && given.heap !== false
    this.#cgroup = given !== undefined && given.cgroup !== false
    this.#signals = signals
  }

  /**
   * The time that a request that is being handled waited in front of the process, ms: > 0, and 0 where it is not looked at.
   * `socket`: what it came in on.
   */
  queueAgeMs(nowMs: number, socket: Arrival | null | undefined): number {
    last.queueAgeMs = this.#queueAgeMs(nowMs, socket)
    last.atMs = nowMs
    last.acceptQueueMs = arrival.acceptWaitMs
    return last.queueAgeMs
  }

  #queueAgeMs(nowMs: number, socket: Arrival | null | undefined): number {
    arrival.acceptWaitMs = 0
    if (!this.#queueAge && !this.#acceptQueue) return 0
    iterationClock.note(nowMs)
    const certainMs = this.#queueAge ? iterationClock.certainMs(nowMs) : 0
    if (this.#acceptQueue && socket) {
      const [busyMs, likelyMs] = [iterationClock.busyMs(nowMs), iterationClock.estimateMs(nowMs)]
      const waitMs = arrivalWaitMs(socket, nowMs, certainMs, busyMs, likelyMs)
      if (waitMs >= 0) return Math.max(waitMs, certainMs, NOT_ZERO_MS)
    }
    return this.#queueAge ? Math.max(iterationClock.estimateMs(nowMs), NOT_ZERO_MS) : NOT_ZERO_MS
  }

  /** The occupancy of the process, [0, 1]: the scarcest of what is looked at. */
  saturation(nowMs: number): number {
    if (nowMs - this.#sampledMs >= WINDOW_MS) {
      this.#sampledMs = nowMs
      this.#saturation = this.#sample(nowMs)
    }
    return this.#saturation
  }

  #sample(nowMs: number): number {
    let saturation = 0
    if (this.#eventLoop) saturation = loopOccupancy(nowMs)
    if (this.#heap) saturation = Math.max(saturation, heapOccupancy(nowMs))
    if (this.#cgroup) saturation = Math.max(saturation, group.occupancy(nowMs))
    for (const signal of this.#signals) saturation = Math.max(saturation, ask(signal))
    return saturation
  }
}

function ask(signal: Signal): number {
  try {
    const value: unknown = signal()
    return typeof value === 'number' && value > 0 ? Math.min(value, 1) : 0
  } catch {
    return 0
  }
}
