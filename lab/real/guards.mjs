// The contestants as what stands before a node:http handler.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { entrantById } from '../contestants/index.mjs'

const require = createRequire(import.meta.url)

/** @typedef {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => unknown} Handler */

const refuse = (res) => {
  res.writeHead(503, { 'retry-after': '1', 'content-length': '0' })
  res.end()
}

/** A contestant of the virtual arena, asked before the handler and notified when the answer is out. */
const asInArena = (id) => ({
  id,
  async listen({ handler, plant, capacityPerS }) {
    const clock = { now: () => performance.now() }
    const { deadlineMs } = plant
    const { name, settings, admit } = entrantById(id).create({ clock, deadlineMs, capacityPerS, plant })
    const serve = (permit, req, res) => {
      if (permit === null) return refuse(res)
      res.once('close', () => permit.end(res.writableFinished && res.statusCode < 500 ? 'success' : 'ignored'))
      return handler(req, res)
    }
    const server = createServer((req, res) => {
      const tier = req.headers['x-tier']
      const answer = admit({ tier, key: req.headers['x-user'], nowMs: clock.now() })
      if (answer instanceof Promise) answer.then((permit) => serve(permit, req, res))
      else serve(answer, req, res)
    })
    return { server, name, settings }
  },
})

/** `atrion/http` with the deadline, and where this service keeps the tier and the user. */
const atrion = {
  id: 'atrion',
  unavailable() {
    try {
      require.resolve('atrion/http')
      return null
    } catch {
      return 'this build has no atrion/http'
    }
  },
  async listen({ handler, plant }) {
    const { Atrion } = require('atrion')
    const { atrionHttp } = require('atrion/http')
    // Everyday services: the default, and nothing else; node:http has no patterns, so the path is the route.
    if (plant.everyday) {
      const route = (req) => `GET ${req.url}`
      return {
        server: createServer(atrionHttp(new Atrion(), handler, { route })),
        name: 'Atrion (atrion/http, no options)',
        settings: {},
      }
    }
    const slo = { maxAcceptableLatencyMs: plant.deadlineMs }
    const guard = new Atrion({ slo })
    const options = {
      route: () => 'GET /work',
      tier: (req) => req.headers['x-tier'],
      key: (req) => req.headers['x-user'],
    }
    return {
      server: createServer(atrionHttp(guard, handler, options)),
      name: 'Atrion (atrion/http)',
      settings: { slo },
    }
  },
}

/** toobusy-js as in its README, with its defaults: lag above 70 ms, looked at every 500 ms. */
const toobusy = {
  id: 'toobusy-js',
  async listen({ handler }) {
    const busy = require('toobusy-js')
    const server = createServer((req, res) => (busy() ? refuse(res) : handler(req, res)))
    return { server, name: 'toobusy-js', settings: { maxLag: busy.maxLag(), interval: busy.interval() } }
  },
}

/** @fastify/under-pressure on Fastify, with the two thresholds of its README that are about load. */
const underPressure = {
  id: 'under-pressure',
  async listen({ handler }) {
    const settings = { maxEventLoopDelay: 1000, maxEventLoopUtilization: 0.98 }
    const app = require('fastify')()
    await app.register(require('@fastify/under-pressure'), settings)
    app.get('/warm', (_req, reply) => reply.code(204).send())
    app.get('/work', (req, reply) => {
      reply.hijack()
      return handler(req.raw, reply.raw)
    })
    await app.ready()
    return { server: app.server, app, name: '@fastify/under-pressure', settings }
  },
}

/** Everyone on the real plant. */
export const REAL_CONTESTANTS = [
  atrion,
  asInArena('gradient2'),
  asInArena('token-bucket'),
  asInArena('opossum'),
  asInArena('cockatiel'),
  underPressure,
  toobusy,
  asInArena('none'),
]

/** Saying no, and nothing else: what a refusal costs. */
const refuser = asInArena('always-refuses')

export const realById = (id) => [...REAL_CONTESTANTS, refuser].find((contestant) => contestant.id === id)
