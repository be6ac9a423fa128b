/** Names that a client chooses: spellings of one route, and of none, in Express and in every framework. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import net from 'node:net'
import { atrionExpress } from 'atrion/express'
import express4 from 'express4'
import express5 from 'express5'
import { ask, CALM, close, create, listen } from '../../__test__/_adapters.mjs'
import { FRAMEWORKS } from '../../__test__/_frameworks.mjs'

export const SPELLINGS = 2048
const WORKERS = 4
const SERVICE_MS = 30
/** The age of the queue, ms, that shows that the flood was admitted; clients on a busy machine are not late by so much. */
const DEADLINE_MS = 1500
const RUN_MS = 4000
const COUNT_FROM_MS = 1500
/** Others' requests, and the attacker's, a second: the workers do 133. */
const OTHERS_PER_S = 25
const FLOOD_PER_S = 300

/** Workers with one queue in front. */
const workers = () => {
  const waiting = []
  let busy = 0
  const next = () => {
    while (busy < WORKERS && waiting.length > 0) {
      busy++
      const done = waiting.shift()
      setTimeout(() => {
        busy--
        done()
        next()
      }, SERVICE_MS)
    }
  }
  return (done) => {
    waiting.push(done)
    next()
  }
}

const vary = (text, n) => [...text].map((char, i) => ((n >> (i % 11)) & 1 ? char.toUpperCase() : char)).join('')
const hex = (char) => `%${char.charCodeAt(0).toString(16)}`

/** One of many spellings that Express takes for the same route, by mount. */
export const spelt = [
  (n) => `/${vary('application', n)}/v1/users/${n}`,
  (n) => `/t/invented-${n}/users/${n}`,
  (n) => `/s/${n % 2 ? hex('t') : 't'}enant-${n}/users/${n}`,
]

/** An application of three mounts of one router, in front of workers. */
export const appOf = (express, atrion, work = workers()) => {
  const app = express().set('env', 'test')
  app.use(atrionExpress(atrion, { ...CALM, tier: (req) => (req.get('x-other') ? 'critical' : 'normal') }))
  const users = express.Router()
  users.get('/users/:id', (_req, res) => work(() => res.send('ok')))
  app.use('/application/v1', users)
  app.use(/\/t\/[^/]+/, users)
  app.use('/s/:tenant', users)
  return listen(createServer(app))
}

/** A client that sends what it has to on one connection, whether it is answered or not. */
const pipeline = async (server) => {
  const socket = net.connect(server.address().port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.resume()
  return socket
}

/** The share of others' answers that are good while the flood asks for `pathOf(n)`, and the routes there are then. */
const shareUnder = async (express, pathOf) => {
  const atrion = create()
  const server = await appOf(express, atrion)
  const pipelines = await Promise.all(Array.from({ length: 60 }, () => pipeline(server)))
  const answers = []
  const startedMs = performance.now()
  let [sent, asked] = [0, 0]
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startedMs
      for (; sent < (FLOOD_PER_S * elapsedMs) / 1000; sent++) {
        pipelines[sent % pipelines.length].write(`GET ${pathOf(sent % SPELLINGS)} HTTP/1.1\r\nHost: x\r\n\r\n`)
      }
      for (; asked < (OTHERS_PER_S * elapsedMs) / 1000; asked++) {
        const askedMs = performance.now()
        const answer = ask(server, spelt[0](0), { headers: { 'x-other': '1' } })
        const isGood = answer.then(({ status }) => status === 200 && performance.now() - askedMs <= DEADLINE_MS)
        if (elapsedMs >= COUNT_FROM_MS) answers.push(isGood)
      }
      if (elapsedMs < RUN_MS) return
      clearInterval(timer)
      resolve()
    }, 5)
  })
  const good = (await Promise.all(answers)).filter(Boolean).length
  for (const socket of pipelines) socket.destroy()
  for (let n = 0; n < 60; n++) await ask(server, spelt[1 + (n % 2)](n))
  await close(server)
  return { share: good / answers.length, routes: atrion.getRoutes().length }
}

const spellings = (name, express) => ({
  id: `spellings-${name.replace(' ', '')}`,
  title: `${SPELLINGS} spellings of a route: ${name}`,
  atLeast: 0.95,
  run: async () => {
    const without = await shareUnder(express, () => spelt[0](0))
    const under = await shareUnder(express, spelt[0])
    // One name a mount.
    const isBounded = under.routes <= 3
    return {
      without: without.share,
      under: isBounded ? under.share : 0,
      unit: 'good answers',
      note: `${under.routes} routes`,
    }
  },
})

const PATHS = 400
const STARTS = ['/', '/%00', '/__proto__/', '/a/../', '/%zz', '/constructor', '/%F0%9F%9B%91', '//', '/a%2f']
const hostile = (n) => `${STARTS[n % STARTS.length]}x${n}`
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

const unknown = {
  id: 'unknown-urls',
  title: `${PATHS} URLs and ${METHODS.length} methods that nothing is registered for`,
  atMost: 1,
  run: async () => {
    let worst
    for (const [name, start] of Object.entries(FRAMEWORKS)) {
      const atrion = create()
      const server = await start(atrion, CALM, async (path) => path)
      await ask(server, '/a')
      const known = atrion.getRoutes().length
      for (let n = 0; n < PATHS; n += 20) {
        const asks = Array.from({ length: 20 }, (_, i) => ask(server, hostile(n + i), { method: METHODS[i % 6] }))
        await Promise.all(asks)
      }
      // The test's handler for node:http names its routes by URL itself.
      if (name !== 'http') {
        const under = (atrion.getRoutes().length - known) / METHODS.length
        if (worst === undefined || under > worst.under) worst = { under, name }
      }
      await close(server)
    }
    return { without: 1, under: worst.under, unit: 'new routes a method', note: `the worst adapter: ${worst.name}` }
  },
}

export const attacks = [spellings('Express 4', express4), spellings('Express 5', express5), unknown]
