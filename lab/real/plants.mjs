// The dependencies of everyday services: a database, libuv's threads, others' services, and nothing at all.
import { scrypt } from 'node:crypto'
import { Agent, createServer, get } from 'node:http'
import { createRequire } from 'node:module'
import { exponential, stream } from '../driver/random.mjs'
import { hash } from './work.mjs'

const require = createRequire(import.meta.url)

const reply = (res) => {
  res.writeHead(200, { 'content-length': '2' })
  res.end('ok')
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms))

/** One of the standard normal distribution (Box and Muller, 1958). */
const normal = (uniform) => Math.sqrt(2 * exponential(uniform)) * Math.cos(2 * Math.PI * uniform())

/** Bounded workers and an unbounded queue, by timers. */
function poolOf({ workers, serviceMs }, uniform) {
  const waiting = []
  let free = workers
  const end = () => {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }
  return async () => {
    if (free === 0) await new Promise((turn) => waiting.push(turn))
    else free -= 1
    await wait(serviceMs * exponential(uniform))
    end()
  }
}

const KINDS = {
  /** Computes on the loop, and answers at once. */
  sync: (plant) => (_req, res) => {
    hash(plant.rounds)
    reply(res)
  },

  /** A remote service without any queue: log-normal around its mean. */
  unqueued:
    ({ serviceMs, sigma }, uniform) =>
    async (_req, res) => {
      await wait(serviceMs * Math.exp(sigma * normal(uniform) - sigma ** 2 / 2))
      reply(res)
    },

  /** A query that keeps one of the pool's connections for the while, and reads a row. */
  postgres({ connection, workers, serviceMs }) {
    const { Pool } = require('pg')
    const pool = new Pool({ ...connection, max: workers })
    pool.on('error', () => {})
    return async (_req, res) => {
      await pool.query('select name, pg_sleep($2) from item where id = $1', [1, serviceMs / 1000])
      reply(res)
    }
  },

  /** Passwords, on the four threads of libuv. */
  scrypt:
    ({ cost }) =>
    async (_req, res) => {
      await new Promise((done, fail) =>
        scrypt('password', 'salt', 32, { N: cost }, (error) => (error ? fail(error) : done())),
      )
      reply(res)
    },

  /** Calls another service, which for a while does not answer; then it answers every request. */
  upstream({ serviceMs, stallMs: [from, to] }) {
    let startMs
    const upstream = createServer(async (_req, res) => {
      startMs ??= performance.now()
      const atMs = performance.now() - startMs
      await wait(atMs >= from && atMs < to ? to - atMs : serviceMs)
      reply(res)
    })
    upstream.listen(0, '127.0.0.1')
    const agent = new Agent({ keepAlive: true })
    return (_req, res) => {
      get({ host: '127.0.0.1', port: upstream.address().port, agent }, (answer) => {
        answer.resume()
        answer.once('end', () => reply(res))
      }).once('error', () => res.writeHead(502).end())
    }
  },

  /** Chunks as they come: what takes long is how long there is something to send. */
  stream({ chunks, everyMs }) {
    return async (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/octet-stream' })
      for (let i = 0; i < chunks && !res.destroyed; i += 1) {
        res.write('x'.repeat(512))
        await wait(everyMs)
      }
      res.end()
    }
  },

  /** Two routes, each with workers of its own. */
  routes({ workers, serviceMs }, uniform) {
    const pools = {
      '/work': poolOf({ workers, serviceMs }, uniform),
      '/quiet': poolOf({ workers, serviceMs }, uniform),
    }
    return async (req, res) => {
      await pools[req.url]()
      reply(res)
    }
  },
}

/** The handler of a plant of these kinds, or undefined. */
export const everydayHandler = (plant) => KINDS[plant.kind]?.(plant, stream('real/everyday'))
