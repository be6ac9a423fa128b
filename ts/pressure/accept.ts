/**
 * The kernel's accept queue: clients that are connected but that the process has not come to yet. An event loop takes one
 * new connection an iteration, so with a connection per request this is where clients wait, unseen from JavaScript.
 *
 * Their wait follows from Little's law: length of the queue ÷ rate at which connections are taken from it.
 */

import { createRequire } from 'node:module'
import type { Server } from 'node:net'

interface SocketBinding {
  /** Connections that wait to be accepted on a listening socket; −1 where the system does not tell. */
  readonly acceptQueueLength?: (fd: number) => number
}

/** Asked at most this often, ms. */
const SAMPLE_MS = 10
/** Memory of the rate of accepts, ms. */
const RATE_MEMORY_MS = 100
/** An estimate is never further off than this, ms. */
const MAX_WAIT_MS = 60_000

let lengthOf: ((fd: number) => number) | undefined

function binding(): (fd: number) => number {
  if (lengthOf === undefined) {
    lengthOf = () => -1
    if (process.platform === 'linux') {
      try {
        const { acceptQueueLength } = createRequire(import.meta.url)('#native') as SocketBinding
        if (typeof acceptQueueLength === 'function') lengthOf = acceptQueueLength
      } catch {
        // Without the addon the queue stays invisible; everything else works.
      }
    }
  }
  return lengthOf
}

/** The descriptor of a listening server; −1 where there is none, as in a worker of `node:cluster`. */
function descriptorOf(server: Server): number {
  const fd = (server as Server & { _handle?: { fd?: unknown } | null })._handle?.fd
  return typeof fd === 'number' ? fd : -1
}

/** The queue before one server. */
class AcceptQueue {
  readonly #server: Server
  #accepted = 0
  #sampledMs = Number.NEGATIVE_INFINITY
  /** Time between accepts, ms. */
  #intervalMs = 0
  #waitMs = 0

  constructor(server: Server) {
    this.#server = server
    server.on('connection', () => {
      this.#accepted++
    })
  }

  /** How long a client that connects now will wait to be accepted, ms, ≥ 0. */
  waitMs(nowMs: number): number {
    const elapsedMs = nowMs - this.#sampledMs
    if (elapsedMs >= SAMPLE_MS) this.#sample(nowMs, elapsedMs)
    return this.#waitMs
  }

  #sample(nowMs: number, elapsedMs: number): void {
    this.#sampledMs = nowMs
    const fd = descriptorOf(this.#server)
    const length = fd >= 0 ? binding()(fd) : -1
    if (length <= 0) {
      // Nobody waits: the rate of accepts is the rate of arrivals, which tells nothing of how fast they could be.
      this.#waitMs = 0
      this.#accepted = 0
      return
    }
    const intervalMs = elapsedMs / Math.max(this.#accepted, 1)
    const known = this.#waitMs > 0
    const share = known ? 1 - Math.exp(-elapsedMs / RATE_MEMORY_MS) : 1
    this.#intervalMs += (Math.min(intervalMs, MAX_WAIT_MS) - this.#intervalMs) * share
    this.#accepted = 0
    this.#waitMs = Math.min(length * this.#intervalMs, MAX_WAIT_MS)
  }
}

const queues = new WeakMap<Server, AcceptQueue>()

/** The queue before a server, which is looked at from its first request on. */
export function acceptQueueOf(server: Server): AcceptQueue {
  let queue = queues.get(server)
  if (queue === undefined) {
    queue = new AcceptQueue(server)
    queues.set(server, queue)
  }
  return queue
}
