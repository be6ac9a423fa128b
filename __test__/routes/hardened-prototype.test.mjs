// Properties that a dependency gave Object.prototype are no options of any call: neither obeyed, nor refused as unknown.
import {
  Atrion,
  AtrionError,
  FileStateProvider,
  InMemoryProvider,
  isShedError,
  RedisClusterProvider,
  RedisStateProvider,
  ShedError,
  VirtualClock,
} from 'atrion'
import { runSimulation, Scenarios } from 'atrion/simulation'
import { Atrion as WasmAtrion } from 'atrion/wasm'
import anyTest from 'ava'
import { CALM, engine, memoryLogger, virtual } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'
import { sourceOf } from '../_source.mjs'

// Object.prototype is the process's: one after the other.
const test = anyTest.serial
const closedLoop = engine === 'ts' ? test.skip : test

/** Does `work` while Object.prototype has these, as a merge of what a client sent leaves it. */
const polluted = async (names, work) => {
  for (const [name, value] of Object.entries(names)) {
    Object.defineProperty(Object.prototype, name, { value, enumerable: true, writable: true, configurable: true })
  }
  try {
    return await work()
  } finally {
    for (const name of Object.keys(names)) delete Object.prototype[name]
  }
}

/** The same work twice, without and with: both come to the same. */
const sameWith = async (t, names, work) => {
  const clean = await work()
  for (const [name, values] of Object.entries(names)) {
    for (const value of values) {
      t.deepEqual(await polluted({ [name]: value }, work), clean, `Object.prototype.${name} = ${String(value)}`)
    }
  }
}

const failed = async (work) => {
  try {
    return await work()
  } catch (error) {
    return `${error.name} ${Object.hasOwn(error, 'code') && error.code} ${error.message}`
  }
}

const JUNK = [0, -1, 1e9, '', 'critical', true, null, {}, ['x']]
const of = (...names) => Object.fromEntries(names.map((name) => [name, JUNK]))

test('options of an instance and of its routes', async (t) => {
  const names = {
    ...of(
      'provider',
      'autoTuner',
      'config',
      'slo',
      'observer',
      'scope',
      'defaultVoltage',
      'maxRoutes',
      'clock',
      'logger',
    ),
    ...of(
      'dryRun',
      'keySecret',
      'useWasm',
      'license',
      'criticality',
      'maxAcceptableLatencyMs',
      'profile',
      'limits',
      'pool',
    ),
    ...of('reserve', 'breakBy', 'heartbeatRequired', 'baseResistance', 'minFloor', 'nothingOfOurs'),
    dryRun: [true],
    engine: ['native', 'wasm', 'ts', 'none'],
  }
  await sameWith(t, names, async () => {
    const clock = new VirtualClock(1_000_000)
    const atrion = new Atrion({ engine, clock, slo: { targetErrorRate: 0.02 }, autoTuner: {}, config: {} })
    const seen = [atrion.engine, atrion.providerName]
    for (let i = 0; i < 12; i++, clock.advance(100)) seen.push(atrion.route('r', CALM))
    atrion.setRouteProfile('r', { scarFactor: 6, profile: { ...CUSTOM } })
    seen.push(JSON.stringify(atrion.getRouteProfile('r')))
    atrion.configure({ decayRate: 0.2 })
    atrion.configure('r', { slo: { baselineLatencyMs: 80 } })
    seen.push(atrion.route('r', CALM), atrion.route('r', { latencyMs: 5000, errorRate: 1 }))
    seen.push(atrion.getState('r'), atrion.getTunerStats('r'))
    return seen
  })
})

const CUSTOM = { baselineLatencyMs: 50, maxDurationMs: 1000, heartbeatIntervalMs: 0, scarMultiplier: 1 }

