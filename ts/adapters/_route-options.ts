/**
 * Options of one route, within what a guard of the application passes. Where a framework lets the guard see them beforehand they
 * count when the request is admitted; else from where the request comes to them.
 */

import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { nearestName } from '../base/suggest.js'
import { TIERS } from '../engine/port.js'
import type { Tier } from '../limiter/types.js'
import type { AcquireParams } from './_acquire-params.js'
import { type CancellableOption, shareOf } from './_cancel.js'
import { type OptionTypes, validateBounds, validateTypes } from './_options.js'
import { called, isThenable, isTier, keyOf, type MaybePromise, tierOf } from './_resolve.js'

/**
 * Options of one route, over those of its guard. A function gets the framework's request, and may answer by a promise.
 *
 * As middleware, plain values count at admission, since the guard looks ahead to the route. A function is called when the request
 * reaches the middleware, after what comes before it (`req.user`, `ctx.params`); a priority below that of the admission, and a key,
 * are then asked for anew. Without a guard before it there is nothing to change.
 */
export interface AdapterRouteOptions<Request> {
  /** Name of the route. There should be few: never the raw URL. Default: the framework's own pattern. */
  readonly route?: string | ((request: Request) => MaybePromise<string | undefined>)
  /** The importance of its requests. */
  readonly tier?: Tier | ((request: Request) => MaybePromise<Tier | string | undefined>)
  /** The client of a request (user, tenant, session). */
  readonly key?: string | ((request: Request) => MaybePromise<string | number | bigint | undefined>)
  /** true: the route's requests are not guarded at all (health checks, metrics). */
  readonly skip?: boolean | ((request: Request) => MaybePromise<boolean>)
  /** true: the route's answers are long-lived (a long poll, a feed): budgeted by `maxStreams` alone. */
  readonly stream?: boolean | ((request: Request) => MaybePromise<boolean>)
  /** The time that its requests may wait for their turn before they are refused, ms, ≥ 0. 0: they do not wait. */
  readonly maxWaitMs?: number
  /** The route's requests may be cancelled: see the guard's option. */
  readonly cancellable?: CancellableOption<Request>
}

const TYPES: OptionTypes = {
  route: ['string', 'function'],
  tier: ['string', 'function'],
  key: ['string', 'function'],
  skip: ['boolean', 'function'],
  stream: ['boolean', 'function'],
  maxWaitMs: ['number'],
  cancellable: ['boolean', 'function'],
}

/** @throws ConfigError for a tier that is none, with the nearest one that is */
function validateTier(tier: unknown): void {
  if (typeof tier !== 'string' || isTier(tier)) return
  throw new ConfigError('tier', [...TIERS].reverse().join(', '), tier, { nearest: nearestName(tier, TIERS) })
}

/** @throws ConfigError for an option that is unknown, of the wrong type or out of its range */
export function routeOptionsOf<Options extends object>(given: Options): Options {
  const options = copyOf(given, Object.keys(TYPES))
  validateTypes(options, TYPES)
  const { tier, route } = options as Record<string, unknown>
  validateTier(tier)
  if (route === '') throw new ConfigError('route', 'a name', route)
  validateBounds(options as Record<string, unknown>)
  return options
}

/** The answers of a route's options for one request; undefined: not given. */
export interface Answers {
  readonly route: string | undefined
  readonly tier: Tier | undefined
  readonly key: string | undefined
  readonly isStream: boolean
  readonly share: (() => number) | undefined
}

const answerOf = <Request>(name: string, option: unknown, request: Request): unknown =>
  typeof option === 'function' ? called<unknown>(name, () => option(request), undefined) : option

/** Asks a route's options about a request; undefined where it is skipped. Never rejects, and never throws. */
export function answersOf<Request>(
  options: AdapterRouteOptions<Request>,
  request: Request,
): Answers | undefined | Promise<Answers | undefined> {
  const { skip } = options
  if (skip === undefined || skip === false) return describe(options, request)
  const skips = answerOf('skip', skip, request)
  if (!isThenable(skips)) return skips === true ? undefined : describe(options, request)
  return (skips as Promise<unknown>).then((is) => (is === true ? undefined : describe(options, request)))
}

