/** `atrion/fastify`: a plugin for Fastify 5. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Atrion } from '../atrion.js'
import { textOfAny } from '../base/host-calls.js'
import { copyOf, own } from '../base/own.js'
import { warnOnce } from '../base/warn-once.js'
import type { RequestAdmission } from './_admission.js'
import { isClosed } from './_closed.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import { patternRoute } from './_method.js'
import { type AdapterOptions, TYPES } from './_options.js'
import { describeShed, PROBLEM_TYPE, refusalHeaders, refusalOf, type Shed } from './_problem.js'
import { refuseOwn } from './_refusal.js'
import { leaveBody } from './_request-body.js'
import { trackerOf } from './_response-tracker.js'
import { type AdapterRouteOptions, routeOptionsOf } from './_route-options.js'

export type { RequestAdmission } from './_admission.js'
export { cancelSignal } from './_cancel.js'
export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export type { AdapterRouteOptions } from './_route-options.js'
export { openStreams } from './_stream.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The instance that guards this context: set by `atrion/fastify`. */
    readonly atrion: Atrion
  }
  interface FastifyRequest {
    /** The request as it was admitted; null where it is not guarded. */
    readonly atrion: RequestAdmission | null
  }
  interface FastifyContextConfig {
    /** Options of this route, over those of the plugin; false: it is not guarded. */
    readonly atrion?: AdapterRouteOptions<FastifyRequest> | false
  }
}

export type FastifyOptions = AdapterOptions<FastifyRequest, FastifyReply>

/** For `app.register(atrionFastify, { atrion, … })`. */
export interface FastifyPluginOptions extends FastifyOptions {
  readonly atrion: Atrion
}

export type FastifyAtrionPlugin = (app: FastifyInstance, options: unknown, done: (error?: Error) => void) => void

const NAME = 'atrion'

/** Hooks are for the application that registers the plugin, not for a child of it. */
function asPlugin<T extends FastifyAtrionPlugin>(plugin: T): T {
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: NAME,
    [Symbol.for('plugin-meta')]: { name: NAME, fastify: '>=5' },
  })
}

function patternOf(request: FastifyRequest): string | undefined {
  const { url } = request.routeOptions
  return request.is404 || url === undefined ? undefined : patternRoute(request.method, url)
}

type Own = AdapterRouteOptions<FastifyRequest>

const UNGUARDED: Own = { skip: true }
/** Options of routes that were there before the plugin: valid ones, and undefined for what is none. */
const seen = new WeakMap<object, Own | undefined>()

/** The options in a route's `config.atrion`. @throws ConfigError for an option that is unknown, of the wrong type or out of its range */
const optionsIn = (given: Own | false): Own => (given === false ? UNGUARDED : routeOptionsOf(given))

/** The same while a request is under way, which wrong options do not harm. */
function ownOf({ routeOptions }: FastifyRequest): Own | undefined {
  const given = own(routeOptions.config, 'atrion') as Own | false | undefined
  if (given === undefined) return undefined
  if (given === false) return UNGUARDED
  if (!seen.has(given)) {
    let valid: Own | undefined
    try {
      valid = optionsIn(given)
    } catch (error) {
      warnOnce('config.atrion', `config.atrion of ${routeOptions.url} does not count: ${textOfAny(error)}`)
    }
    seen.set(given, valid)
  }
  return seen.get(given)
}

/** `app.atrion`, and `request.atrion`, in this context and those within. */
function decorate(app: FastifyInstance, atrion: Atrion): void {
  // Of two guards in one context the first gives it its name.
  if (!Object.hasOwn(app, 'atrion')) app.decorate('atrion', atrion)
  if (!app.hasRequestDecorator('atrion')) app.decorateRequest('atrion', null)
}

function install(app: FastifyInstance, atrion: Atrion, options: FastifyOptions): void {
  const gate = new Gate<FastifyRequest, FastifyReply>(atrion, options)
  decorate(app, atrion)
  app.addHook('onRoute', ({ config }) => {
    const given = own(config ?? {}, 'atrion') as Own | false | undefined
    if (given !== undefined) optionsIn(given)
  })
  const { onShed, propagate } = gate.options
  app.addHook('onRequest', (request, reply, done) => {
    const { raw: node } = request
    const refuse = (shed: Shed): void => {
      if (reply.sent || reply.raw.headersSent) return
      const refusal = refusalOf(shed)
      reply.code(503).headers(refusalHeaders(refusal)).type(PROBLEM_TYPE).send(refusal.body)
    }
    gate.pass<void>(
      { request, node, response: reply.raw, pattern: () => patternOf(request), own: ownOf(request) },
      (tracker) => {
        if (tracker !== undefined) {
          ;(request as { atrion: RequestAdmission | null }).atrion = tracker
          tracker.isAlwaysEnded = true
        }
        if (tracker !== undefined && propagate === true) withTier(tracker.tier, done)
        else done()
      },
      (permit) => {
        leaveBody(node, reply.raw)
        if (onShed === undefined) return refuse(permit)
        refuseOwn({
          answer: () => onShed(request, reply, permit),
          refuse: () => refuse(permit),
          raise: (error) => reply.send(error),
          isAnswered: () => reply.sent || reply.raw.headersSent || isClosed(reply.raw),
        })
      },
    )
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    const tracker = trackerOf(request.raw, gate)
    tracker?.noteType(reply.getHeader('content-type'))
    tracker?.noteAnswer()
    done()
  })
  app.addHook('onError', (request, _reply, error, done) => {
    const shed = describeShed(error)
    if (shed !== undefined) trackerOf(request.raw, gate)?.noteShed(shed)
    done()
  })
}

function settle(work: () => void, done: (error?: Error) => void): void {
  try {
    work()
  } catch (error) {
    done(error as Error)
    return
  }
  done()
}

/**
 * Guards every route of the context that it is registered in: of the application, or of a plugin of its own and what is within.
 * `app.register(atrionFastify, { atrion, … })`, or, where a plugin is wanted, `app.register(atrionFastify(atrion, options))`.
 *
 * There `app.atrion` is the instance, `request.atrion` the request as it was admitted, and a route has options of its own:
 * `app.get('/pay', { config: { atrion: { tier: 'high' } } }, pay)`, or `atrion: false` where it is not guarded.
 *
 * Names of routes are Fastify's own (`GET /users/:id`); what it has no route for shares `GET *`, one a method. A request that is
 * shed gets no further than the `onRequest` hook: its body is not read.
 *
 * @throws ConfigError for an option that is unknown, of the wrong type or out of its range; `app.register` rejects with it
 */
export function atrionFastify(atrion: Atrion, options?: FastifyOptions): FastifyAtrionPlugin
export function atrionFastify(app: FastifyInstance, options: FastifyPluginOptions, done: (error?: Error) => void): void
export function atrionFastify(
  first: Atrion | FastifyInstance,
  options?: FastifyOptions | FastifyPluginOptions,
  done?: (error?: Error) => void,
): FastifyAtrionPlugin | undefined {
  if (done !== undefined) {
    // Fastify's own options of `register` come along with the plugin's.
    const {
      prefix,
      logLevel,
      logSerializers,
      atrion: _,
      ...rest
    } = copyOf(options, Object.keys(TYPES)) as FastifyPluginOptions & Record<string, unknown>
    const atrion = own(options as FastifyPluginOptions, 'atrion') as Atrion
    settle(() => install(first as FastifyInstance, atrion, rest), done)
    return undefined
  }
  return asPlugin((app, _given, ready) => {
    settle(() => install(app, first as Atrion, options ?? {}), ready)
  })
}

asPlugin(atrionFastify as FastifyAtrionPlugin)
