import { Fifo } from './heap.mjs'
import { Plant } from './plant.mjs'

/**
 * @typedef {object} BatchSpec servers that answer many requests in one go: inference on a GPU, a bulk insert
 * @property {'batch'} kind
 * @property {number} workers batches that are worked on at once
 * @property {number} batch most requests in a batch
 * @property {number} lingerMs a server that is free waits this long for its batch to fill
 * @property {number} serviceMs mean time of a batch, however full
 * @property {keyof typeof import('./random.mjs').SERVICE_LAWS} service
 * @property {number} deadlineMs
 */

/** First come, first served, a batch at a time; all of a batch end together. */
export class BatchPlant extends Plant {
  #queue = new Fifo()
  #cancelled = new Set()
  #busy = 0
  #lingering = 0

  /** @param {number} i */
  admitted(i) {
    this.#queue.push(i)
    this.#work()
  }

  /** One in the queue takes no place in a batch any more; one in a batch changes nothing. @param {number} i */
  cancel(i) {
    if (Number.isNaN(this.world.log.startedMs[i])) this.#cancelled.add(i)
  }

  /** The linger that began as the given one is over. @param {number} linger */
  handle(linger) {
    if (linger !== this.#lingering) return
    this.#lingering = 0
    if (this.#busy < this.spec.workers && this.#queue.length > 0) this.#begin()
  }

  #work() {
    const { workers, batch, lingerMs } = this.spec
    while (this.#busy < workers && this.#queue.length >= batch) this.#begin()
    if (this.#busy < workers && this.#queue.length > 0 && this.#lingering === 0) {
      this.#lingers += 1
      this.#lingering = this.#lingers
      this.world.schedule(this.world.nowMs + lingerMs, this, this.#lingering)
    }
  }

  /** Lingers begun so far. */
  #lingers = 0

  #begin() {
    const { batch, serviceMs } = this.spec
    const { log, nowMs } = this.world
    const members = []
    while (members.length < batch && this.#queue.length > 0) {
      const i = this.#queue.shift()
      if (!this.#cancelled.delete(i)) members.push(i)
    }
    if (members.length === 0) return
    this.#lingering = 0
    this.#busy += 1
    const work = this.drawService()
    for (const i of members) {
      log.startedMs[i] = nowMs
      log.work[i] = work
    }
    const end = () => {
      this.#busy -= 1
      for (const i of members) this.world.finish(i, !this.world.fails(i))
      this.#work()
    }
    this.world.schedule(nowMs + work * serviceMs, { handle: end }, -1)
  }
}
