/** `atrion/fastify`: a plugin for Fastify 5. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Atrion } from '../atrion.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import { Passage } from './_lifecycle.js'
import { type AdapterOptions, patternRoute } from './_options.js'
import { PROBLEM_TYPE, refusalOf } from './_refusal.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'

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

function install(app: FastifyInstance, atrion: Atrion, options: FastifyOptions): void {
  const gate = new Gate<FastifyRequest, FastifyReply>(atrion, options)
  const { onShed, propagate } = options
  app.addHook('onRequest', (request, reply, done) => {
    if (gate.skips(request)) return done()
    const { url } = request.routeOptions
    const pattern = request.is404 || url === undefined ? undefined : patternRoute(request.method, url)
    const routeId = gate.routeOf(request, request.raw, pattern)
    const permit = gate.enter(routeId, request, request.raw)
    if (permit.allow) {
      new Passage(atrion, routeId, permit, request.raw, reply.raw)
      if (propagate === true) withTier(gate.lastTier, done)
      else done()
      return
    }
    if (onShed !== undefined) {
      onShed(request, reply, permit)
      return
    }
    const { retryAfterS, body } = refusalOf(permit)
    reply.code(503).header('retry-after', retryAfterS).header('cache-control', 'no-store').type(PROBLEM_TYPE).send(body)
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
 * Guards every route of the application: `app.register(atrionFastify, { atrion, … })`, or, where a plugin is wanted,
 * `app.register(atrionFastify(atrion, options))`. Routes are Fastify's own (`GET /users/:id`); what it has no route for shares
 * `GET *`, one a method. A request that is shed gets no further than the `onRequest` hook: its body is not read.
 *
 * @throws ConfigError for an option of the wrong type; `app.register` rejects with it
 */
export function atrionFastify(atrion: Atrion, options?: FastifyOptions): FastifyAtrionPlugin
export function atrionFastify(app: FastifyInstance, options: FastifyPluginOptions, done: (error?: Error) => void): void
export function atrionFastify(
  first: Atrion | FastifyInstance,
  options?: FastifyOptions | FastifyPluginOptions,
  done?: (error?: Error) => void,
): FastifyAtrionPlugin | undefined {
  if (done !== undefined) {
    const { atrion, ...rest } = options as FastifyPluginOptions
    settle(() => install(first as FastifyInstance, atrion, rest), done)
    return undefined
  }
  return asPlugin((app, _given, ready) => {
    settle(() => install(app, first as Atrion, options ?? {}), ready)
  })
}

asPlugin(atrionFastify as FastifyAtrionPlugin)
