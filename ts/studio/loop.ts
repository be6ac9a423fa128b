/**
 * The event loop as Studio sees it: its stalls as the watchdog knows them, or where there is none how late Studio's own timer is; and which
 * route was at work then.
 */

import type { Stall } from '../events/stall.js'
import type { Watcher } from '../events/watchers.js'

/** A delay from this on is a block of the loop, ms. */
export const BLOCK_MS = 80
/** Blocks are remembered for so long, ms. */
const MEMORY_MS = 15_000
const MOST_BLOCKS = 128
const MOST_ROUTES = 64

interface Block {
  readonly atMs: number
  readonly ms: number
}

/** Blocks that a route was at work in. */
export interface Blamed {
  readonly routeId: string
  readonly blocks: number
  readonly longestMs: number
  /** True when the route's own code was measured at work, and not only found at the end of a block. */
  readonly isMeasured: boolean
}

export class LoopWatch {
  #dueMs = Number.POSITIVE_INFINITY
  #blocks: Block[] = []
  #hasNamed = false
  /** True where the watchdog knows the stalls, those between two runs of the timer as well. */
  hasWatchdog = false
  readonly #blamed = new Map<string, { blocks: number; longestMs: number; isMeasured: boolean; atMs: number }>()

  /** The timer is due at a time of `performance.now()`, ms. */
  expect(dueMs: number): void {
    this.#dueMs = dueMs
    this.#hasNamed = false
  }

  /** The timer ran. @returns how late, ms */
  ran(nowMs: number): number {
    const lateMs = Math.max(0, nowMs - this.#dueMs)
    if (!this.hasWatchdog && lateMs < Number.POSITIVE_INFINITY) this.#add(nowMs, lateMs)
    this.#dueMs = Number.POSITIVE_INFINITY
    return lateMs < Number.POSITIVE_INFINITY ? lateMs : 0
  }

  /** The watchdog knows of a stall that is over. */
  stalled({ durationMs }: Stall): void {
    if (this.hasWatchdog) this.#add(performance.now(), durationMs)
  }

  #add(atMs: number, ms: number): void {
    if (ms < BLOCK_MS) return
    this.#blocks.push({ atMs, ms })
    if (this.#blocks.length > MOST_BLOCKS) this.#blocks.shift()
  }

  /** Watches requests: which one ends a time in which the loop did nothing else. */
  readonly watcher: Watcher = {
    completed: (routeId) => {
      const nowMs = performance.now()
      const lateMs = nowMs - this.#dueMs
      if (lateMs < BLOCK_MS || this.#hasNamed) return
      this.#hasNamed = true
      this.#blame(routeId, lateMs, nowMs, false)
    },
    run: (context, work) => {
      const startedMs = performance.now()
      const result = work()
      const nowMs = performance.now()
      if (nowMs - startedMs >= BLOCK_MS) {
        this.#hasNamed = true
        this.#blame(context.routeId, nowMs - startedMs, nowMs, true)
      }
      return result
    },
  }

  /** Blocks of late: how many, the longest and all together, ms. */
  recent(nowMs: number): { readonly count: number; readonly longestMs: number; readonly sumMs: number } {
    this.#blocks = this.#blocks.filter(({ atMs }) => nowMs - atMs <= MEMORY_MS)
    let longestMs = 0
    let sumMs = 0
    for (const { ms } of this.#blocks) {
      longestMs = Math.max(longestMs, ms)
      sumMs += ms
    }
    return { count: this.#blocks.length, longestMs, sumMs }
  }

  /** The routes that were at work in blocks of late, that of most blocks first. */
  blamed(nowMs: number): readonly Blamed[] {
    for (const [routeId, { atMs }] of this.#blamed) if (nowMs - atMs > MEMORY_MS) this.#blamed.delete(routeId)
    return [...this.#blamed]
      .map(([routeId, { blocks, longestMs, isMeasured }]) => ({ routeId, blocks, longestMs, isMeasured }))
      .sort((a, b) => b.blocks - a.blocks)
  }

  #blame(routeId: string, ms: number, nowMs: number, isMeasured: boolean): void {
    const known = this.#blamed.get(routeId)
    if (known !== undefined) {
      known.blocks += 1
      known.longestMs = Math.max(known.longestMs, ms)
      known.isMeasured ||= isMeasured
      known.atMs = nowMs
    } else if (this.#blamed.size < MOST_ROUTES) {
      this.#blamed.set(routeId, { blocks: 1, longestMs: ms, isMeasured, atMs: nowMs })
    }
  }
}
