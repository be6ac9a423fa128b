// One engine for all threads of a process: what is hurt in one is hurt in all, at once.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Atrion, ConfigError } from 'atrion'
import anyTest from 'ava'
import { BAD, CALM } from '../_engine.mjs'
import { until } from '../_patience.mjs'

// The engine is the process's: one test after the other.
const isNative = new Atrion().engine === 'native'
const native = isNative ? anyTest.serial : anyTest.skip

const threads = []

const start = async () => {
  const worker = new Worker(new URL('../_process.mjs', import.meta.url))
  threads.push(worker)
  await once(worker, 'online')
  const tell = async (act, what = {}) => {
    worker.postMessage({ act, ...what })
    const [answer] = await once(worker, 'message')
    return answer
  }
  return { worker, tell }
}

const shared = () => new Atrion({ scope: 'process', maxRoutes: 256 })

anyTest.afterEach.always(async () => {
  await Promise.all(threads.splice(0).map((worker) => worker.terminate()))
})

native('a route hurt in one thread is hurt in all, at once', async (t) => {
  const atrion = shared()
  for (let i = 0; i < 20; i++) atrion.route('a', CALM)
  const before = atrion.getState('a').resistance
  const { tell } = await start()
  await tell('route', { routeId: 'a', telemetry: BAD, times: 5 })
  const { scarTissue, resistance, tickCount } = atrion.getState('a')
  t.is(tickCount, 25)
  t.true(scarTissue > 20 && resistance > before + 20, `${scarTissue} Ω, ${resistance} Ω`)
  t.false(atrion.route('a', CALM, before + 1).allow)
  const { scarTissue: seen } = await tell('state', { routeId: 'a' })
  t.true(seen > 15)
})

native('instances of one thread share too, and other instances have engines of their own', (t) => {
  const [one, other, alone] = [shared(), shared(), new Atrion()]
  one.route('b', CALM)
  t.is(other.getState('b').tickCount, 1)
  t.is(alone.getState('b'), undefined)
  t.true(other.getRoutes().includes('b'))
})

