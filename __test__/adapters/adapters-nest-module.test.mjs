// AtrionModule of atrion/nest. Decorators are applied by hand: the tests are plain JavaScript.
import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { Atrion, ConfigError, InMemoryProvider } from 'atrion'
import { AtrionGuard, AtrionModule, Key, SkipAtrion, Tier } from 'atrion/nest'
import ava from 'ava'
import { ask, create, drained, until, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

const decorate = (target, name, ...decorators) => {
  const descriptor = Object.getOwnPropertyDescriptor(target, name)
  for (const decorator of decorators) decorator(target, name, descriptor)
}

/** A root module of one controller that the instance is injected into, beside the modules given. */
const rootOf = (imports, { prepare } = {}) => {
  class Orders {
    constructor(atrion) {
      this.atrion = atrion
    }
    one(id) {
      return id
    }
    pay() {
      return this.atrion.engine
    }
    health() {
      return 'well'
    }
    metrics() {
      return 'many'
    }
  }
  const { prototype } = Orders
  nest.Controller()(Orders)
  nest.Inject(Atrion)(Orders, undefined, 0)
  decorate(prototype, 'one', nest.Get('orders/:id'))
  nest.Param('id')(prototype, 'one', 0)
  decorate(prototype, 'pay', nest.Get('pay'))
  decorate(prototype, 'health', nest.Get('health'))
  decorate(prototype, 'metrics', nest.Get('metrics'))
  prepare?.(Orders)
  class Root {}
  nest.Module({ imports, controllers: [Orders] })(Root)
  return Root
}

const start = async (root, adapter) => {
  const app = await (adapter
    ? NestFactory.create(root, adapter, { logger: false, abortOnError: false })
    : NestFactory.create(root, { logger: false, abortOnError: false }))
  await app.listen(0, '127.0.0.1')
  return app
}

for (const [name, adapter] of [
  ['express', () => undefined],
  ['fastify', () => new FastifyAdapter()],
]) {
  test(`nest on ${name}: the module guards every handler, with options of their own, and injects the instance`, async (t) => {
    const { atrion, asked, outcomes } = watched()
    const prepare = ({ prototype }) => {
      decorate(
        prototype,
        'pay',
        Tier('critical'),
        Key(() => 'alice'),
      )
      decorate(prototype, 'health', SkipAtrion())
    }
    const root = rootOf([AtrionModule.forRoot({ atrion, pressure: false, key: () => 'everyone' })], { prepare })
    const app = await start(root, adapter())
    const server = app.getHttpServer()
    t.is((await ask(server, '/orders/7')).body, '7')
    t.is((await ask(server, '/pay')).body, atrion.engine)
    t.is((await ask(server, '/health')).body, 'well')
    await drained(atrion, 'GET /pay')
    t.deepEqual(
      asked.map(({ routeId, tier, key }) => [routeId, tier, key]),
      [
        ['GET /orders/:id', undefined, 'everyone'],
        ['GET /pay', 'critical', 'alice'],
      ],
    )
    t.deepEqual(outcomes, ['GET /orders/:id success', 'GET /pay success'])
    atrion.override('GET /pay', 'open')
    const { status, headers } = await ask(server, '/pay')
    t.is(status, 503)
    t.regex(headers['retry-after'], /^[1-9]\d*$/)
    await app.close()
  })
}

test('nest: a controller has options, and a handler its own over them', async (t) => {
  const { atrion, asked } = watched()
  const prepare = (Orders) => {
    SkipAtrion()(Orders)
    Tier('bulk')(Orders)
    decorate(Orders.prototype, 'pay', SkipAtrion(false))
    decorate(Orders.prototype, 'one', SkipAtrion(false), Tier('high'))
  }
  const app = await start(rootOf([AtrionModule.forRoot({ atrion, pressure: false })], { prepare }))
  const server = app.getHttpServer()
  for (const path of ['/health', '/metrics', '/pay', '/orders/1']) t.is((await ask(server, path)).status, 200)
  t.deepEqual(
    asked.map(({ routeId, tier }) => [routeId, tier]),
    [
      ['GET /pay', 'bulk'],
      ['GET /orders/:id', 'high'],
    ],
  )
  await app.close()
})

test('nest: options may be known later, by a factory, a class, or one that is there', async (t) => {
  const settings = { token: 'SETTINGS', value: { deadlineMs: 321 } }
  class Settings {}
  nest.Module({
    providers: [{ provide: settings.token, useValue: settings.value }],
    exports: [settings.token],
  })(Settings)
  class Factory {
    async createAtrionOptions() {
      await sleep(1)
      return { atrion: { defaultVoltage: 77 }, pressure: false }
    }
  }
  nest.Injectable()(Factory)
  class Existing {}
  nest.Module({ providers: [Factory], exports: [Factory] })(Existing)
  const ways = {
    useFactory: {
      imports: [Settings],
      inject: [settings.token],
      useFactory: ({ deadlineMs }) => ({ atrion: { slo: { maxAcceptableLatencyMs: deadlineMs } }, pressure: false }),
    },
    useClass: { useClass: Factory },
    useExisting: { imports: [Existing], useExisting: Factory },
  }
  for (const [name, options] of Object.entries(ways)) {
    const app = await start(rootOf([AtrionModule.forRootAsync(options)]))
    const atrion = app.get(Atrion)
    t.true(atrion instanceof Atrion, name)
    t.is((await ask(app.getHttpServer(), '/orders/7')).body, '7')
    t.is(atrion.stats('GET /orders/:id').admitted, 1, name)
    await app.close()
  }
})

test('nest: without the guard of all, handlers are guarded where they ask for it', async (t) => {
  const { atrion, asked } = watched()
  const prepare = ({ prototype }) => decorate(prototype, 'pay', nest.UseGuards(AtrionGuard))
  const app = await start(rootOf([AtrionModule.forRoot({ atrion, pressure: false, guard: false })], { prepare }))
  for (const path of ['/health', '/pay']) t.is((await ask(app.getHttpServer(), path)).status, 200)
  t.deepEqual(
    asked.map(({ routeId }) => routeId),
    ['GET /pay'],
  )
  await app.close()
})

test('nest: the module connects the instance, and disconnects what it connected after the last answer', async (t) => {
  const events = []
  class Provider extends InMemoryProvider {
    async connect() {
      events.push('connected')
      await super.connect()
    }
    async disconnect() {
      events.push('disconnected')
      await super.disconnect()
    }
  }
  const app = await start(rootOf([AtrionModule.forRoot({ atrion: create({ provider: new Provider() }) })]))
  app.getHttpServer().on('close', () => events.push('closed'))
  t.true(app.get(Atrion).isConnected)
  await app.close()
  t.deepEqual(events, ['connected', 'closed', 'disconnected'])
  t.false(app.get(Atrion).isConnected)

  const own = create({ provider: new InMemoryProvider() })
  await own.connect()
  const other = await start(rootOf([AtrionModule.forRoot({ atrion: own })]))
  await other.close()
  t.true(own.isConnected, 'an instance that was connected before belongs to its maker')
  await own.disconnect()
})

test('nest: a provider that cannot be reached is tried again, and keeps no application from starting', async (t) => {
  let failures = 1
  class Provider extends InMemoryProvider {
    async connect() {
      if (failures-- > 0) throw new Error('no route to host')
      await super.connect()
    }
  }
  const atrion = create({ provider: new Provider() })
  const app = await start(rootOf([AtrionModule.forRoot({ atrion })]))
  t.is((await ask(app.getHttpServer(), '/orders/7')).body, '7')
  // The retry keeps no process alive: something else has to.
  const alive = setInterval(() => {}, 1_000)
  await until(() => atrion.isConnected)
  clearInterval(alive)
  await app.close()
  t.false(atrion.isConnected)
})

test('nest: wrong options are errors where they are given, or end the start', async (t) => {
  t.like(
    t.throws(() => AtrionModule.forRoot({ teir: () => 'high' }), { instanceOf: ConfigError }),
    { nearest: 'tier' },
  )
  t.like(
    t.throws(() => Tier('hihg'), { instanceOf: ConfigError }),
    { field: 'tier', nearest: 'high' },
  )
  const later = AtrionModule.forRootAsync({ useFactory: () => ({ maxWaitMs: -1 }) })
  await t.throwsAsync(start(rootOf([later])), { instanceOf: ConfigError, message: /maxWaitMs/ })
})

test('nest: what are no options of the module is an error that names the field, where it is given or at the start', async (t) => {
  const isConfigError = { instanceOf: ConfigError }
  for (const given of [null, 5, 'options']) {
    t.like(
      t.throws(() => AtrionModule.forRoot(given), isConfigError),
      { field: 'options', range: 'an object', got: given },
    )
    const later = AtrionModule.forRootAsync({ useFactory: () => given })
    t.like(await t.throwsAsync(start(rootOf([later])), isConfigError), { field: 'options', got: given })
  }
  for (const extra of ['isGlobal', 'guard']) {
    for (const got of [null, 1, 'no']) {
      const options = { [extra]: got, useFactory: () => ({}) }
      const { useFactory: _, ...known } = options
      t.like(
        t.throws(() => AtrionModule.forRoot(known), isConfigError),
        { field: extra, range: 'a boolean', got },
      )
      t.like(
        t.throws(() => AtrionModule.forRootAsync(options), isConfigError),
        { field: extra, got },
      )
    }
  }
  t.like(
    t.throws(() => AtrionModule.forRoot({ atrion: 5 }), isConfigError),
    { field: 'atrion', got: 5 },
  )
  await t.throwsAsync(start(rootOf([AtrionModule.forRoot({ atrion: null })])), isConfigError)
  await t.throwsAsync(start(rootOf([AtrionModule.forRootAsync({ useFactory: () => undefined })])), isConfigError)
})
