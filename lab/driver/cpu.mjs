import { Fifo } from './heap.mjs'
import { Plant } from './plant.mjs'
import { endOf } from './pool.mjs'

/**
 * @typedef {object} CpuSpec a handler that computes on the event loop: requests wait in the loop's queue before any
 * controller sees them, one is served at a time, and saying no takes time too
 * @property {'cpu'} kind
 * @property {number} serviceMs mean service time
 * @property {keyof typeof import('./random.mjs').SERVICE_LAWS} service
 * @property {number} deadlineMs
 * @property {number} rejectCost what a refusal costs, as a share of the mean service time
 * @property {import('./curve.mjs').Curve} [speed] a service that starts now takes 1/speed of its time, default 1
 * @property {[number, number][]} [stalls] seconds in which the loop is blocked, as by garbage collection
 */

/**
 * One thread working in iterations, as libuv does: an iteration handles what had arrived when it began. The queue
 * age given to the controller is what a process can measure of itself: the time since the iteration began plus
 * half the previous one's length, when that ended as this one began.
 */
export class CpuPlant extends Plant {
  #log
  #queue = new Fifo()
  /** Requests whose decision took a promise: already decided, waiting for the loop. */
  #decided = new Fifo()
  #idle = true
  #left = 0
  #iterationMs = 0
  #previousMs = 0

  /**
   * @param {CpuSpec} spec
   * @param {import('./world.mjs').World} world
   */
  constructor(spec, world) {
    super(spec, world)
    this.#log = world.log
  }

  /** @param {number} i */
  arrive(i) {
    this.#queue.push(i)
    this.#wake()
  }

  /** @param {number} i */
  admitted(i) {
    this.#decided.push({ i, allowed: true })
    this.#wake()
  }

  /** @param {number} i */
  refused(i) {
    this.#decided.push({ i, allowed: false })
    this.#wake()
  }

  /** Work that computes is not interrupted. */
  cancel() {}

  /** The loop has come to the end of what it did. @param {number} i the request served, −1 for none */
  handle(i) {
    if (i >= 0) this.world.finish(i, true)
    this.#turn()
  }

  #wake() {
    if (!this.#idle) return
    this.#idle = false
    this.#previousMs = 0
    this.#iterationMs = this.world.nowMs
    this.#left = this.#queue.length
    this.world.schedule(this.world.nowMs, this, -1)
  }

  #turn() {
    const world = this.world
    const now = world.nowMs
    const stall = this.spec.stalls?.find(([from, to]) => now >= from * 1000 && now < to * 1000)
    if (stall !== undefined) {
      world.schedule(stall[1] * 1000, this, -1)
      return
    }
    if (this.#decided.length > 0) {
      this.#perform(this.#decided.shift())
      return
    }
    if (this.#left === 0) {
      if (this.#queue.length === 0) {
        this.#idle = true
        return
      }
      this.#previousMs = now - this.#iterationMs
      this.#iterationMs = now
      this.#left = this.#queue.length
    }
    this.#left -= 1
    world.decide(this.#queue.shift(), now - this.#iterationMs + this.#previousMs / 2)
    // A synchronous decision is in #decided by now; one that takes a promise is there after this turn.
    world.schedule(now, this, -1)
  }

  #perform({ i, allowed }) {
    const { serviceMs, rejectCost, speed, stalls } = this.spec
    const now = this.world.nowMs
    const pace = speed === undefined ? 1 : speed(now)
    if (allowed) {
      const work = this.drawService()
      this.#log.startedMs[i] = now
      this.#log.work[i] = work
      this.world.schedule(endOf(now, (work * serviceMs) / pace, stalls), this, i)
    } else {
      this.world.shed(i)
      this.world.schedule(endOf(now, (rejectCost * serviceMs) / pace, stalls), this, -1)
    }
  }
}
