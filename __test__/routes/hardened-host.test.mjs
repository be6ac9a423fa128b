// Code of the host's that is handed over: async where none was expected, getters that answer differently, arrays that lie, listeners
// that cause what they listen to. None of it ends the process, hangs it, or gets past a check.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCompositeObserver, createFilteredObserver, FileStateProvider, resetLogger, setLogger } from 'atrion'
import anyTest from 'ava'
import { BAD, CALM, create, engine, virtual } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'

// The process's logger and its unhandled rejections belong to one test at a time.
const test = anyTest.serial
const closedLoop = engine === 'ts' ? test.skip : test

const rejects = async () => {
  throw new Error('rejected')
}
const LOGGER = { debug: rejects, info: rejects, warn: rejects, error: rejects }

/** The rejections that nothing handled while `act` ran, and in the turns after. */
const unhandled = async (act) => {
  const seen = []
  const note = (error) => seen.push(error)
  process.on('unhandledRejection', note)
  try {
    await act()
    // Node reports them after the microtasks of a turn.
    for (let turn = 0; turn < 5; turn++) await sleep(1)
  } finally {
    process.off('unhandledRejection', note)
  }
  return seen
}

const ASYNC = {
  'a logger': () => create({ logger: LOGGER }).route('r', { latencyMs: Number.NaN }),
  'the logger of the process': () => {
    setLogger(LOGGER)
    create().route('r', { latencyMs: Number.NaN })
    resetLogger()
  },
  'an observer': () => create({ observer: { onUpdate: rejects } }).route('r', CALM),
  'an observer among several': () =>
    create({ observer: createCompositeObserver({ onUpdate: rejects }, { onUpdate: rejects }) }).route('r', CALM),
  'a filtered observer': () =>
    create({ observer: createFilteredObserver({ onUpdate: rejects }, () => true) }).route('r', CALM),
  'a clock': () => create({ clock: { now: rejects } }).route('r', CALM),
  'a listener': () => {
    const atrion = create()
    atrion.on('shed', rejects)
    atrion.override('r', 'open')
    atrion.route('r', CALM)
  },
}
const ASYNC_CLOSED = {
  breakBy: () => {
    const atrion = create()
    atrion.setRouteProfile('r', { breakBy: rejects })
    atrion.acquire('r', { key: 'k' }).release()
  },
  isFailure: () =>
    create()
      .run('r', () => Promise.reject(new Error('mine')), { isFailure: rejects })
      .catch(() => {}),
  'an abort controller': async () => {
    const abortController = { signal: new AbortController().signal, abort: rejects }
    const { clock, atrion } = virtual()
    const lease = await atrion.startTask('r', { timeout: 10, abortController })
    clock.advance(100)
    await lease.release('timeout')
  },
}

for (const [of, cases] of [
  [test, ASYNC],
  [closedLoop, ASYNC_CLOSED],
]) {
  for (const [name, act] of Object.entries(cases))
    of(`${name} that is async and rejects ends no process`, async (t) => {
      t.deepEqual(await unhandled(act), [])
    })
}

test('thenables that throw where promises reject are none the worse', async (t) => {
  const thrower = Object.defineProperty({}, 'then', {
    get() {
      throw new Error('then')
    },
  })
  const observed = create({ observer: { onUpdate: () => thrower }, logger: LOGGER })
  t.deepEqual(await unhandled(() => observed.route('r', CALM)), [])
  t.true(observed.route('r', CALM).allow)
})

test('a listener that causes its own event does not keep the rest of the process waiting', async (t) => {
  const atrion = create()
  let heard = 0
  atrion.override('r', 'open')
  const stop = atrion.on('shed', () => {
    heard += 1
    atrion.route('r', CALM)
  })
  atrion.route('r', CALM)
  await sleep(1)
  stop()
  t.true(heard > 0)
})

test('an array that lies about its length is refused at once', (t) => {
  const atrion = create()
  const endless = new Proxy([], { get: (target, key) => (key === 'length' ? 2 ** 53 : Reflect.get(target, key)) })
  for (const list of [endless, new Array(2 ** 32 - 1), new Array(3)]) {
    t.throws(() => atrion.restore(list), { code: 'ATRION_CONFIG', message: /^snapshot\[0\] must be an object/ })
    t.throws(() => atrion.routeBatch(list, new Float64Array(9)), { message: /^(samples|routeIds\[0\]) must / })
  }
  t.deepEqual(atrion.getRoutes(), [])
})

test('samples that shrink while the names are read are refused, and no route is made', (t) => {
  const atrion = create()
  const bytes = new ArrayBuffer(72, { maxByteLength: 72 })
  const names = ['a', 'b', 'c']
  Object.defineProperty(names, 1, {
    get() {
      bytes.resize(8)
      return 'b'
    },
  })
  t.throws(() => atrion.routeBatch(names, new Float64Array(bytes)), { instanceOf: RangeError })
  t.deepEqual(atrion.getRoutes(), [])
})

