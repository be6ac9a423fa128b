// Options mean the same whatever object they come in: plain, frozen, of a class with getters, created from another, a Proxy.
import { Atrion, AutoTuner, InMemoryProvider, RedisClusterProvider, RedisStateProvider, VirtualClock } from 'atrion'
import { atrionExpress } from 'atrion/express'
import { atrionHttp, withTier } from 'atrion/http'
import { atrionPrometheus } from 'atrion/prometheus'
import { runSimulation } from 'atrion/simulation'
import { atrionStudio } from 'atrion/studio'
import { atrionUndici } from 'atrion/undici'
import test from 'ava'
import fc from 'fast-check'
import { BAD, create, drive, engine, virtual, warm } from '../_engine.mjs'

const closedLoop = engine === 'ts' ? test.skip : test

const SHAPES = {
  frozen: (options) => Object.freeze({ ...options }),
  withoutPrototype: (options) => Object.assign(Object.create(null), options),
  proxy: (options) => new Proxy({ ...options }, {}),
  ownGetters: (options) => {
    const getters = Object.entries(options).map(([name, value]) => [name, { enumerable: true, get: () => value }])
    return Object.defineProperties({}, Object.fromEntries(getters))
  },
  created: (options) => Object.create({ ...options }),
  classGetters: (options) => {
    class Options {}
    for (const [name, value] of Object.entries(options)) {
      Object.defineProperty(Options.prototype, name, { get: () => value })
    }
    return new Options()
  },
}

/** The same options, each object within them in the shape that comes next. */
const shaped = (value, shapes) => {
  let at = 0
  const walk = (given) => {
    if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype) return given
    const shape = SHAPES[shapes[at++ % shapes.length]]
    return shape(Object.fromEntries(Object.entries(given).map(([name, inner]) => [name, walk(inner)])))
  }
  return walk(value)
}

const come = (work, options) => {
  try {
    return { value: work(options) }
  } catch (error) {
    return { error: `${error.name}: ${error.message}` }
  }
}

const clock = new VirtualClock(1_000_000)

/** Options and what shows how they were taken: their effect, or the error that names the field. */
const BAGS = {
  instance: [
    (options) => {
      const world = warm({ atrion: new Atrion(options), clock })
      const decisions = drive(world, 'route', BAD, 3)
      const lease = world.atrion.config.explain('slo.maxAcceptableLatencyMs').value
      return [decisions.at(-1).resistance, decisions.at(-1).allow, lease]
    },
    { engine, clock, config: { scarFactor: 9 } },
    { engine, clock, config: { scarFactor: -9 } },
    { engine, clock, slo: { maxAcceptableLatencyMs: 77, criticality: { latency: 1 } } },
    { engine, clock, slo: { maxAcceptableLatencyMs: -7 } },
    { engine, clock, slo: { criticality: { latency: 99 } } },
    { engine, clock, autoTuner: { minFloor: -5 } },
    { engine, clock, watchdog: { stallMs: 1 } },
    { engine, clock, bans: { share: 2 } },
  ],
  'a route': [
    (options) => {
      const { atrion } = virtual()
      atrion.setRouteProfile('route', options)
      return atrion.getRouteProfile('route')
    },
    { scarFactor: 9 },
    { scarFactor: -9 },
    { slo: { baselineLatencyMs: 5, criticality: { error: 2 } }, limits: { max: 7 } },
    { slo: { baselineLatencyMs: -5 } },
    { limits: { min: -1 } },
    { reserve: { critical: 0.25 } },
    { reserve: { critical: 25 } },
    { profile: { maxDurationMs: 7 } },
    { profile: { maxDurationMs: -7 } },
    { pool: '' },
  ],
  'all routes': [
    (options) => {
      const { atrion } = virtual()
      atrion.configure(options)
      return ['config.scarFactor', 'limits.max', 'pool'].map((path) => atrion.config.explain(path).value)
    },
    { scarFactor: 9 },
    { limits: { max: 7 } },
    { limits: { max: -7 } },
    { pool: 'db' },
    { dryRun: 1 },
    { breakBy: 'key' },
  ],
  tuner: [(options) => new AutoTuner(options).computeBreakPoint(), { warmupTicks: 0, minFloor: 44 }, { minFloor: -1 }],
  redis: [(options) => new RedisStateProvider(options).gamma, { gamma: 0.5 }, { gamma: 5 }, { tls: { ca: 5 } }],
  'redis of atrion 2.0': [
    (options) => new RedisClusterProvider(options).intervalMs,
    { sync: { interval: 77 } },
    { sync: { interval: -7 } },
    { redis: { url: 'http://host' } },
  ],
}

