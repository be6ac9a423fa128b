/** Options of handlers and controllers of NestJS, as decorators. */

import type { ExecutionContext } from '@nestjs/common'
import type { Tier as TierName } from '../limiter/types.js'
import type { MaybePromise } from './_resolve.js'
import { type AdapterRouteOptions, over, routeOptionsOf } from './_route-options.js'

/** Key of the metadata of a handler or a controller. */
const METADATA = 'atrion:route'

/** The parts of reflect-metadata that are used; every application of Nest has it. */
const metadata = Reflect as unknown as {
  getMetadata?(key: string, target: object): AdapterRouteOptions<never> | undefined
  getOwnMetadata?(key: string, target: object): AdapterRouteOptions<never> | undefined
  defineMetadata?(key: string, value: unknown, target: object): void
}

/** For a handler, and for a controller, whose handlers' own options are over its. */
export type RouteDecorator = (target: object, name?: string | symbol, descriptor?: PropertyDescriptor) => void

function decorator(given: AdapterRouteOptions<never>): RouteDecorator {
  const options = routeOptionsOf(given)
  return (target, _name, descriptor) => {
    const subject = (descriptor?.value ?? target) as object
    metadata.defineMetadata?.(METADATA, over(metadata.getOwnMetadata?.(METADATA, subject) ?? {}, options), subject)
  }
}

/**
 * Options of a handler, or of a controller: `@AtrionRoute({ stream: true, maxWaitMs: 50 })`.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range
 */
export const AtrionRoute = <Request = never>(options: AdapterRouteOptions<Request>): RouteDecorator =>
  decorator(options)

/**
 * The importance of a handler's, or a controller's, requests: `@Tier('high')`, or what tells it of a request.
 *
 * @throws ConfigError for a name that is no tier
 */
export const Tier = <Request = never>(
  tier: TierName | ((request: Request) => MaybePromise<TierName | string | undefined>),
): RouteDecorator => decorator({ tier })

/** The client of a request to a handler, or a controller: `@Key((request) => request.user?.id)`. */
export const Key = <Request = never>(
  key: (request: Request) => MaybePromise<string | number | bigint | undefined>,
): RouteDecorator => decorator({ key })

/** A handler, or a controller, that is not guarded (health checks, metrics); false: it is, though its controller is not. */
export const SkipAtrion = (skip = true): RouteDecorator => decorator({ skip })

/** Options by handlers, by their controllers. */
const known = new WeakMap<object, WeakMap<object, { readonly own: AdapterRouteOptions<never> | undefined }>>()

/** The options of the handler that a request has come to, over those of its controller. */
export function optionsOf<Request>(context: ExecutionContext): AdapterRouteOptions<Request> | undefined {
  const controller = context.getClass() as object
  const handler = context.getHandler() as object
  let handlers = known.get(controller)
  if (handlers === undefined) {
    handlers = new WeakMap()
    known.set(controller, handlers)
  }
  let entry = handlers.get(handler)
  if (entry === undefined) {
    const ofController = metadata.getMetadata?.(METADATA, controller)
    const ofHandler = metadata.getMetadata?.(METADATA, handler)
    const own = ofController === undefined ? ofHandler : over(ofController, ofHandler ?? {})
    entry = { own }
    handlers.set(handler, entry)
  }
  return entry.own as AdapterRouteOptions<Request> | undefined
}
