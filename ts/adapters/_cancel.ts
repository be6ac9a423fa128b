/** Requests that may be cancelled for what they hold while others wait, and the signal by which their handlers learn of it. */

import type { Atrion } from '../atrion.js'
import { ADAPTER_PORT } from '../limiter/adapter-port.js'
import type { Permit } from '../limiter/types.js'
import type { AcquireParams } from './_acquire-params.js'
import type { Shed } from './_problem.js'

/** The option: whether requests may be cancelled, or what a request holds of that which others wait for, ≥ 0. */
export type CancellableOption<Request> = boolean | ((request: Request) => number)

const WHOLE = (): number => 1

/** A request's share as the option has it; undefined: it may not be cancelled. */
export function shareOf<Request>(
  option: CancellableOption<Request> | undefined,
  request: Request,
): (() => number) | undefined {
  if (typeof option === 'function') return () => option(request)
  return option === true ? WHOLE : undefined
}

const controllers = new WeakMap<object, AbortController>()

function controllerOf(request: object): AbortController {
  let controller = controllers.get(request)
  if (controller === undefined) {
    controller = new AbortController()
    controllers.set(request, controller)
  }
  return controller
}

interface Wrapped {
  readonly raw?: object
  readonly req?: { readonly raw?: object }
  readonly env?: { readonly incoming?: object }
}

/**
 * The signal of a request whose adapter has the option `cancellable`: aborted, with a `ShedError`, when the request is cancelled for what it
 * holds while others wait. A handler passes it on to what it holds (a query, a `fetch`) and lets the error go up, or answers 503.
 *
 * @param request Node's request, or Express's, Fastify's, Nest's; Koa's or Hono's context; a `Request` of fetch
 * @throws TypeError for what is no request
 */
export function cancelSignal(request: object): AbortSignal {
  if (typeof request !== 'object' || request === null) throw new TypeError('request must be a request, or its context')
  const { raw, req, env } = request as Wrapped
  return controllerOf(raw ?? env?.incoming ?? req?.raw ?? req ?? request).signal
}

/**
 * Lets a request be cancelled while it holds `permit`, where its adapter has the option.
 *
 * @param stop called before its signal is aborted
 * @returns what ends that; undefined: it may not be cancelled
 */
export function mayCancel(
  atrion: Atrion,
  routeId: string,
  permit: Permit,
  { share, key }: AcquireParams,
  request: object,
  stop: (reason: Shed & object) => void,
): (() => void) | undefined {
  if (share === undefined) return undefined
  return (atrion as Partial<Atrion>)[ADAPTER_PORT]?.cancellable(routeId, permit, share, key, (reason) => {
    stop(reason)
    controllerOf(request).abort(reason)
  })
}
