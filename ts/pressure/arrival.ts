/**
 * The time at which a request's bytes came in, as the kernel knows it (Linux, native engine).
 *
 * An event loop takes one new connection an iteration, and a worker of `node:cluster` or PM2 is handed its connections by
 * another process: with a connection per request, clients wait where JavaScript does not see them. But the kernel stamps what
 * comes in on every connection, accepted or not, and reports the age of the last bytes once it is.
 *
 * ```text
 * age = (accepted − came)⁺ + min(now − max(came, accepted), busy)
 * ```
 *
 * The first term is the wait to be accepted; the second, the wait for the loop, is no longer than the loop has been busy: what
 * lies between a request's bytes and its admission may also be work of middleware that the loop slept through.
 */

import type { Server } from 'node:net'
import { loadBinding } from '../addon/addon.js'
import { builtin } from '../base/builtin.js'

const { performance } = builtin('node:perf_hooks')

/** A TCP or TLS socket, or HTTP/2's stand-in for one. */
export interface Arrival {
  readonly server?: Server | undefined
  readonly _handle?: { readonly fd?: unknown } | null
  /** TLS: the TCP socket below. */
  readonly _parent?: object | null
}

interface SocketBinding {
  /** Since the last bytes came in, ms; −1 where the system does not report it. */
  readonly socketAgeMs?: (fd: number) => number
}

/** The time at which a connection was accepted, and how long it had waited for that; its first request clears the wait. */
interface Acceptance {
  readonly atMs: number
  waitMs: number
  /** The time at which its last request was handled. */
  requestMs: number
}

/** The kernel is not asked for what can be no older than this, ms: its clock is no more exact, and to ask costs 2 µs. */
const SHORT_MS = 5
/** The kernel's clock ticks at least as often, ms. */
const TICK_MS = 10
/** A handshake of TLS takes no longer than this; what comes later did not wait to be accepted, ms. */
const HANDSHAKE_MS = 1_000

const UNKNOWN = (): number => -1
let ageOf: ((fd: number) => number) | undefined

function binding(): (fd: number) => number {
  if (process.platform !== 'linux') return UNKNOWN
  try {
    const { socketAgeMs } = loadBinding() as SocketBinding
    return typeof socketAgeMs === 'function' ? socketAgeMs : UNKNOWN
  } catch {
    // Without the addon only the loop is measured; everything else works.
    return UNKNOWN
  }
}

/** The time since the last bytes came in on a connection, ms; −1 where that can't be known. */
function bytesAgeMs({ _handle }: Arrival): number {
  const fd = _handle?.fd
  if (typeof fd !== 'number' || fd < 0) return -1
  ageOf ??= binding()
  return ageOf(fd)
}

const servers = new WeakSet<Server>()
const acceptances = new WeakMap<object, Acceptance>()

/** Notes from now on when connections of a server are accepted. */
function watch(server: Server): void {
  if (servers.has(server)) return
  servers.add(server)
  ageOf ??= binding()
  if (ageOf === UNKNOWN) return
  server.on('connection', (socket) => {
    const waitMs = bytesAgeMs(socket as Arrival)
    if (waitMs >= 0) acceptances.set(socket, { atMs: performance.now(), waitMs, requestMs: Number.NEGATIVE_INFINITY })
  })
}

/** The wait of the last request's connection to be accepted, ms. */
export const arrival = { acceptWaitMs: 0 }

/**
 * The time that a request has waited in front of the process, ms, ≥ 0; −1 where that can't be known.
 *
 * @param certainMs how long it did for certain, ms: bytes that are younger are not its own, the client has sent more since
 * @param busyMs how long the loop has been busy, ms
 * @param likelyMs how long it did on average, as far as the loop shows, ms
 */
export function arrivalWaitMs(
  socket: Arrival,
  nowMs: number,
  certainMs: number,
  busyMs: number,
  likelyMs: number,
): number {
  try {
    if (socket.server !== undefined) watch(socket.server)
    const direct = acceptances.get(socket)
    const acceptance = direct ?? (socket._parent ? acceptances.get(socket._parent) : undefined)
    const acceptedMs = acceptance?.atMs ?? Number.NEGATIVE_INFINITY
    let acceptWaitMs = 0
    if (acceptance !== undefined && acceptance.waitMs > 0) {
      acceptWaitMs = acceptance.waitMs
      acceptance.waitMs = 0
    }
    if (acceptWaitMs === 0 && busyMs < SHORT_MS) return busyMs
    if (direct !== undefined) {
      // A client sends its next request when it has the answer to the last: unless both came at once, or on HTTP/2, which is no direct one.
      const sinceMs = nowMs - direct.requestMs
      direct.requestMs = nowMs
      if (acceptWaitMs === 0 && sinceMs > certainMs && sinceMs < SHORT_MS) return Math.min(sinceMs, likelyMs)
    }
    const ageMs = bytesAgeMs(socket)
    if (ageMs < certainMs - TICK_MS) return -1
    const cameMs = nowMs - ageMs
    // Plain TCP: the bytes say themselves whether they were there. TLS: the client's hello was.
    const isLate = socket._parent ? cameMs - acceptedMs > HANDSHAKE_MS : cameMs > acceptedMs + TICK_MS
    if (isLate) acceptWaitMs = 0
    arrival.acceptWaitMs = acceptWaitMs
    return acceptWaitMs + Math.min(nowMs - Math.max(cameMs, acceptedMs), busyMs)
  } catch {
    // HTTP/2's stand-in throws when its session is gone.
    return -1
  }
}
