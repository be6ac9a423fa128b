// A pool of connections, or of one, a lock.

/** Connections that are handed out in the order of arrival, in virtual time. */
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