const BAGS_OF_THE_LOOP = {
  express: [
    (options) => typeof atrionExpress(create(), options),
    { tier: 'high' },
    { route: 5 },
    { trustHeaders: 1 },
    { pressure: { heap: 1 } },
    { maxStreams: 0 },
    { maxWaitMs: 5 },
  ],
  http: [(options) => typeof atrionHttp(create(), () => {}, options), { key: 5 }, { headers: 'x' }],
  undici: [(options) => typeof atrionUndici(create(), options), { tier: 5 }, { propagate: 1 }],
  prometheus: [(options) => typeof atrionPrometheus(create(), options), { path: 5 }, { traceId: 5 }],
  studio: [(options) => typeof atrionStudio(create(), options), { path: 5 }, { maxViewers: 0 }],
  swarm: [
    (options) => create().createSwarm('swarm', options).stats().units,
    { budget: { usd: 5, requests: 3 } },
    { budget: { usd: -5 } },
    { budget: { usd: 5 }, soft: 2 },
    { budget: { usd: 5 }, upstream: { provider: 'none' } },
  ],
}

const meanTheSame = (t, bags) => {
  for (const [name, [work, ...all]] of Object.entries(bags)) {
    const property = fc.property(
      fc.constantFrom(...all),
      fc.array(fc.constantFrom(...Object.keys(SHAPES)), { minLength: 1, maxLength: 4 }),
      (options, shapes) => t.deepEqual(come(work, shaped(options, shapes)), come(work, options), `${name}: ${shapes}`),
    )
    fc.assert(property, { numRuns: 60 })
  }
}

test('options of any shape mean the same', (t) => meanTheSame(t, BAGS))
closedLoop('options of adapters, exporters and swarms of any shape mean the same', (t) =>
  meanTheSame(t, BAGS_OF_THE_LOOP),
)

closedLoop('a budget of a unit of its own counts where the budget was created from another', async (t) => {
  const swarm = create().createSwarm('swarm', { budget: Object.create({ pages: 2 }) })
  await swarm.run(Object.create({ pages: 2 }), (lease) => lease.used(Object.create({ usd: 1 })))
  t.deepEqual(swarm.stats().units.pages, { limit: 2, used: 2, held: 0, left: 0 })
})

closedLoop('options of an adapter are read once: they stay as they were checked', (t) => {
  let reads = 0
  const options = {
    get maxWaitMs() {
      return reads++ === 0 ? 5 : -1
    },
  }
  t.is(typeof atrionExpress(create(), options), 'function')
  t.is(reads, 1)
})

test("options with scope: 'machine' are checked in any shape", (t) => {
  for (const shape of Object.values(SHAPES)) {
    const options = shape({ scope: 'machine', defaultVoltage: -1 })
    t.throws(() => new Atrion(options), { name: 'ConfigError', message: /^defaultVoltage must be / })
  }
})

test('options that are no object are refused with a ConfigError', (t) => {
  for (const odd of [null, 5, 'text', true]) {
    for (const make of [
      () => new InMemoryProvider(odd),
      () => new RedisClusterProvider(odd),
      () => new AutoTuner(odd),
      () => runSimulation(odd),
    ]) {
      t.throws(make, { name: 'ConfigError', message: / must be an object, got / })
    }
  }
  t.throws(() => runSimulation({ durationTicks: 1 }), { name: 'ConfigError', message: /^scenario must be a function/ })
})

test('withTier refuses what is no tier and what is no function', (t) => {
  t.throws(() => withTier('urgent', () => 1), { name: 'ConfigError', message: /^tier must be one of critical, / })
  t.throws(() => withTier('high', 1), { name: 'TypeError', message: /^work must be a function, got 1/ })
  t.is(
    withTier(undefined, () => 1),
    1,
  )
})
