/** `atrion/undici`: an interceptor for outgoing requests of undici 6.20 and later, and of Node's own fetch; one route an origin. */

import type { Dispatcher } from 'undici'
import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { noteThrown } from '../base/shed-answered.js'
import { ADAPTER_PORT } from '../limiter/adapter-port.js'
import { shedErrorOf } from '../limiter/run.js'
import type { AcquireOptions, Tier } from '../limiter/types.js'
import { acquire } from './_acquire-params.js'
import { currentTier } from './_context.js'
import { type OptionTypes, validateTypes } from './_options.js'
import { called, isThenable, keyOf, type MaybePromise, tierOf } from './_resolve.js'
import { type Handler, refuseHandler, watchHandler, withHeader } from './_undici-handler.js'

export { currentTier, withTier } from './_context.js'
export { type SwarmUndiciOptions, swarmUndici } from './_undici-swarm.js'

type Request = Dispatcher.DispatchOptions

/** Every callback may answer by a promise, which is awaited for a second; the request is sent when it is there. */
export interface UndiciOptions {
  /** Name of the route. Default: `https://host`, the origin. */
  readonly route?: (request: Request) => MaybePromise<string | undefined>
  /** The importance of a request. Default: the tier of the request being handled, where its adapter propagates it; else 'normal'. */
  readonly tier?: (request: Request) => MaybePromise<Tier | string | undefined>
  /** On whose behalf: the place of a key inside its tier moves through the tier every five minutes. */
  readonly key?: (request: Request) => MaybePromise<string | number | bigint | undefined>
  /** true: the request is not guarded. */
  readonly skip?: (request: Request) => MaybePromise<boolean>
  /** Tell the other side the tier, as `X-Atrion-Tier`. Default false. */
  readonly propagate?: boolean
}

const TYPES: OptionTypes = {
  route: ['function'],
  tier: ['function'],
  key: ['function'],
  skip: ['function'],
  propagate: ['boolean'],
}

const originOf = ({ origin }: Request): string => {
  const name = String(origin ?? 'unknown')
  return name === '' ? 'unknown' : name
}

/** The answers of the callbacks. */
type Answers = readonly [skips: unknown, route: unknown, tier: unknown, key: unknown]

/**
 * Guards what is asked of others: `new Agent().compose(atrionUndici(atrion, options))`, also as the `dispatcher` of `fetch`, of
 * undici's and of Node's own. Every origin is a route of its own (`https://api.example.com`). A request that is shed rejects with
 * a ShedError; nothing is sent. Answers of 500 and above, and errors of the connection, count as failures; the caller's abort
 * does not.
 *
 * @throws ConfigError for an option that is unknown or of the wrong type
 */
export function atrionUndici(atrion: Atrion, options: UndiciOptions = {}): Dispatcher.DispatcherComposeInterceptor {
  if (typeof atrion?.acquire !== 'function') throw new ConfigError('atrion', 'an Atrion', atrion)
  if (atrion.engine === 'ts') throw new ConfigError('engine', "'native' or 'wasm', which have the closed loop", 'ts')
  const given = copyOf(options, Object.keys(TYPES))
  validateTypes(given, TYPES)
  const { route, tier, key, skip, propagate } = given
  atrion[ADAPTER_PORT]?.calls?.()

  const answersOf = (request: Request): Answers | Promise<Answers> => {
    const skips = skip && called<boolean>('skip', () => skip(request), false)
    const named = route && called<string | undefined>('route', () => route(request), undefined)
    const wanted = tier && called<string | undefined>('tier', () => tier(request), undefined)
    const whose = key && called<string | number | bigint | undefined>('key', () => key(request), undefined)
    const answers = [skips, named, wanted, whose] as const
    return answers.some(isThenable) ? Promise.all(answers) : answers
  }

  return (dispatch) => (request, handler) => {
    const send = ([skips, named, wanted, whose]: Answers, inherited: Tier | undefined): boolean => {
      if (skips === true) return dispatch(request, handler)
      const routeId = typeof named === 'string' && named !== '' ? named : originOf(request)
      const own = tierOf(wanted) ?? inherited
      const name = keyOf(whose)
      const params: AcquireOptions = { ...(own && { tier: own }), ...(name !== undefined && { key: name }) }
      const permit = acquire(atrion, routeId, params)
      if (!permit.allow) {
        const shed = shedErrorOf(routeId, permit)
        noteThrown(shed)
        refuseHandler(handler as Handler, shed)
        return true
      }
      const headers = propagate === true ? withHeader(request.headers, own ?? 'normal') : request.headers
      const sent = propagate === true ? { ...request, headers } : request
      try {
        return dispatch(sent as Request, watchHandler(handler as Handler, permit) as Dispatcher.DispatchHandler)
      } catch (error) {
        permit.release('failure')
        throw error
      }
    }
    const inherited = currentTier()
    const answers = answersOf(request)
    if (!isThenable(answers)) return send(answers as Answers, inherited)
    ;(answers as Promise<Answers>)
      .then((given) => send(given, inherited))
      .catch((error: unknown) => refuseHandler(handler as Handler, error as Error))
    return true
  }
}
