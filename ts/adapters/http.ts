/** `atrion/http`: before the listener of a node:http server. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Atrion } from '../atrion.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import { Passage } from './_lifecycle.js'
import type { AdapterOptions } from './_options.js'
import { refuse } from './_refusal.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'

/** A listener as `http.createServer` takes it. It may be asynchronous. */
export type Listener<
  Request extends IncomingMessage = IncomingMessage,
  Response extends ServerResponse = ServerResponse,
> = (request: Request, response: Response) => unknown

export type HttpOptions<
  Request extends IncomingMessage = IncomingMessage,
  Response extends ServerResponse = ServerResponse,
> = AdapterOptions<Request, Response>

/**
 * Guards a listener: `http.createServer(atrionHttp(atrion, handler, options))`, and likewise for `https`.
 *
 * node:http has no patterns, so all requests of a method share a route (`GET *`) unless `options.route` names others. What
 * the handler throws, or rejects with, counts as a failure and is passed on.
 *
 * @throws ConfigError for an option of the wrong type; TypeError when `handler` is no function
 */
export function atrionHttp<Request extends IncomingMessage, Response extends ServerResponse>(
  atrion: Atrion,
  handler: Listener<Request, Response>,
  options: HttpOptions<Request, Response> = {},
): Listener<Request, Response> {
  if (typeof handler !== 'function') throw new TypeError('handler must be a function')
  const gate = new Gate<Request, Response>(atrion, options)
  const { onShed, propagate } = options
  return (request, response) => {
    if (gate.skips(request)) return handler(request, response)
    const routeId = gate.routeOf(request, request, undefined)
    const permit = gate.enter(routeId, request, request)
    if (!permit.allow) {
      if (onShed === undefined) return refuse(response, permit)
      return onShed(request, response, permit)
    }
    const passage = new Passage(atrion, routeId, permit, request, response)
    let result: unknown
    try {
      result =
        propagate === true ? withTier(gate.lastTier, () => handler(request, response)) : handler(request, response)
    } catch (error) {
      passage.fail()
      throw error
    }
    if (!(result instanceof Promise)) return result
    return result.catch((error: unknown) => {
      passage.fail()
      throw error
    })
  }
}
