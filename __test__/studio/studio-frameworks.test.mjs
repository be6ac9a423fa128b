// Studio in every framework: the page, the stream and changes are served while everything else is shed, and guarded again once it is closed.
import 'reflect-metadata'
import http from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { withAtrion } from 'atrion/fetch'
import { atrionHttp } from 'atrion/http'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { ask, close, listen } from '../_adapters.mjs'
import { create, engine } from '../_engine.mjs'
import { act, eventReader, view } from './_studio.mjs'

// The adapters need the closed loop.
const closed = engine === 'ts' ? test.skip : test

const express = async (atrion, studio, version, mount) => {
  const { atrionExpress } = await import('atrion/express')
  const { default: make } = await import(version)
  const app = make()
  app.use(atrionExpress(atrion))
  mount(app, studio, make)
  app.get('/x', (_, response) => response.send('ok'))
  const server = await listen(http.createServer(app))
  return { server, end: () => close(server) }
}

const nest = async (atrion, studio, platform) => {
  const { default: common } = await import('@nestjs/common')
  const { NestFactory } = await import('@nestjs/core')
  const { atrionNest } = await import('atrion/nest')
  class Controller {
    x() {
      return 'ok'
    }
  }
  common.Controller()(Controller)
  common.Get('x')(Controller.prototype, 'x', Object.getOwnPropertyDescriptor(Controller.prototype, 'x'))
  class Root {}
  common.Module({ controllers: [Controller] })(Root)
  const adapter = platform === 'fastify' ? new (await import('@nestjs/platform-fastify')).FastifyAdapter() : undefined
  const app = await NestFactory.create(Root, ...(adapter ? [adapter] : []), { logger: false })
  const guard = atrionNest(atrion)
  app.useGlobalGuards(guard)
  app.useGlobalInterceptors(guard)
  if (platform === 'fastify') await app.getHttpAdapter().getInstance().register(studio.fastify)
  else app.use('/atrion', studio)
  await app.listen(0, '127.0.0.1')
  return { server: app.getHttpServer(), end: () => app.close() }
}

/** Servers of each framework whose every guarded request is shed, with Studio behind the guard. */
const SERVERS = {
  async http(atrion, studio) {
    const guarded = atrionHttp(atrion, (request, response) =>
      request.url.startsWith('/atrion') ? studio(request, response) : response.end('ok'),
    )
    const server = await listen(http.createServer(guarded))
    return { server, end: () => close(server) }
  },
  'express 4': (atrion, studio) => express(atrion, studio, 'express4', (app) => app.use('/atrion', studio)),
  'express 5': (atrion, studio) => express(atrion, studio, 'express5', (app) => app.use('/atrion', studio)),
  'express 5, not mounted, behind a parser': (atrion, studio) =>
    express(atrion, studio, 'express5', (app, _, make) => app.use(make.json(), studio)),
  async fastify(atrion, studio) {
    const { atrionFastify } = await import('atrion/fastify')
    const { default: fastify } = await import('fastify')
    const app = fastify()
    await app.register(atrionFastify, { atrion })
    await app.register(studio.fastify)
    app.get('/x', async () => 'ok')
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { server: app.server, end: () => app.close() }
  },
  async koa(atrion, studio) {
    const { atrionKoa } = await import('atrion/koa')
    const { default: Koa } = await import('koa')
    const app = new Koa()
    app.use(atrionKoa(atrion))
    app.use(studio.koa)
    app.use((context) => {
      context.body = 'ok'
    })
    const server = await listen(http.createServer(app.callback()))
    return { server, end: () => close(server) }
  },
  async hono(atrion, studio) {
    const { atrionHono } = await import('atrion/hono')
    const { Hono } = await import('hono')
    const app = new Hono()
    app.use(atrionHono(atrion))
    app.all('/atrion', studio.hono)
    app.all('/atrion/*', studio.hono)
    app.get('/x', (context) => context.text('ok'))
    const server = await listen(createAdaptorServer(app))
    return { server, end: () => close(server) }
  },
  async fetch(atrion, studio) {
    const handler = withAtrion(
      (request) => (new URL(request.url).pathname.startsWith('/atrion') ? studio.fetch(request) : new Response('ok')),
      { atrion },
    )
    const server = await listen(createAdaptorServer({ fetch: (request) => handler(request) }))
    return { server, end: () => close(server) }
  },
  nest: (atrion, studio) => nest(atrion, studio, 'express'),
  'nest on fastify': (atrion, studio) => nest(atrion, studio, 'fastify'),
}

