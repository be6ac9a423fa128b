/**
 * The kernel's accept queue: clients that are connected but that the process has not come to yet. An event loop takes one
 * new connection an iteration, so with a connection per request this is where clients wait, unseen from JavaScript.
 *
 * Their wait is the queue's length times the time between accepts: an iteration, or less where iterations without a request
 * went unseen, which shows in the number of connections that were accepted while the loop was busy.
 */

import { createRequire } from 'node:module'
import type { Server } from 'node:net'
import { performance } from 'node:perf_hooks'
import { iterationClock } from './iteration.js'

interface SocketBinding {
  /** Connections that wait to be accepted on a listening socket; −1 where the system does not tell. */
  readonly acceptQueueLength?: (fd: number) => number
}

/** Asked at most this often, ms. */
const SAMPLE_MS = 10
/**
 * Memory of the rate of accepts, ms of a busy loop. Refusing is quick and serving is slow, so the time between accepts follows
 * the decisions that the wait leads to; it must follow them slowly, or the two chase each other.
 */
const RATE_MEMORY_MS = 1_000
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
  /** Connections accepted, and the time the loop was busy; both fade. */
  #accepted = 0
  #busyMs = 0
  #idleMs = 0
  #sampledMs: number | undefined
  #waitMs = 0

  constructor(server: Server) {
    this.#server = server
    server.on('connection', () => {
      this.#accepted++
    })
  }

  /** How long a client that connects now will wait to be accepted, ms, ≥ 0. */
  waitMs(nowMs: number): number {
    const sampledMs = this.#sampledMs
    if (sampledMs === undefined || nowMs - sampledMs >= SAMPLE_MS) this.#sample(nowMs, sampledMs)
    return this.#waitMs
  }

  #sample(nowMs: number, sampledMs: number | undefined): void {
    const { idle } = performance.eventLoopUtilization()
    const busyMs = sampledMs === undefined ? 0 : Math.max(nowMs - sampledMs - (idle - this.#idleMs), 0)
    this.#sampledMs = nowMs
    this.#idleMs = idle
    const fade = Math.exp(-busyMs / RATE_MEMORY_MS)
    this.#busyMs = this.#busyMs * fade + busyMs
    const fd = descriptorOf(this.#server)
    const length = fd >= 0 ? binding()(fd) : -1
    const intervalMs = Math.min(this.#busyMs / Math.max(this.#accepted, 1), iterationClock.periodMs)
    this.#waitMs = length > 0 ? Math.min(length * intervalMs, MAX_WAIT_MS) : 0
    this.#accepted *= fade
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