native('threads that tick at the same time lose no tick', async (t) => {
  const atrion = shared()
  const threads = await Promise.all(Array.from({ length: 4 }, start))
  const running = threads.map(({ tell }) => tell('route', { routeId: 'c', telemetry: CALM, times: 50_000 }))
  let collisions = 0
  let last = atrion.route('c', CALM) && atrion.getState('c').tickCount
  let own = 1
  let isRunning = true
  Promise.all(running).then(() => {
    isRunning = false
  })
  while (isRunning) {
    for (let i = 0; i < 1000; i++) {
      atrion.route('c', CALM)
      own += 1
      const { tickCount } = atrion.getState('c')
      if (tickCount !== last + 1) collisions += 1
      last = tickCount
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.is(atrion.getState('c').tickCount, 200_000 + own)
  t.true(collisions > 0, 'the others did tick in between')
})

native('requests in flight count in every thread, and are given back where they were taken', async (t) => {
  const atrion = shared()
  const { tell } = await start()
  await tell('acquire', { routeId: 'd', times: 3 })
  const mine = atrion.acquire('d', { tier: 'critical' })
  t.is(atrion.stats('d').inFlight, 4)
  await tell('release')
  t.is(atrion.stats('d').inFlight, 1)
  mine.release()
  t.is(atrion.stats('d').inFlight, 0)
})

native('a route that one thread evicts is interned anew by another', async (t) => {
  const atrion = shared()
  for (let i = 0; i < 20; i++) atrion.route('e', CALM)
  const { tell } = await start()
  await tell('routes', { count: 2000 })
  t.is(atrion.getState('e'), undefined)
  t.is(atrion.route('e', CALM).mode, 'BOOTSTRAP')
  t.is(atrion.getState('e').tickCount, 1)
  t.true(atrion.getRoutes().length <= 256)
  t.true((await tell('routeIds')).includes('e'))
})

native('a batch whose routes another thread evicted ticks them anew, and no other route', async (t) => {
  const atrion = shared()
  const ids = Array.from({ length: 40 }, (_, i) => `batch ${i}`)
  const samples = new Float64Array(ids.length * 3).fill(0.1)
  for (let i = 0; i < 20; i++) atrion.routeBatch(ids, samples)
  t.true(ids.every((id) => atrion.getState(id).tickCount === 20))
  const { tell } = await start()
  await tell('routes', { count: 1000 })
  atrion.routeBatch(ids, samples)
  t.deepEqual(new Set(ids.map((id) => atrion.getState(id)?.tickCount)), new Set([1]))
  // Those of that thread alone: suites in further threads share the engine, too.
  const others = atrion.snapshot().filter(({ routeId }) => routeId.startsWith('flood '))
  t.true(others.length > 20)
  t.deepEqual(new Set(others.map(({ tickCount }) => tickCount)), new Set([1]))
})

native('a batch whose new routes take the places of its old ones ticks each by itself', (t) => {
  const [atrion, other] = [shared(), shared()]
  const round = (number) => {
    const old = Array.from({ length: 8 }, (_, i) => `old ${number} ${i}`)
    const fresh = Array.from({ length: 100 }, (_, i) => `fresh ${number} ${i}`)
    for (const id of old) atrion.route(id, CALM)
    for (let i = 0; i < 200; i++) other.route(`full ${number} ${i}`, CALM)
    const ids = [...old, ...fresh]
    atrion.routeBatch(ids, new Float64Array(ids.length * 3).fill(0.1))
    const ticks = ids.map((id) => atrion.getState(id)?.tickCount)
    // Suites in further threads share the engine, and may have evicted one in between: it is new again, or gone.
    t.true(ticks.slice(0, 8).every((count) => count === undefined || count === 1 || count === 2))
    t.true(
      ticks.slice(8).every((count) => count === undefined || count === 1),
      `${ticks}`,
    )
    return ticks.includes(1) && ticks.slice(0, 8).includes(2)
  }
  // ... or all of the old ones, in some rounds; the engine is full in every one but the first.
  const rounds = Array.from({ length: 20 }, (_, number) => round(number))
  t.true(rounds.slice(1).includes(true), `${rounds}`)
})

native('a lease whose route another instance evicted ends no lease of the route that has its place', async (t) => {
  const [atrion, other] = [shared(), shared()]
  const lease = await atrion.startTask('leased', { timeout: 60_000 })
  const [names, leases] = [[], []]
  // Routes with work in flight go last: it goes when all have some.
  for (let i = 0; i < 2000 && atrion.getState('leased') !== undefined; i++) {
    names.push(`lease ${i}`)
    leases.push(await other.startTask(`lease ${i}`, { timeout: 60_000 }))
  }
  // The place of the route that went is taken for certain.
  t.is(atrion.getState('leased'), undefined)
  const isThere = names.filter((name) => other.getState(name) !== undefined)
  t.true(isThere.length > 100)
  const done = lease.release()
  const lost = isThere.filter((name) => other.getState(name) !== undefined && other.stats(name).inFlight !== 1)
  t.deepEqual(lost, [])
  await done
  await Promise.all(leases.map((one) => one.release()))
})

native('a thread that ends in the middle leaves the engine to the others', async (t) => {
  const atrion = shared()
  const { worker } = await start()
  worker.postMessage({ act: 'route', routeId: 'f', telemetry: CALM, times: 1e9 })
  atrion.route('f', CALM)
  await until(() => atrion.getState('f').tickCount >= 1000)
  await worker.terminate()
  const { tickCount } = atrion.getState('f')
  atrion.route('f', CALM)
  t.is(atrion.getState('f').tickCount, tickCount + 1)
})

native('one engine has one bound', (t) => {
  const atrion = shared()
  const error = t.throws(() => new Atrion({ scope: 'process' }), { instanceOf: ConfigError })
  t.is(error.field, 'maxRoutes')
  t.is(error.got, 65_536)
  t.regex(error.message, /must be 256, as of the process's other instances/)
  t.is(atrion.engine, 'native')
})

anyTest('a scope that is none, and engines that cannot share', (t) => {
  t.throws(() => new Atrion({ scope: 'cluster' }), {
    instanceOf: ConfigError,
    message: /scope must be 'instance', 'process' or 'machine'/,
  })
  for (const engine of ['wasm', 'ts']) {
    const error = t.throws(() => new Atrion({ scope: 'process', engine }), { instanceOf: ConfigError })
    t.is(error.field, 'scope')
  }
})
