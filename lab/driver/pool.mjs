import { Fifo } from './heap.mjs'
import { Plant } from './plant.mjs'

/**
 * @typedef {object} PoolSpec a pool of workers behind an admission controller: a route whose work is done elsewhere
 * (a database, another service) while the event loop of its own process stays idle
 * @property {'pool'} kind
 * @property {number} workers nominal number of workers
 * @property {number} serviceMs mean service time at speed 1
 * @property {keyof typeof import('./random.mjs').SERVICE_LAWS} service
 * @property {number} deadlineMs
 * @property {import('./curve.mjs').Curve} [workersShare] share of the workers that take new work, default 1
 * @property {import('./curve.mjs').Curve} [speed] a service that starts now takes 1/speed of its time, default 1
 * @property {import('./curve.mjs').Curve} [errorRate] share of services that end in an error, default 0
 * @property {[number, number][]} [stalls] seconds in which all work stands still
 * @property {[number, number][]} [refuses] seconds in which the backend is dead and refuses at once (1 ms)
 */

const REFUSAL_MS = 1

/** First come, first served, with an unbounded queue: whatever is admitted is worked on, however late. */
export class PoolPlant extends Plant {
  #log
  #queue = new Fifo()
  #busy = 0
  /** Requests that were cancelled, in the queue or being worked on. */
  #cancelled = new Set()

  /**
   * @param {PoolSpec} spec
   * @param {import('./world.mjs').World} world
   */
  constructor(spec, world) {
    super(spec, world)
    this.#log = world.log
    const wakes = [...(spec.workersShare?.breaksMs ?? []), ...(spec.stalls ?? []).map((stall) => stall[1] * 1000)]
    for (const atMs of wakes) world.schedule(atMs, this, -1)
  }

  /** @param {number} i */
  admitted(i) {
    if (within(this.spec.refuses, this.world.nowMs)) {
      this.#log.startedMs[i] = Number.NaN
      this.world.schedule(this.world.nowMs + REFUSAL_MS, { handle: () => this.world.finish(i, false) }, i)
      return
    }
    this.#queue.push(i)
    this.#work()
  }

  /** An event of this plant: the end of request i, or a change of the surroundings (−1). @param {number} i */
  handle(i) {
    if (i >= 0 && !this.#cancelled.delete(i)) {
      this.#busy -= 1
      this.world.finish(i, !this.world.fails(i))
    }
    this.#work()
  }

  /** Request i is given up: it leaves the queue, or its worker. @param {number} i */
  cancel(i) {
    this.#cancelled.add(i)
    if (Number.isNaN(this.#log.startedMs[i])) return
    this.#busy -= 1
    this.#work()
  }

  #work() {
    const { workers, workersShare, serviceMs, speed, stalls } = this.spec
    const now = this.world.nowMs
    if (this.#queue.length === 0 || within(stalls, now)) return
    const usable = workersShare === undefined ? workers : Math.round(workers * workersShare(now))
    while (this.#busy < usable && this.#queue.length > 0) {
      const i = this.#queue.shift()
      if (this.#cancelled.delete(i)) continue
      const work = this.drawService() * this.world.flowOf(i).work
      this.#log.startedMs[i] = now
      this.#log.work[i] = work
      this.#busy += 1
      const takesMs = (work * serviceMs) / (speed === undefined ? 1 : speed(now))
      this.world.schedule(endOf(now, takesMs, stalls), this, i)
    }
  }
}

/** @param {[number, number][] | undefined} spans in seconds */
const within = (spans, tMs) => spans?.some(([from, to]) => tMs >= from * 1000 && tMs < to * 1000) ?? false

/** When work of `takesMs` begun now ends, standing still during the stalls. */
export function endOf(nowMs, takesMs, stalls) {
  let end = nowMs + takesMs
  for (const [from, to] of stalls ?? []) if (nowMs < from * 1000 && end > from * 1000) end += (to - from) * 1000
  return end
}