function describe<Request>(options: AdapterRouteOptions<Request>, request: Request): Answers | Promise<Answers> {
  const named = answerOf('route', options.route, request)
  const wanted = answerOf('tier', options.tier, request)
  const whose = answerOf('key', options.key, request)
  const long = answerOf('stream', options.stream, request)
  const share = shareOf(options.cancellable, request)
  if (isThenable(named) || isThenable(wanted) || isThenable(whose) || isThenable(long)) {
    return Promise.all([named, wanted, whose, long]).then(([a, b, c, d]) => understood(a, b, c, d, share))
  }
  return understood(named, wanted, whose, long, share)
}

const understood = (
  named: unknown,
  wanted: unknown,
  whose: unknown,
  long: unknown,
  share: (() => number) | undefined,
): Answers => ({
  share,
  route: typeof named === 'string' && named !== '' ? named : undefined,
  tier: wanted === undefined ? undefined : tierOf(wanted),
  key: whose === undefined ? undefined : keyOf(whose),
  isStream: long === true,
})

/** Options over others: what is not given leaves what there was. */
export function over<Options extends object>(base: Options, own: object): Options {
  const all = Object.assign(Object.create(null), base) as Record<string, unknown>
  for (const [name, value] of Object.entries(own)) if (value !== undefined) all[name] = value
  return all as Options
}

/** The options of a middleware: those that hold before anything is known of the request but its route, and the rest. */
interface Mark {
  readonly constants: AdapterRouteOptions<unknown>
  readonly functions: AdapterRouteOptions<never>
}

const MARK: unique symbol = Symbol.for('atrion.route-options') as never

/** Marks a middleware, so that a guard before it finds the options that it is going to come to. */
export function markRoute<T extends object>(middleware: T, options: AdapterRouteOptions<never>): T {
  const given = Object.entries(options)
  const mark: Mark = {
    constants: Object.fromEntries(given.filter(([, value]) => typeof value !== 'function')),
    functions: Object.fromEntries(given.filter(([, value]) => typeof value === 'function')),
  }
  return Object.assign(middleware, { [MARK]: mark })
}

const markOf = (middleware: unknown): Mark | undefined =>
  (middleware as { readonly [MARK]?: Mark } | null | undefined)?.[MARK]

/** Returns whether a middleware has options of a route. */
export const hasRouteOptions = (middleware: unknown): boolean => markOf(middleware) !== undefined

/** The parts of combined options. */
const sources = new WeakMap<object, readonly object[]>()

/** The options of several middleware that a request is going to pass one after the other, as far as they need no request. */
export function optionsAlong(middleware: readonly unknown[]): AdapterRouteOptions<unknown> | undefined {
  const marks = middleware.map(markOf).filter((mark) => mark !== undefined)
  if (marks.length < 2) return marks[0]?.constants
  const constants = marks.map((mark) => mark.constants)
  const all = constants.reduce((base, own) => over(base, own))
  sources.set(all, constants)
  return all
}

/**
 * The options of a middleware that still count where a request comes to it: all, or the functions among them where the rest was
 * `foreseen`; undefined where none is left.
 */
export function optionsLeft<Request>(
  middleware: object,
  options: AdapterRouteOptions<Request>,
  foreseen: AdapterRouteOptions<unknown> | undefined,
): AdapterRouteOptions<Request> | undefined {
  const mark = markOf(middleware)
  if (mark === undefined || foreseen === undefined) return options
  if (foreseen !== mark.constants && sources.get(foreseen)?.includes(mark.constants) !== true) return options
  const functions = mark.functions as AdapterRouteOptions<Request>
  return Object.keys(functions).length === 0 ? undefined : functions
}

/** The parameters of a request as a guard or a route further in has them: what it does not give stays. `known`: the route's name there. */
export function refined(
  before: AcquireParams,
  known: string | undefined,
  given: Partial<AcquireParams>,
): AcquireParams {
  const isPriority = given.tier !== undefined || given.voltage !== undefined
  return {
    route: known === undefined ? before.route : given.route,
    tier: isPriority ? given.tier : before.tier,
    voltage: isPriority ? given.voltage : before.voltage,
    key: given.key ?? before.key,
    isStream: before.isStream || given.isStream === true,
    share: given.share ?? before.share,
  }
}

const rankOf = (tier: Tier | undefined): number => TIERS.indexOf(tier ?? 'normal')

/** Returns whether a request that was admitted must be asked for again: its priority is lower than it was admitted with, or its client another. */
export function isAskedAgain(before: AcquireParams, after: AcquireParams): boolean {
  if (after.key !== before.key) return true
  if (after.voltage === undefined && before.voltage === undefined) return rankOf(after.tier) < rankOf(before.tier)
  return after.voltage === undefined || before.voltage === undefined || after.voltage < before.voltage
}