test('telemetry and options of route()', async (t) => {
  const names = { ...of('errorRate', 'saturation', 'voltage', 'profile', 'nothingOfOurs'), latencyMs: [1e9, 'x'] }
  await sameWith(t, names, async () => {
    const { atrion, clock } = virtual()
    const seen = [await failed(() => atrion.route('r', {}))]
    for (let i = 0; i < 30; i++, clock.advance(100)) {
      seen.push(atrion.route('r', { latencyMs: 100 }, i % 2 ? {} : undefined))
      class Sample {
        get latencyMs() {
          return 90 + i
        }
      }
      seen.push(atrion.route('class', new Sample()))
    }
    return seen
  })
})

test('options of leases and heartbeats', async (t) => {
  const names = of('profile', 'timeout', 'abortController', 'metadata', 'progress', 'memoryBytes', 'status')
  await sameWith(t, names, async () => {
    const { atrion } = virtual()
    const lease = await atrion.startTask('r', {})
    lease.heartbeat({})
    const { profile, startedAt, expiresAt, metadata, lastHeartbeat } = lease
    await lease.release()
    return [profile, startedAt, expiresAt, Object.keys(metadata), Object.keys(lastHeartbeat)]
  })
})

const REQUEST = {
  tier: ['critical', 'bulk', 'none', 5],
  voltage: [0, 1e9, 'x'],
  key: ['one for all', 7, {}],
  weight: [1e9, -1],
  queueAgeMs: [1e9, 'x'],
  saturation: [1, 'x'],
  maxWaitMs: [0, 1e9, 'x'],
  signal: [AbortSignal.abort(), {}, 5],
  timeoutMs: [1e-3, 'x'],
  fallback: ['instead', () => 'instead'],
  isFailure: [() => false, 5],
  limitedBy: ['ban'],
  retryAfterMs: [1e9],
  code: ['ATRION_SHED'],
  cause: [new ShedError({ routeId: 'x', resistance: 1, voltage: 1, mode: 'OPERATIONAL' })],
  nearest: ['tier'],
  nothingOfOurs: [1],
}

closedLoop('options of acquire(), enter() and run()', async (t) => {
  class Request {
    get tier() {
      return 'high'
    }
  }
  await sameWith(t, REQUEST, async () => {
    const { atrion, clock } = virtual()
    const seen = []
    const shown = ({ allow, resistance, voltage, tier, mode, reason, retryAfterMs, limitedBy }) =>
      `${allow} ${resistance} ${voltage} ${tier} ${mode} ${reason} ${retryAfterMs} ${limitedBy}`
    const ask = async (options) => {
      for (const permit of [atrion.acquire('r', options), await atrion.enter('r', options)]) {
        seen.push(shown(permit))
        clock.advance(5)
        permit.release()
      }
      seen.push(await failed(() => atrion.run('r', async () => 'done', options)))
      seen.push(await failed(() => atrion.run('r', () => Promise.reject(new Error('its own')), options)))
    }
    await ask({})
    await ask(undefined)
    await ask(new Request())
    await ask({ tier: 'low' })
    atrion.override('r', 'open')
    await ask({})
    seen.push(await failed(() => atrion.acquire('r', { teir: 'low' })))
    const { failures, shed, admitted, shedByTier } = atrion.stats('r')
    return [...seen, failures, shed, admitted, shedByTier]
  })
})

closedLoop('work that fails is a failure, whatever code its error inherits', async (t) => {
  const { atrion } = virtual()
  await polluted({ code: 'ATRION_SHED', isFailure: () => false }, async () => {
    for (let i = 0; i < 20; i++) await failed(() => atrion.run('r', () => Promise.reject(new Error('down')), {}))
  })
  t.is(atrion.stats('r').failures, 20)
  t.false(await polluted({ code: 'ATRION_SHED' }, () => isShedError(new Error('down'))))
})

