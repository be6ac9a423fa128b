// atrion/nest in NestJS on Express. Decorators are applied by hand: the tests are plain JavaScript.
import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { atrionExpress } from 'atrion/express'
import { atrionNest, currentTier, openStreams } from 'atrion/nest'
import ava from 'ava'
import { interval, map } from 'rxjs'
import { ask, close, contract, dial, drained, requestText, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const decorate = (target, name, ...decorators) => {
  const descriptor = Object.getOwnPropertyDescriptor(target, name)
  for (const decorator of decorators) decorator(target, name, descriptor)
}

const moduleOf = (held) => {
  class Everything {
    user(id) {
      if (id === '404') throw new nest.NotFoundException()
      return id
    }
    fail() {
      throw new Error('before the head')
    }
    late(response) {
      response.write('so far')
      setImmediate(() => response.destroy(new Error('after the head')))
    }
    hang(response) {
      held.push(response)
    }
    events(response) {
      response.setHeader('Content-Type', 'text/event-stream')
      response.write('data: 1\n\n')
      held.push(response)
    }
    health() {
      return 'well'
    }
    async tier() {
      await sleep(1)
      return String(currentTier())
    }
  }
  nest.Controller()(Everything)
  const { prototype } = Everything
  decorate(prototype, 'user', nest.Get('users/:id'))
  nest.Param('id')(prototype, 'user', 0)
  for (const name of ['fail', 'late', 'hang', 'events', 'health', 'tier']) decorate(prototype, name, nest.Get(name))
  for (const name of ['late', 'hang', 'events']) nest.Res()(prototype, name, 0)
  class Root {}
  nest.Module({ controllers: [Everything] })(Root)
  return Root
}

const start = (register, prepare) => async (atrion, options, held) => {
  const app = await NestFactory.create(moduleOf(held), { logger: false })
  prepare?.(app)
  register(app, atrionNest(atrion, options))
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}

const asGuard = start((app, guard) => app.useGlobalGuards(guard))
const unmatched = { unmatched: null }

contract(test, 'nest, as a guard', asGuard, unmatched)
contract(
  test,
  'nest, as an interceptor',
  start((app, guard) => app.useGlobalInterceptors(guard)),
  unmatched,
)

test('nest: registered twice it asks once, and the global prefix is part of the route', async (t) => {
  const { atrion, asked } = watched()
  const both = start(
    (app, guard) => app.useGlobalGuards(guard).useGlobalInterceptors(guard),
    (app) => app.setGlobalPrefix('api'),
  )
  const server = await both(atrion, {}, [])
  t.is((await ask(server, '/api/users/7')).body, '7')
  t.is(asked.length, 1)
  await drained(atrion, 'GET /api/users/:id')
  t.deepEqual(atrion.getRoutes(), ['GET /api/users/:id'])
  await close(server)
})

test('nest: the tier reaches what the request starts', async (t) => {
  const { atrion } = watched()
  const server = await asGuard(atrion, { tier: () => 'low', propagate: true }, [])
  t.is((await ask(server, '/tier')).body, 'low')
  await close(server)
})

test('nest: onShed may throw an exception of its own', async (t) => {
  const { atrion } = watched()
  const onShed = () => {
    throw new nest.HttpException('later', 429)
  }
  const server = await asGuard(atrion, { onShed }, [])
  await ask(server, '/health')
  atrion.override('GET /health', 'open')
  t.is((await ask(server, '/health')).status, 429)
  await close(server)
})

test('nest: Express’s middleware before the guard and the interceptor take one permit', async (t) => {
  const { atrion, outcomes, asked } = watched()
  const both = start(
    (app, guard) => app.useGlobalGuards(guard).useGlobalInterceptors(guard),
    (app) => app.use(atrionExpress(atrion, { pressure: false })),
  )
  const server = await both(atrion, { pressure: false }, [])
  for (const id of [1, 2, 3]) t.is((await ask(server, `/users/${id}`)).body, String(id))
  await drained(atrion, 'GET /users/:id')
  t.deepEqual(outcomes, Array(3).fill('GET /users/:id success'))
  t.is(asked.length, 3)
  atrion.override('GET /users/:id', 'open')
  t.is((await ask(server, '/users/4')).status, 503)
  t.is((await ask(server, '/nowhere')).status, 404)
  await close(server)
})

test('nest: @Sse() is a stream from its head on', async (t) => {
  const { atrion } = watched()
  class Feed {
    feed() {
      return interval(5).pipe(map((data) => ({ data })))
    }
  }
  nest.Controller()(Feed)
  decorate(Feed.prototype, 'feed', nest.Sse('feed'))
  class Root {}
  nest.Module({ controllers: [Feed] })(Root)
  const app = await NestFactory.create(Root, { logger: false })
  const guard = atrionNest(atrion, { pressure: false })
  app.useGlobalGuards(guard).useGlobalInterceptors(guard)
  await app.listen(0, '127.0.0.1')
  const server = app.getHttpServer()
  const sockets = await Promise.all(Array.from({ length: 40 }, () => dial(server, requestText('/feed'))))
  await until(() => openStreams(atrion, 'GET /feed') === 40)
  t.is(atrion.stats('GET /feed').inFlight, 0)
  t.is(atrion.stats('GET /feed').shed, 0)
  for (const socket of sockets) socket.destroy()
  await until(() => openStreams(atrion, 'GET /feed') === 0)
  await close(server)
})