for (const [name, start] of Object.entries(SERVERS)) {
  closed(`${name}: Studio is served while everything else is shed`, async (t) => {
    const atrion = create()
    const studio = atrionStudio(atrion, { authorize: (request) => (readable(request) ? 'write' : false) })
    const { server, end } = await start(atrion, studio)
    t.teardown(async () => {
      studio.close()
      await end()
    })
    for (const method of ['GET', 'POST']) {
      for (const path of ['*', '/x', '/atrion', '/atrion/act']) atrion.override(`${method} ${path}`, 'open')
    }
    t.is((await ask(server, '/x')).status, 503)

    const page = await ask(server, '/atrion?x=1')
    t.is(page.status, 200)
    t.regex(page.body, /Atrion Studio/)
    t.regex(page.headers['content-security-policy'], /script-src 'nonce-/)
    t.deepEqual(await ask(server, '/atrion', { method: 'HEAD' }).then(({ status, body }) => [status, body]), [200, ''])
    t.is((await ask(server, '/atrion/history')).status, 200)
    t.is((await ask(server, '/atrion/history', { headers: { 'x-no': '1' } })).status, 403)
    t.is((await ask(server, '/atrion/events', { headers: { 'x-no': '1' } })).status, 403)

    const viewer = await view(server)
    t.teardown(viewer.close)
    t.regex(viewer.headers['content-type'], /^text\/event-stream/)
    const { data } = await viewer.next(({ event }) => event === 'hello')
    const state = await viewer.until((sections) => sections.list?.total > 0)
    t.true(state.list.total > 0)
    t.is((await act(server, 'wrong', { kind: 'note', text: 'a' })).status, 403)
    const { status, body } = await act(server, data.token, { kind: 'note', text: 'deployed é 1' })
    t.is(status, 200, JSON.stringify(body))
    await viewer.until(({ changes }) => changes.some(({ text }) => text === 'deployed é 1'))
    t.deepEqual(
      atrion.getRoutes().filter((route) => route.includes('atrion')),
      [],
      'it is no route of the instance',
    )

    studio.close()
    await viewer.next(() => viewer.ended).catch(() => {})
    t.true(viewer.ended, 'viewers are disconnected')
    t.true([404, 503].includes((await ask(server, '/atrion')).status), 'once closed its path is guarded as any other')
  })
}

/** Places that Studio is mounted at without having been given them: an address, and what is served beside it. */
const MOUNTS = {
  'express 5 at another path': (atrion, studio) =>
    express(atrion, studio, 'express5', (app) => app.use('/control', studio)).then((it) => ({ ...it, at: '/control' })),
  'express 4 in a router': (atrion, studio) =>
    express(atrion, studio, 'express4', (app, _, make) => {
      const router = make.Router()
      router.use(studio)
      router.get('/beside', (_request, response) => response.send('ok'))
      app.use('/ops', router)
    }).then((it) => ({ ...it, at: '/ops/atrion', beside: '/ops/beside' })),
  async 'fastify with a prefix'(_, studio) {
    const { default: fastify } = await import('fastify')
    const app = fastify()
    await app.register(studio.fastify, { prefix: '/ops' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { server: app.server, end: () => app.close(), at: '/ops/atrion' }
  },
  async 'koa-mount'(_, studio) {
    const { default: Koa } = await import('koa')
    const { default: mount } = await import('koa-mount')
    const app = new Koa()
    app.use(mount('/ops', studio.koa))
    const server = await listen(http.createServer(app.callback()))
    return { server, end: () => close(server), at: '/ops/atrion' }
  },
  async 'hono below a base'(_, studio) {
    const { Hono } = await import('hono')
    const inner = new Hono().all('/atrion', studio.hono).all('/atrion/*', studio.hono)
    const server = await listen(createAdaptorServer(new Hono().route('/ops', inner)))
    return { server, end: () => close(server), at: '/ops/atrion' }
  },
}

for (const [name, start] of Object.entries(MOUNTS)) {
  closed(`${name}: the page asks where it was found, and what is beside it is left alone`, async (t) => {
    const atrion = create()
    const studio = atrionStudio(atrion)
    const { server, end, at, beside } = await start(atrion, studio)
    t.teardown(async () => {
      studio.close()
      await end()
    })
    for (const path of [at, `${at}?x=1`]) {
      const page = await ask(server, path)
      t.is(page.status, 200)
      t.true(page.body.includes(`data-base="${at}"`), path)
    }
    const viewer = await view(server, `${at}/events`)
    t.teardown(viewer.close)
    t.truthy(await viewer.next(({ event }) => event === 'snapshot'))
    t.is((await ask(server, `${at}/nothing`)).status, 404)
    if (beside !== undefined) t.is((await ask(server, beside)).body, 'ok')
    for (const method of ['GET', 'POST']) for (const path of ['*', at]) atrion.override(`${method} ${path}`, 'open')
    t.is((await ask(server, at)).status, 200, 'once found, it is not guarded')
  })
}

/** Of Node's request, and of that of the fetch API. */
const readable = ({ headers }) => (headers.get?.('x-no') ?? headers['x-no'] ?? null) === null

test('fetch: the stream ends with its client, and what is unread is bounded', async (t) => {
  const atrion = create()
  // Names of control characters: what is written of them is long.
  for (let i = 0; i < 25; i++) atrion.route('\u0001'.repeat(200) + String.fromCharCode(65 + i), { latencyMs: 1 })
  const studio = atrionStudio(atrion, { authorize: () => 'read' })
  // Studio's own timers keep no process alive; a server's sockets do.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    studio.close()
  })
  const get = async () => {
    const response = await studio.fetch(new Request('http://127.0.0.1/atrion/events'))
    return response.body.getReader()
  }
  /** Two viewers, one of which reads nothing until 300,000 bytes were sent; undefined where it was taken for gone before. */
  const round = async () => {
    const idle = await get()
    const busy = await get()
    const reader = eventReader()
    const decoder = new TextDecoder()
    let sent = 0
    // Every row differs each time.
    while (sent < 300_000) {
      for (const routeId of atrion.getRoutes()) {
        atrion.route(routeId, { latencyMs: 1 + Math.random() * 1e4, errorRate: Math.random() })
      }
      const { value } = await busy.read()
      sent += value.length
      reader.chunk(decoder.decode(value, { stream: true }))
    }
    let unread = 0
    const rest = eventReader()
    const other = new TextDecoder()
    while (rest.events.filter(({ event }) => event === 'snapshot').length < 2) {
      const piece = await idle.read().catch(({ message }) => message)
      if (piece === 'the client does not read') break
      unread += piece.value.length
      rest.chunk(other.decode(piece.value, { stream: true }))
    }
    await idle.cancel().catch(() => {})
    await busy.cancel()
    return rest.events.length > 0 ? { sent, unread, last: rest.events.at(-1).event } : undefined
  }
  // A busy machine may take the 15 s in which a client has to read something.
  let counted
  while (counted === undefined) counted = await round()
  const { sent, unread, last } = counted
  t.true(unread < sent / 2, `${unread} of ${sent} bytes`)
  t.is(last, 'snapshot', 'then comes the state of now')
})
