// A pool of connections, or of one, a lock, and requests to it through the instance, in virtual time.
import { isShedError } from 'atrion'
import { EventHeap, exponential } from 'atrion/simulation'
import { randomOf, virtual } from '../_engine.mjs'

/** The turns of the microtask queue in which a call is answered and what it answers has come to its caller. */
const TURNS = 6

/** Connections that are handed out in the order of arrival. */
export class Pool {
  #free
  #queue = []

  constructor(connections) {
    this.#free = connections
  }

  acquire(take) {
    if (this.#free > 0) {
      this.#free -= 1
      take()
    } else this.#queue.push(take)
  }

  leave(take) {
    this.#queue = this.#queue.filter((one) => one !== take)
  }

  release() {
    const next = this.#queue.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}

/** Calls that hold a connection each, and arrive one after the other at random. */
export class PoolWorld {
  #random
  #pool
  #events = new EventHeap()
  #startMs
  #world = virtual()

  constructor(seed, connections) {
    this.#random = randomOf(seed)
    this.#pool = new Pool(connections)
    this.#startMs = this.#world.clock.now()
  }

  /** The time since the start, ms. */
  get nowMs() {
    return this.#world.clock.now() - this.#startMs
  }

  random() {
    return this.#random()
  }

  exponential(meanMs) {
    return meanMs * exponential(this.#random)
  }

  /**
   * Runs a call that waits for a connection and holds it.
   *
   * @param endOf called once the call has its connection; returns the time since the start at which it ends, ms
   * @param onCancel called when the call is cancelled
   * @param onEnd called when it has ended
   */
  call({ cancellable, endOf, onCancel, onEnd }) {
    const pool = this.#pool
    const work = (signal) =>
      new Promise((resolve, reject) => {
        let hasPlace = false
        const take = () => {
          hasPlace = true
          this.#events.push(endOf(), () => {
            if (signal.aborted) return
            resolve()
            pool.release()
          })
        }
        signal.addEventListener('abort', () => {
          onCancel()
          if (hasPlace) pool.release()
          else pool.leave(take)
          reject(signal.reason)
        })
        pool.acquire(take)
      })
    this.#world.atrion.run('db', work, { cancellable }).then(onEnd, (error) => {
      if (!isShedError(error)) throw error
    })
  }

  /** Calls `arrive` at random times, `meanMs` apart on average, the first one now, until `endMs` after the start. */
  async run(meanMs, endMs, arrive) {
    const events = this.#events
    const next = () => {
      arrive()
      if (this.nowMs < endMs) events.push(this.nowMs + this.exponential(meanMs), next)
    }
    // A refusal is expected here, and its stack is read by nothing.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      next()
      while (events.nextMs < endMs) {
        const { nextMs } = events
        this.#world.clock.set(this.#startMs + nextMs)
        events.pop()()
        for (let i = 0; i < TURNS; i++) await undefined
      }
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }
}