test('options of providers, and what they tell', async (t) => {
  const names = {
    ...of('maxRoutes', 'intervalMs', 'prefix', 'gamma', 'ownsRecords', 'hasProvedNodes', 'load', 'subscribe'),
    ...of('node', 'requests', 'ageMs', 'scar', 'lastTick'),
    ownsRecords: [true],
    gamma: [1, 0],
  }
  await sameWith(t, names, async () => {
    const provider = new RecordingProvider()
    provider.vectors.set('r', { scar: 80, momentumScalar: 0, lastTick: 99, resistance: 90 })
    provider.vectors.set('half', { momentumScalar: 0, lastTick: 99, resistance: 90 })
    const { atrion, clock } = virtual({ provider, logger: memoryLogger() })
    await atrion.connect()
    const seen = [atrion.getState('r').scarTissue, atrion.getState('half')]
    clock.advance(100)
    await atrion.disconnect()
    const memory = new InMemoryProvider({})
    for (let i = 0; i < 5; i++) await memory.updateVector(`${i}`, provider.vectors.get('r'))
    new FileStateProvider('/nowhere/state.json', {})
    return [...seen, memory.size]
  })
})

if (engine === 'native') {
  test('options of the Redis providers, its URLs and its clients', async (t) => {
    const secret = 'a secret of another service'
    const names = {
      ...of(
        'url',
        'host',
        'port',
        'path',
        'username',
        'password',
        'db',
        'tls',
        'cluster',
        'sentinel',
        'keyPrefix',
        'channel',
      ),
      ...of(
        'intervalMs',
        'gamma',
        'connectTimeoutMs',
        'required',
        'expireMs',
        'maxRoutes',
        'redis',
        'sync',
        'interval',
      ),
      secret: [secret],
      tls: [true, { rejectUnauthorized: false }],
      rejectUnauthorized: [false],
      sentinels: [['127.0.0.1:1']],
    }
    await sameWith(t, names, async () => {
      const client = { on() {}, options: { retryStrategy: null, tls: {} } }
      const made = [
        new RedisStateProvider({}),
        new RedisStateProvider('redis://localhost'),
        new RedisStateProvider({ sentinel: { name: 'main', sentinels: ['127.0.0.1:26379'] }, tls: {} }),
        new RedisStateProvider(client),
        new RedisClusterProvider({}),
        new RedisClusterProvider({ redis: 'redis://localhost', sync: {} }),
      ]
      return made.map(({ gamma, intervalMs, hasProvedNodes }) => `${gamma} ${intervalMs} ${hasProvedNodes}`)
    })
  })
}

test('a configuration that another node wrote', async (t) => {
  const { readLayer } = await sourceOf('config/layers.ts')
  const written = { version: 5, node: 'x' }
  const text = JSON.stringify({
    ...{ format: 1, version: 5, settled: {}, origins: { '/dryRun': { version: 5 } } },
    standing: [{ ...written, changes: { dryRun: true } }],
    trail: [{ ...written, atMs: 3, paths: [], state: 'applied' }],
  })
  const trial = { share: 0, untilMs: 5, forMs: 5, fallPoints: 1 }
  const names = {
    ...of('expiresAtMs', 'author', 'reason', 'trial', 'keyShare', 'slo', 'dryRun', 'origins'),
    trial: [...JUNK, trial],
  }
  await sameWith(t, names, () => failed(() => readLayer(text, 1000)))
})

test('errors, snapshots, simulations and the entry of the wasm engine', async (t) => {
  const names = {
    ...of(
      'code',
      'cause',
      'nearest',
      'problem',
      'retryAfterMs',
      'limitedBy',
      'tuner',
      'slo',
      'config',
      'durationTicks',
    ),
    ...of('routeId', 'momentum', 'rejectedSamples', 'mean', 'engine'),
  }
  await sameWith(t, names, async () => {
    const { atrion } = virtual()
    atrion.route('r', CALM)
    const [{ momentum, ...half }] = atrion.snapshot()
    const shed = new ShedError({ routeId: 'r', resistance: 12, voltage: 5, mode: 'OPERATIONAL' })
    const root = new AtrionError('text')
    const observer = runSimulation({ durationTicks: 5, scenario: Scenarios.stable?.() ?? (() => CALM) })
    return [
      await failed(() => atrion.restore([half])),
      `${shed.code} ${shed.message} ${shed.retryAfterMs} ${Object.keys(shed.headers)}`,
      `${root.code} ${Object.hasOwn(root, 'cause')}`,
      JSON.stringify(observer),
      new WasmAtrion({}).engine,
      typeof momentum,
    ]
  })
})
