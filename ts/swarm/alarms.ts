/**
 * The times at which something of a tree of swarms ends by itself: waits, silent leases, limits of time. One timer serves all. It keeps the
 * process alive while a caller waits for budget, since that caller awaits an answer, and at no other time.
 */

import { MAX_TIMER_MS } from '../base/timer.js'
import { type HeapTimer, TimerHeap } from '../base/timer-heap.js'

/** An entry that is called when its time has come. */
export interface Alarm {
  /** @returns the time of the next call, ms; Infinity: there is none */
  due(nowMs: number): number
}

/** The interval at which the caller's own clock is read, since no timer follows it, ms. */
const VIRTUAL_POLL_MS = 10

/** A clock for spans, ms. */
export interface SpanClock {
  readonly isHost: boolean
  spanMs(): number
}

export class Alarms {
  readonly #clock: SpanClock
  readonly #heap = new TimerHeap<Alarm>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #wakesMs = Number.POSITIVE_INFINITY
  #awaited = 0
  #isSweeping = false

  constructor(clock: SpanClock) {
    this.#clock = clock
  }

  add(alarm: Alarm, atMs: number): HeapTimer<Alarm> {
    const timer = this.#heap.add(alarm, atMs)
    if (atMs < this.#wakesMs) this.#arm(atMs)
    return timer
  }

  remove(timer: HeapTimer<Alarm>): void {
    this.#heap.remove(timer)
    if (this.#heap.size === 0) this.#arm(Number.POSITIVE_INFINITY)
  }

  /** A caller awaits what an alarm decides. @returns what ends that */
  await(): () => void {
    this.#awaited += 1
    if (this.#awaited === 1) this.#timer?.ref?.()
    return () => {
      this.#awaited -= 1
      if (this.#awaited === 0) this.#timer?.unref?.()
    }
  }

  /** Calls everything whose time has come. */
  sweep(nowMs: number): void {
    // Work that an alarm ends may run the host's code, which may call this method again.
    if (this.#isSweeping) return
    this.#isSweeping = true
    try {
      for (let first = this.#heap.earliest; first !== undefined && first.at <= nowMs; first = this.#heap.earliest) {
        const againMs = first.item.due(nowMs)
        if (againMs === Number.POSITIVE_INFINITY) this.#heap.remove(first)
        else this.#heap.postpone(first, Math.max(againMs, nowMs + 1))
      }
    } finally {
      this.#isSweeping = false
    }
    const next = this.#heap.earliest?.at ?? Number.POSITIVE_INFINITY
    if (next !== this.#wakesMs) this.#arm(next)
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wakesMs = atMs
    if (atMs === Number.POSITIVE_INFINITY) return
    const nowMs = this.#clock.spanMs()
    const wanted = this.#clock.isHost ? VIRTUAL_POLL_MS : Math.max(1, Math.ceil(atMs - nowMs))
    const delayMs = Math.min(wanted, MAX_TIMER_MS)
    this.#timer = setTimeout(() => this.#wake(nowMs + delayMs), delayMs)
    if (this.#awaited === 0) this.#timer.unref?.()
  }

  #wake(firesMs: number): void {
    this.#timer = undefined
    this.#wakesMs = Number.POSITIVE_INFINITY
    const clockMs = this.#clock.spanMs()
    // A timer counts even if it fires a ms early or is faked; the caller's own clock decides by its reading.
    this.sweep(this.#clock.isHost ? clockMs : Math.max(clockMs, firesMs))
  }
}
