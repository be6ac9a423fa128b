/** `atrion/http`: before the listener of a node:http server. */

import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Atrion } from '../atrion.js'
import { wrongType } from '../base/input.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import type { AdapterOptions } from './_options.js'
import { shedIn } from './_problem.js'
import { refuse, refuseOnNode } from './_refusal.js'
import { isPromise } from './_resolve.js'
import type { ResponseTracker } from './_response-tracker.js'
import { guardUpgrades, guardUpgradesOf, type UpgradeGuard } from './_upgrade.js'

export { cancelSignal } from './_cancel.js'
export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export { openStreams } from './_stream.js'

/** A listener as `http.createServer` or `http2.createServer` takes it. It may be asynchronous. */
export type Listener<Request = IncomingMessage, Response = ServerResponse> = (
  request: Request,
  response: Response,
) => unknown

export type HttpOptions<Request = IncomingMessage, Response = ServerResponse> = AdapterOptions<Request, Response>

/** The server that a request came to; undefined where it is not known, as of a socket of HTTP/2 that has gone. */
function serverOf({ socket }: IncomingMessage): EventEmitter | undefined {
  try {
    return (socket as { readonly server?: EventEmitter } | null | undefined)?.server
  } catch {
    return undefined
  }
}

const none = (): undefined => undefined

/**
 * Guards a listener: `http.createServer(atrionHttp(atrion, handler, options))`, and likewise for `https` and HTTP/2's
 * compatibility API.
 *
 * node:http has no patterns, so all requests of a method share a route (`GET *`) unless `options.route` names others. What
 * the handler throws, or rejects with, counts as a failure and is passed on, except a ShedError of a guard further in: that is
 * answered as a shed.
 *
 * Upgrades (WebSockets) and tunnels of the server, which go to listeners of their own, count among the route's streams from
 * the first byte to their close; one more than `maxStreams` is answered 503 before those listeners see it.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range; TypeError when `handler` is no
 *   function
 */
export function atrionHttp(atrion: Atrion, app: Listener & EventEmitter, options?: HttpOptions): Listener
export function atrionHttp<Request = IncomingMessage, Response = ServerResponse>(
  atrion: Atrion,
  handler: Listener<Request, Response>,
  options?: HttpOptions<Request, Response>,
): Listener<Request, Response>
export function atrionHttp(atrion: Atrion, handler: Listener, options: HttpOptions = {}): Listener {
  if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler)
  const gate = new Gate<IncomingMessage, ServerResponse>(atrion, options)
  const { onShed, propagate } = gate.options

  const failed = (
    error: unknown,
    tracker: ResponseTracker,
    request: IncomingMessage,
    response: ServerResponse,
  ): void => {
    tracker.fail(error)
    const shed = shedIn(error)
    if (shed === undefined || response.headersSent) throw error
    refuse(request, response, shed)
  }

  const handle = (tracker: ResponseTracker, request: IncomingMessage, response: ServerResponse): unknown => {
    let settled: unknown
    const run = (): unknown => {
      const result = handler(request, response)
      if (isPromise(result)) {
        settled = result.then(undefined, (error: unknown) => failed(error, tracker, request, response))
      }
      return result
    }
    try {
      const result = tracker.running(propagate === true ? () => withTier(tracker.tier, run) : run)
      return settled ?? result
    } catch (error) {
      return failed(error, tracker, request, response)
    }
  }

  const upgrades: UpgradeGuard = (request, connection) => gate.passUpgrade(request, request, connection)

  /** The server, where this listener is called by another one. */
  let server: unknown
  const listener: Listener = (request, response) => {
    const current = serverOf(request)
    if (current !== undefined && current !== server) {
      server = current
      guardUpgrades(current, upgrades)
    }
    return gate.pass<unknown>(
      { request, node: request, response, pattern: none },
      (tracker) => (tracker === undefined ? handler(request, response) : handle(tracker, request, response)),
      (permit) => refuseOnNode(request, response, permit, onShed && (() => onShed(request, response, permit))),
    )
  }
  guardUpgradesOf(listener, upgrades)
  return listener
}
