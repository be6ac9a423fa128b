/**
 * The event loop of this thread, as the native engine watches it: each stall is written into an array that both sides see, in the decision
 * or the poll that ends it, and reported to the instances that listen.
 */

import type { LoopPort } from '../engine/loop-port.js'
import type { LoopMetrics, Stall } from '../events/stall.js'

/** Cells of the array, as `src/binding/node/event_loop.rs` states them: totals, and rows of the last stalls. */
const CELL = { COUNT: 0, TOTAL_MS: 1, LONGEST_MS: 2, GARBAGE_MS: 3, ROW: 8 } as const
const ROWS = 16
const ROW_CELLS = 4

/** NaN stands for what the host does not let be known. */
const known = (ms: number): number | undefined => (Number.isNaN(ms) ? undefined : ms)

type Listener = (stall: Stall) => void

class EventLoop {
  readonly #cells = new Float64Array(CELL.ROW + ROWS * ROW_CELLS)
  /** The listeners of the instances, which the thread's loop does not keep alive. */
  #listeners: WeakRef<Listener>[] = []
  #reported = 0

  /** @returns whether it is watched */
  begin(port: LoopPort): boolean {
    return port.watchLoop(this.#cells, () => this.#report())
  }

  add(listener: Listener): void {
    this.#listeners = this.#listeners.filter((one) => one.deref() !== undefined)
    this.#listeners.push(new WeakRef(listener))
  }

  metrics(): LoopMetrics {
    const cells = this.#cells
    const stalls = cells[CELL.COUNT]!
    return {
      stalls,
      stalledMs: cells[CELL.TOTAL_MS]!,
      longestMs: cells[CELL.LONGEST_MS]!,
      gcMs: known(cells[CELL.GARBAGE_MS]!),
      last: stalls === 0 ? undefined : this.#stall(stalls - 1),
    }
  }

  #stall(number: number): Stall {
    const row = CELL.ROW + (number % ROWS) * ROW_CELLS
    const [startedAtMs, durationMs, suspendedMs, gcMs] = this.#cells.subarray(row, row + ROW_CELLS)
    return { startedAtMs: startedAtMs!, durationMs: durationMs!, suspendedMs: suspendedMs!, gcMs: known(gcMs!) }
  }

  /** Stalls that came since the last report; of many only those that are kept. */
  #report(): void {
    const count = this.#cells[CELL.COUNT]!
    for (let number = Math.max(this.#reported, count - ROWS); number < count; number++) {
      const stall = this.#stall(number)
      for (const listener of this.#listeners) listener.deref()?.(stall)
    }
    this.#reported = count
  }
}

let watched: EventLoop | undefined
let isRefused = false

/** The event loop of this thread, watched from now on; undefined where it can't be. */
export function watchedLoop(port: LoopPort): EventLoop | undefined {
  if (watched !== undefined || isRefused) return watched
  const loop = new EventLoop()
  if (loop.begin(port)) watched = loop
  else isRefused = true
  return watched
}

export type { EventLoop }
