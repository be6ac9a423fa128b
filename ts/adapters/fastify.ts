/** `atrion/fastify`: a plugin for Fastify 5. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Atrion } from '../atrion.js'
import { withTier } from './_context.js'
import { Gate } from './_gate.js'
import { patternRoute } from './_method.js'
import type { AdapterOptions } from './_options.js'
import { describeShed, PROBLEM_TYPE, refusalHeaders, refusalOf, type Shed } from './_problem.js'
import { refuseOwn } from './_refusal.js'
import { leaveBody } from './_request-body.js'
import { trackerOf } from './_response-tracker.js'

export { currentTier, withTier } from './_context.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export { openStreams } from './_stream.js'

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

function install(app: FastifyInstance, atrion: Atrion, options: FastifyOptions): void {
  const gate = new Gate<FastifyRequest, FastifyReply>(atrion, options)
  const { onShed, propagate } = options
  app.addHook('onRequest', (request, reply, done) => {
    const { raw: node } = request
    const refuse = (shed: Shed): void => {
      if (reply.sent || reply.raw.headersSent) return
      const refusal = refusalOf(shed)
      reply.code(503).headers(refusalHeaders(refusal)).type(PROBLEM_TYPE).send(refusal.body)
    }
    gate.pass<void>(
      { request, node, response: reply.raw, pattern: () => patternOf(request) },
      (tracker) => {
        if (tracker !== undefined) tracker.isAlwaysEnded = true
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
          isAnswered: () => reply.sent || reply.raw.headersSent || reply.raw.destroyed,
        })
      },
    )
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    trackerOf(request.raw, gate)?.noteType(reply.getHeader('content-type'))
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
 * Guards every route of the application: `app.register(atrionFastify, { atrion, … })`, or, where a plugin is wanted,
 * `app.register(atrionFastify(atrion, options))`. Routes are Fastify's own (`GET /users/:id`); what it has no route for shares
 * `GET *`, one a method. A request that is shed gets no further than the `onRequest` hook: its body is not read.
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
    const { atrion, prefix, logLevel, logSerializers, ...rest } = options as FastifyPluginOptions &
      Record<string, unknown>
    settle(() => install(first as FastifyInstance, atrion, rest), done)
    return undefined
  }
  return asPlugin((app, _given, ready) => {
    settle(() => install(app, first as Atrion, options ?? {}), ready)
  })
}

asPlugin(atrionFastify as FastifyAtrionPlugin)
