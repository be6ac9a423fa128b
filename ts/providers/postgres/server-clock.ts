/**
 * The server's clock as this node knows it, and the stamps of batches by it: each is later than the one before, and than whatever this node
 * has read of others, so that of two changes that follow from each other the later one has the later stamp.
 */

const { performance } = globalThis

/** A stamp further ahead of the server's clock than this is none of a node, µs. */
const MOST_AHEAD_US = 60_000_000

export class ServerClock {
  /** µs to add to this process's monotonic clock. */
  #offsetUs = Date.now() * 1000 - performance.now() * 1000
  #lastUs = 0

  /** Takes up what the server's clock showed, µs, between two readings of this process's, ms. */
  learn(serverUs: number, sentMs: number, receivedMs: number): void {
    if (!Number.isFinite(serverUs) || serverUs <= 0) return
    this.#offsetUs = serverUs - ((sentMs + receivedMs) / 2) * 1000
  }

  /** The server's time, µs. */
  nowUs(): number {
    return Math.round(performance.now() * 1000 + this.#offsetUs)
  }

  /** The stamp of a new batch. */
  next(): number {
    this.#lastUs = Math.max(this.#lastUs + 1, this.nowUs())
    return this.#lastUs
  }

  /** Notes a stamp of another node; false: it is of no time that could be. */
  see(stamp: number): boolean {
    if (stamp - this.nowUs() > MOST_AHEAD_US) return false
    this.#lastUs = Math.max(this.#lastUs, stamp)
    return true
  }
}