test('a name that is too long is none: of a snapshot nothing is restored, and a look-up costs nothing', (t) => {
  const world = virtual()
  for (let i = 0; i < 12; i++) world.atrion.route('r', CALM)
  const [snapshot] = world.atrion.snapshot()
  const long = 'x'.repeat(2 ** 28)
  const { atrion } = virtual()
  t.throws(() => atrion.restore([snapshot, { ...snapshot, routeId: long }]), { code: 'ATRION_CONFIG' })
  t.deepEqual(atrion.getRoutes(), [])
  // The engine is never given it: that would copy 256 MB, which alone takes seconds and shows in its memory.
  const before = process.memoryUsage().rss
  t.is(atrion.getState(long), undefined)
  t.is(atrion.getTunerStats(long), undefined)
  t.true(process.memoryUsage().rss - before < 100e6)
})

closedLoop('run() rejects with the very value that the work throws, and its permit comes back', async (t) => {
  const { clock, atrion } = virtual()
  const fail = () => {
    throw new Error('a trap')
  }
  const thrown = [
    new Proxy({}, { get: fail, has: fail, getPrototypeOf: fail }),
    Object.create(null),
    Symbol('odd'),
    undefined,
    Object.defineProperty(new Error('odd'), 'code', { get: fail }),
  ]
  for (const error of thrown) {
    const outcome = await atrion.run('r', () => Promise.reject(error)).then(fail, (reason) => ({ reason }))
    t.true(outcome.reason === error)
    clock.advance(1)
  }
  t.like(atrion.stats('r'), { inFlight: 0, failures: thrown.length })
})

/** A provider whose every answer is another one when it is read again. */
const fickle = (values) => {
  const reads = {}
  return new Proxy(
    {},
    {
      get(_, name) {
        const list = values[name]
        if (list === undefined) return undefined
        reads[name] = (reads[name] ?? -1) + 1
        return list[Math.min(reads[name], list.length - 1)]
      },
    },
  )
}

test('a vector that reads differently the second time, or an origin that is none, does no harm', async (t) => {
  const vector = () => fickle({ scar: [5, Number.NaN], momentumScalar: [0], lastTick: [9, 9n], resistance: [15, 'x'] })
  const origins = [
    { node: Symbol('n'), requests: 5n, ageMs: 'x' },
    { node: {}, requests: Number.POSITIVE_INFINITY, ageMs: -5 },
    fickle({ node: ['a', 5], requests: [1, 5n], ageMs: [0, Symbol('age')] }),
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('origin')
        },
      },
    ),
    null,
    7,
  ]
  class Hostile extends RecordingProvider {
    intervalMs = 10

    async load() {
      return [['loaded', vector(), Number.NaN], ['aged', vector(), 5n], null, ['short'], [5, vector(), 0]]
    }

    subscribe(_, onChange) {
      for (const origin of origins) onChange(vector(), origin)
      onChange(null)
      return 5
    }
  }
  for (const ownsRecords of [false, true]) {
    const provider = new Hostile()
    provider.ownsRecords = ownsRecords
    const atrion = create({ provider })
    await atrion.connect()
    for (let i = 0; i < 20; i++) atrion.route('r', BAD)
    await atrion.flush()
    await atrion.flush()
    for (const { resistance, scarTissue } of atrion.snapshot()) t.true(Number.isFinite(resistance + scarTissue))
    t.true(atrion.route('fresh', CALM).allow)
    await atrion.disconnect()
  }
})

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('a path that is no regular file, or a too large one, is not read', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'atrion-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [pipe, device, large] = ['pipe', 'device', 'large'].map((name) => join(folder, name))
  execFileSync('mkfifo', [pipe])
  symlinkSync('/dev/zero', device)
  writeFileSync(large, '')
  truncateSync(large, 2 ** 28 + 1)
  for (const [path, message] of [
    [pipe, /it is not a file/],
    // Through the link: /dev itself is no folder of ours.
    [device, /it is not a file|could not connect/],
    [large, /at most 268435456 (bytes|are read)/],
  ]) {
    const atrion = create({ provider: new FileStateProvider(path) })
    await t.throwsAsync(atrion.connect(), { message })
    t.true(atrion.route('r', CALM).allow)
  }
})

test('a store that never stops giving is read as far as there is room', async (t) => {
  class Endless extends RecordingProvider {
    async load() {
      const vector = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 11 }
      return {
        *[Symbol.iterator]() {
          for (let i = 0; ; i++) yield [`r${i}`, vector, 0]
        },
      }
    }
  }
  const atrion = create({ provider: new Endless(), maxRoutes: 100 })
  await atrion.connect()
  t.true(atrion.getRoutes().length <= 100)
  await atrion.disconnect()
})
