/**
 * Upgrades and tunnels of a guarded server. Node hands them to listeners of their own, past the listener that is guarded; what a
 * server emits shows them, and no listener is added, for a server without one takes no upgrades.
 */

import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { builtin } from '../base/builtin.js'
import { PROBLEM_TYPE, refusalOf } from './_problem.js'
import { refuse } from './_refusal.js'

/** Counts a connection that leaves HTTP until it is closed; false where it is refused. Never throws. */
export type UpgradeGuard = (request: IncomingMessage, connection: Connection) => boolean

/** Connections that have left HTTP, and their refusal. */
export interface Connection {
  readonly stream: Duplex
  refuse(): void
}

type Server = EventEmitter

/** Guards by the listeners that they come with. */
const guards = new WeakMap<object, UpgradeGuard>()
const servers = new WeakMap<Server, Set<UpgradeGuard>>()

function refuseSocket(socket: Duplex): void {
  const { retryAfterS, body } = refusalOf({ retryAfterMs: undefined, limitedBy: undefined })
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Connection: close',
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${body.length}`,
    'Cache-Control: no-store',
    `Retry-After: ${retryAfterS}`,
  ]
  socket.on('error', () => {})
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** HTTP/1.1 hands a socket over; HTTP/2, for an extended CONNECT, a response. */
function connectionOf(request: IncomingMessage, other: Duplex | ServerResponse): Connection {
  if (request.httpVersionMajor !== 2) return { stream: other as Duplex, refuse: () => refuseSocket(other as Duplex) }
  const { stream } = request as IncomingMessage & { readonly stream: Duplex }
  return {
    stream,
    refuse: () => refuse(request, other as ServerResponse, { retryAfterMs: undefined, limitedBy: undefined }),
  }
}

/** Guards a server's upgrades from now on. */
export function guardUpgrades(server: Server, guard: UpgradeGuard): void {
  const known = servers.get(server)
  if (known !== undefined) {
    known.add(guard)
    return
  }
  const own = new Set([guard])
  servers.set(server, own)
  const { emit } = server
  server.emit = function emitted(this: Server, event: string | symbol, ...args: unknown[]): boolean {
    if ((event === 'upgrade' || event === 'connect') && this.listenerCount(event) > 0) {
      const [request, other] = args as [IncomingMessage, Duplex | ServerResponse]
      const connection = connectionOf(request, other)
      for (const passes of own) {
        if (passes(request, connection)) continue
        connection.refuse()
        return true
      }
    }
    return emit.call(this, event, ...args)
  }
}

function connected(message: unknown): void {
  const { server } = (message as { readonly socket: Socket & { readonly server?: Server } }).socket
  if (typeof server?.listeners !== 'function') return
  for (const listener of server.listeners('request')) {
    const guard = guards.get(listener)
    if (guard !== undefined) guardUpgrades(server, guard)
  }
}

let isWatching = false

/** Guards the upgrades of every server of this thread that gets this listener for its requests. */
export function guardUpgradesOf(listener: object, guard: UpgradeGuard): void {
  guards.set(listener, guard)
  if (isWatching) return
  isWatching = true
  builtin('node:diagnostics_channel').subscribe('net.server.socket', connected)
}
