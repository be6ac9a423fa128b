/** Streams of states: what a reader sees is what was written, from another thread too, and never half of it. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Atrion, AtrionError, ConfigError, StreamReader, VirtualClock } from 'atrion'
import test from 'ava'

const ENGINES = ['native', 'wasm']

for (const engine of ENGINES) {
  test(`${engine}: a reader sees the routes as they are`, (t) => {
    const clock = new VirtualClock(1_000_000)
    const atrion = new Atrion({ engine, clock })
    const stream = atrion.stream({ maxRoutes: 4 })
    t.teardown(() => stream.stop())
    const reader = new StreamReader(stream.buffer)
    t.deepEqual(reader.read().routes, [])
    atrion.override('GET /orders', 'closed')
    for (let i = 0; i < 5; i++) atrion.acquire('GET /orders')
    atrion.acquire('GET /orders').release('failure')
    atrion.override('GET /none', 'open')
    atrion.acquire('GET /none', { tier: 'bulk' })
    t.deepEqual(reader.read().routes, [], 'nothing was written yet')
    stream.write()
    const { routes, isLive, missed, atMs } = reader.read()
    t.true(isLive && atMs > 0)
    t.is(missed, 0)
    t.deepEqual(routes.map(({ routeId }) => routeId).sort(), ['GET /none', 'GET /orders'])
    const of = (routeId) => routes.find((route) => route.routeId === routeId)
    const metrics = [...atrion.metrics()].find(({ routeId }) => routeId === 'GET /orders')
    const orders = of('GET /orders')
    t.is(orders.inFlight, 5)
    t.is(orders.admitted, 6)
    t.is(orders.failures, 1)
    t.is(orders.shed, 0)
    for (const name of ['resistance', 'scar', 'momentum', 'limit', 'mode', 'p50Ms', 'p99Ms']) {
      t.is(orders[name], metrics[name], name)
    }
    t.like(of('GET /none'), { admitted: 0, shed: 1, inFlight: 0 })
  })
}

test('a route without a closed loop is streamed by its ticks; what has not changed is the same object', (t) => {
  for (const engine of ['native', 'wasm', 'ts']) {
    const clock = new VirtualClock(1_000_000)
    const atrion = new Atrion({ engine, clock })
    const stream = atrion.stream()
    t.teardown(() => stream.stop())
    const reader = new StreamReader(stream.buffer)
    for (const name of ['a', 'b']) {
      for (let i = 0; i < 20; i++) {
        clock.advance(100)
        atrion.route(name, { latencyMs: 900, errorRate: 0.5, saturation: 1 })
      }
    }
    stream.write()
    const [a, b] = reader.read().routes
    const state = atrion.getState('a')
    t.like(a, { routeId: 'a', mode: state.mode, ownResistance: state.resistance, tickCount: 20 })
    t.is(a.lastUpdatedAt, state.lastUpdatedAt)
    clock.advance(100)
    atrion.route('a', { latencyMs: 1 })
    stream.write()
    const [next, same] = reader.read().routes
    t.is(same, b)
    t.is(next.tickCount, 21)
    t.is(a.tickCount, 20, 'what was read stays')
  }
})

test('a route that is gone leaves its row to another', async (t) => {
  const atrion = new Atrion({ engine: 'native' })
  const stream = atrion.stream({ maxRoutes: 2 })
  t.teardown(() => stream.stop())
  const reader = new StreamReader(stream.buffer)
  const names = () => reader.read().routes.map(({ routeId }) => routeId)
  for (const name of ['a', 'b', 'c']) atrion.route(name, { latencyMs: 1 })
  stream.write()
  t.deepEqual(names(), ['a', 'b'])
  t.is(reader.read().missed, 1)
  await atrion.resetRoute('a')
  stream.write()
  t.deepEqual(names().sort(), ['b', 'c'])
  t.is(reader.read().missed, 0)
  await atrion.resetRoute('b')
  await atrion.resetRoute('c')
  stream.write()
  t.deepEqual(names(), [])
})

test('names of any kind come through, long ones to 256 bytes', (t) => {
  const atrion = new Atrion({ engine: 'native' })
  const stream = atrion.stream()
  t.teardown(() => stream.stop())
  const given = ['GET /заказы/:id', '路由', 'a b\nc', `${'x'.repeat(255)}é`, 'y'.repeat(5000)]
  for (const name of given) atrion.route(name, { latencyMs: 1 })
  stream.write()
  const names = new StreamReader(stream.buffer).read().routes.map(({ routeId }) => routeId)
  t.deepEqual(names, [...given.slice(0, 3), 'x'.repeat(255), 'y'.repeat(256)])
})

test('a stream that was stopped says so, and writes no more', (t) => {
  const atrion = new Atrion({ engine: 'native' })
  const stream = atrion.stream({ intervalMs: 1 })
  const reader = new StreamReader(stream.buffer)
  stream.stop()
  stream.stop()
  atrion.route('a', { latencyMs: 1 })
  stream.write()
  t.like(reader.read(), { isLive: false, routes: [] })
})

test('it writes by itself, and keeps no process alive', async (t) => {
  const program = `
    const { Atrion, StreamReader } = require('atrion')
    const atrion = new Atrion({ engine: 'native' })
    const stream = atrion.stream({ intervalMs: 1 })
    const reader = new StreamReader(stream.buffer)
    atrion.route('a', { latencyMs: 1 })
    const look = () => reader.read().routes.length === 1 ? console.log('written') : setImmediate(look)
    look()`
  const { spawn } = await import('node:child_process')
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  const [code] = await once(child, 'close')
  t.is(code, 0)
  t.is(output, 'written\n')
})

test.serial('writes by the timer take a tenth of the thread at most; a clock of the caller may stop them', (t) => {
  const { setInterval } = globalThis
  const { now } = performance
  t.teardown(() => {
    globalThis.setInterval = setInterval
    performance.now = now
  })
  let spentMs = 0
  let fire
  let onRead = () => {}
  globalThis.setInterval = (callback) => {
    fire = callback
    return {}
  }
  performance.now = () => spentMs
  const clock = { now: () => onRead() ?? 1_000_000 }
  const atrion = new Atrion({ engine: 'native', clock })
  const stream = atrion.stream()
  const reader = new StreamReader(stream.buffer)
  const written = () => reader.read().routes.length
  onRead = () => {
    spentMs += 30
  }
  fire()
  onRead = () => {}
  atrion.route('a', { latencyMs: 1 })
  for (spentMs = 30; spentMs < 300; spentMs += 30) fire()
  t.is(written(), 0, 'the write took 30 ms')
  fire()
  t.is(written(), 1)
  atrion.route('b', { latencyMs: 1 })
  onRead = () => stream.stop()
  fire()
  stream.write()
  t.is(written(), 1)
})

test('bad options and bad memory are refused by name', (t) => {
  const atrion = new Atrion({ engine: 'native' })
  for (const [options, field] of [
    [{ intervalMs: 0 }, 'intervalMs'],
    [{ intervalMs: '100' }, 'intervalMs'],
    [{ maxRoutes: 65_537 }, 'maxRoutes'],
    [{ maxRoutes: 1.5 }, 'maxRoutes'],
    [{ interval: 100 }, 'interval'],
    [7, 'options'],
  ]) {
    t.is(t.throws(() => atrion.stream(options), { instanceOf: ConfigError }).field, field)
  }
  const stream = atrion.stream({ intervalMs: null, maxRoutes: undefined })
  t.like(stream, { intervalMs: 100, maxRoutes: 1024 })
  stream.stop()
  t.throws(() => new StreamReader(new ArrayBuffer(4096)), { instanceOf: TypeError, message: /buffer/ })
  t.throws(() => new StreamReader(undefined), { instanceOf: TypeError, message: /buffer/ })
  t.throws(() => new StreamReader(new SharedArrayBuffer(4096)), { instanceOf: AtrionError, message: /stream/ })
  const short = new SharedArrayBuffer(4096)
  new Uint8Array(short).set(new Uint8Array(stream.buffer, 0, 4096))
  t.throws(() => new StreamReader(short), { instanceOf: AtrionError, message: /^buffer must have the \d+ bytes/ })
  t.throws(() => new StreamReader(new SharedArrayBuffer(8)), { instanceOf: AtrionError, message: /stream/ })
})

/** Reads on and on: each answer of the route is a failure, so that the two counts are the same at every write. */
const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { StreamReader } = require('atrion')
  const reader = new StreamReader(workerData)
  let [reads, changes, last] = [0, 0, 0]
  for (;;) {
    const { routes, isLive } = reader.read()
    for (const { routeId, admitted, failures } of routes) {
      if (routeId !== 'a' || admitted !== failures || admitted < last) throw new Error(routeId + ' ' + admitted + ' ' + failures)
      if (admitted !== last) changes += 1
      last = admitted
    }
    reads += 1
    if (!isLive) break
    if (reads % 1000 === 0) parentPort.postMessage({ changes, collisions: reader.collisions })
  }
  parentPort.postMessage('done')`

test('a thread that reads while another writes sees whole states only', async (t) => {
  const atrion = new Atrion({ engine: 'native' })
  const stream = atrion.stream({ intervalMs: 60_000 })
  atrion.override('a', 'closed')
  const worker = new Worker(WORKER, { eval: true, workerData: stream.buffer })
  let seen = { changes: 0, collisions: 0 }
  let failure
  worker.on('message', (message) => {
    if (message !== 'done') seen = message
  })
  worker.on('error', (error) => {
    failure = error
  })
  const exited = new Promise((resolve) => worker.once('exit', resolve))
  while (failure === undefined && (seen.changes < 500 || seen.collisions < 1000)) {
    for (let i = 0; i < 500; i++) {
      atrion.acquire('a').release('failure')
      stream.write()
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  stream.stop()
  await exited
  t.is(failure, undefined)
})
