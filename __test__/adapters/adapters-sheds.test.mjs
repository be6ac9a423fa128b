// A shed of a guard further in, answered by handlers that know nothing of Atrion.
import 'reflect-metadata'
import { createServer } from 'node:http'
import nest from '@nestjs/common'
import { APP_GUARD, NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { atrionExpress } from 'atrion/express'
import { atrionHttp } from 'atrion/http'
import { atrionNest } from 'atrion/nest'
import ava from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import { ask, CALM, close, drained, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const startNest = async (atrion, adapter) => {
  class Controller {
    shed() {
      return atrion.run('inner', () => {})
    }
    fail() {
      throw new Error('a handler of the test')
    }
    async busy() {
      throw new nest.ServiceUnavailableException('of its own')
    }
  }
  nest.Controller()(Controller)
  for (const name of ['shed', 'fail', 'busy']) {
    nest.Get(name)(Controller.prototype, name, Object.getOwnPropertyDescriptor(Controller.prototype, name))
  }
  class Root {}
  const guard = { provide: APP_GUARD, useValue: atrionNest(atrion, CALM) }
  nest.Module({ controllers: [Controller], providers: [guard] })(Root)
  const app = await NestFactory.create(Root, ...(adapter ? [adapter] : []), { logger: false })
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}

const statusOf = (error) => error.status ?? 500

const servers = {
  'nest on express, as a guard alone': (atrion) => startNest(atrion),
  'nest on fastify, as a guard alone': (atrion) => startNest(atrion, new FastifyAdapter()),
  'http, with a handler that catches': (atrion) => {
    const handler = async (req, res) => {
      try {
        if (req.url === '/fail') throw new Error('a handler of the test')
        if (req.url === '/busy') throw Object.assign(new Error('of its own'), { status: 503 })
        await atrion.run('inner', () => {})
      } catch (error) {
        res.writeHead(statusOf(error)).end(error.message)
      }
    }
    return listen(
      createServer(atrionHttp(atrion, handler, { ...CALM, route: ({ method, url }) => `${method} ${url}` })),
    )
  },
  ...Object.fromEntries(
    Object.entries({ 4: express4, 5: express5 }).map(([version, express]) => [
      `express ${version}, with a handler that catches`,
      (atrion) => {
        const app = express()
        app.use(atrionExpress(atrion, CALM))
        const answer = (res) => (error) => res.status(statusOf(error)).json({ error: error.message })
        app.get('/shed', (_req, res) => atrion.run('inner', () => {}).catch(answer(res)))
        app.get('/fail', (_req, res) => answer(res)(new Error('a handler of the test')))
        app.get('/busy', (_req, res) => answer(res)(Object.assign(new Error('of its own'), { status: 503 })))
        return listen(createServer(app))
      },
    ]),
  ),
}

for (const [name, start] of Object.entries(servers)) {
  test(`${name}: an inner shed is passed on with its Retry-After, and is no failure`, async (t) => {
    const { atrion, outcomes } = watched()
    atrion.override('inner', 'open')
    const server = await start(atrion)
    const answers = []
    for (const path of ['/shed', '/fail', '/busy']) {
      answers.push(await ask(server, path))
      await drained(atrion, `GET ${path}`)
    }
    t.deepEqual(
      answers.map(({ status }) => status),
      [503, 500, 503],
    )
    t.regex(answers[0].headers['retry-after'], /^[1-9]\d*$/)
    t.is(answers[2].headers['retry-after'], undefined)
    t.deepEqual(
      outcomes.filter((outcome) => outcome.startsWith('GET')),
      ['GET /shed ignored', 'GET /fail failure', 'GET /busy failure'],
    )
    await close(server)
  })
}
