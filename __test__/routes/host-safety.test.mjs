// The host is safe from the addon: what reaches past the face gets an error or an answer, never the end of the process.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { engine } from '../_engine.mjs'
import { own } from '../_installed.mjs'
import fc from '../_random.mjs'

const require = createRequire(import.meta.url)
const binding = require('../../binding.js')
const redis = require(join(dirname(own.binary), own.platform.redisBinary))
const native = engine === 'native' ? test : test.skip
const closed = engine === 'ts' ? test.skip : test

const FRAME_CELLS = 1408
const LAW_CELLS = 36
const ANY_NUMBER = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -0, 1, -1, Number.NaN, Infinity, -Infinity, 2 ** 32, 2 ** 52, 2 ** 53, 5e-324, 1e308),
)

/** A law that holds: R_base, deadline, limits. */
const lawOf = (changes = {}) => {
  const cells = new Float64Array(LAW_CELLS)
  Object.assign(cells, { 0: 10, 7: 100, 15: 500, 23: 30_000, 24: 1, 25: 100, 26: 10, ...changes })
  return cells
}

const LINK = {
  hosts: ['127.0.0.1'],
  ports: [6379],
  isCluster: false,
  db: 0,
  keyPrefix: '',
  channel: '',
  intervalMs: 100,
  connectTimeoutMs: 100,
  expireMs: 1000,
  maxRoutes: 1,
  required: true,
  secrets: [],
}

const raw = (maxRoutes = 64) => {
  const frame = new Float64Array(FRAME_CELLS)
  const batch = new Float64Array(4096 * 4)
  const one = new binding.NativeEngine(maxRoutes, frame, batch, false)
  return { frame, batch, engine: one, ...one.hot() }
}

native('a law out of its ranges is refused where it enters the addon, and no other is changed', (t) => {
  const { engine: one, frame, acquire } = raw()
  for (const [cells, message] of [
    [lawOf({ 24: 200 }), /^law\[25\] must be a number in \[2e2, 1e6\], got 1e2$/],
    [lawOf({ 25: Number.NaN }), /^law\[25\] must be/],
    [lawOf({ 24: Number.NaN }), /^law\[24\] must be/],
    [lawOf({ 15: -1 }), /^law\[15\] must be/],
    [lawOf().subarray(1), /^law must be 36 cells, got 35 cells$/],
  ]) {
    t.throws(() => one.defineLaw(cells), { code: 'InvalidArg', message })
    t.throws(() => one.defineLaw(cells, 0), { code: 'InvalidArg', message })
  }
  t.is(one.defineLaw(lawOf()), 1)
  t.is(one.defineLaw(lawOf(), 9), -1)
  t.is(one.defineLaw(lawOf(), 65_536), -1)
  Object.assign(frame, { 0: one.intern('route'), 1: 1000, 7: 2, 8: Number.NaN, 13: -1 })
  acquire()
  t.is(frame[16] & 1, 1)
})

native('an engine or a link of no use is not made', (t) => {
  const frame = new Float64Array(FRAME_CELLS)
  for (const routes of [0, -1, Number.NaN, 2 ** 24 + 1]) {
    t.throws(() => new binding.NativeEngine(routes, frame, frame, false), { message: /^maxRoutes must be/ })
  }
  t.throws(() => new binding.NativeEngine(1, new Float64Array(3), frame, false), {
    message: /frame must have 1408 cells/,
  })
  const link = LINK
  t.is(new redis.RedisLink(link).stats().state, 'closed')
  for (const [wrong, message] of [
    [{ ports: [0] }, /^port must be/],
    [{ ports: [65_536] }, /^port must be/],
    [{ hosts: [] }, /^hosts must not be empty/],
    [{ intervalMs: 0 }, /^intervalMs must be/],
    [{ connectTimeoutMs: 0 }, /^connectTimeoutMs must be/],
    [{ expireMs: Number.NaN }, /^expireMs must be/],
    [{ maxRoutes: 0 }, /^maxRoutes must be/],
  ]) {
    t.throws(() => new redis.RedisLink({ ...link, ...wrong }), { code: 'InvalidArg', message })
  }
  for (const routes of [0, 2 ** 24 + 1]) t.throws(() => new binding.Link(routes), { message: /^maxRoutes must be/ })
  const half = new binding.Link(1)
  t.throws(() => raw().engine.sync(half, Number.NaN), { message: /^gamma must be/ })
  t.throws(() => raw().engine.adopt(half, 1, 2), { message: /^gamma must be/ })
  for (const other of [{}, link, new redis.RedisLink(link)]) t.throws(() => raw().engine.sync(other, 0.3))
})

native(
  'bytes that no addon wrote are refused by either half of a mailbox, and those of the other half are taken',
  (t) => {
    const { engine: one } = raw()
    const [half, store] = [new binding.Link(64), new redis.RedisLink({ ...LINK, maxRoutes: 64 })]
    one.intern('GET /orders')
    one.sync(half, 0.3)
    const outgoing = half.outgoing()
    store.deposit(outgoing)
    t.is(half.outgoing(), null, 'it was taken')
    const empty = Buffer.alloc(4)
    half.receive(empty)
    half.load(empty)
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 0, max: outgoing.length - 1 }).map((length) => outgoing.subarray(0, length)),
      fc.uint8Array({ minLength: 1, maxLength: 9 }).map((more) => Buffer.concat([outgoing, more])),
    )
    fc.assert(
      fc.property(bytes, (given) => {
        for (const call of [() => store.deposit(given), () => half.receive(given), () => half.load(given)]) {
          try {
            call()
          } catch (error) {
            t.regex(error.message, /must be bytes of/)
            t.is(error.code, 'InvalidArg')
          }
        }
      }),
    )
    for (const shorter of [outgoing.subarray(1), outgoing.subarray(0, -1), Buffer.concat([outgoing, empty])])
      t.throws(() => store.deposit(shorter), { code: 'InvalidArg', message: /^outgoing must be bytes of/ })
    t.throws(() => half.receive(outgoing), { code: 'InvalidArg', message: /^received must be bytes of/ })
    t.throws(() => half.load(outgoing), { code: 'InvalidArg', message: /^loaded must be bytes of/ })
    store.deposit(outgoing)
    t.is(store.stats().droppedRoutes, 0)
  },
)

native(
  'whatever is in the frame, each function of the addon comes back, and a good route is served afterwards',
  (t) => {
    const slots = fc.oneof(fc.integer({ min: -2, max: 70 }), ANY_NUMBER)
    const calls = fc.oneof(
      fc.record({
        hot: fc.constantFrom('route', 'acquire', 'release', 'routeBatch', 'nothing'),
        slot: slots,
        cells: fc.array(fc.tuple(fc.integer({ min: 1, max: FRAME_CELLS - 1 }), ANY_NUMBER), { maxLength: 12 }),
        rows: fc.array(ANY_NUMBER, { maxLength: 8 }),
      }),
      fc.record({
        method: fc.constantFrom('remove', 'nameOf', 'readState', 'writeState', 'readStats', 'share'),
        args: fc.tuple(slots),
      }),
      fc.record({ method: fc.constantFrom('scar', 'order', 'setLaw'), args: fc.tuple(slots, ANY_NUMBER) }),
      fc.record({ method: fc.constantFrom('lease', 'inherit'), args: fc.tuple(slots, fc.boolean()) }),
      fc.record({ method: fc.constantFrom('evicted', 'nextUsed', 'routeIds'), args: fc.constant([]) }),
      fc.record({
        method: fc.constantFrom('intern', 'find'),
        args: fc.tuple(fc.string({ unit: 'binary', maxLength: 8 })),
      }),
    )
    fc.assert(
      fc.property(fc.array(calls, { maxLength: 60 }), (steps) => {
        const world = raw(8)
        const { frame, batch, engine: one } = world
        for (let i = 0; i < 4; i++) one.intern(`r${i}`)
        for (const { hot, slot, cells, rows, method, args } of steps) {
          if (method !== undefined) {
            one[method](...args)
            continue
          }
          frame[0] = slot
          for (const [cell, value] of cells) frame[cell] = value
          batch.set(rows)
          world[hot]()
        }
        frame.fill(0)
        Object.assign(frame, { 0: one.intern('good'), 1: 1e12, 2: 10, 5: 100, 6: -1 })
        for (let tries = 0; tries < 10; tries++) {
          frame[0] = one.intern('good')
          world.route()
          if ((frame[16] & 16) === 0) break
        }
        // A call that panics throws: what the addon keeps of panics is of all threads.
        return (frame[16] & 1) === 1
      }),
      { numRuns: 300 },
    )
    t.pass()
  },
)

native('no permit number comes round: a stranger that keeps one never gives back another', (t) => {
  const { engine: one, frame, acquire, release } = raw()
  const slot = one.intern('route')
  const take = () => {
    Object.assign(frame, { 0: slot, 1: 1000, 7: 2, 8: Number.NaN, 13: -1 })
    acquire()
    return frame[9]
  }
  const seen = new Set()
  for (let i = 0; i < 100_000; i++) {
    const id = take()
    if (seen.has(id)) return t.fail(`${id} again after ${i}`)
    seen.add(id)
    frame[9] = id
    release()
  }
  for (const id of [...seen].slice(0, 1000).concat([2 ** 52, 2 ** 53, -1, Number.NaN, Infinity])) {
    const kept = take()
    frame[9] = id
    release()
    one.readStats(slot)
    t.is(frame[64], 1, `${id}`)
    frame[9] = kept
    release()
  }
})

// The functional model has no engine that could fail.
closed('an engine that fails in a call admits, says so once, with a backtrace, and goes on', async (t) => {
  // The engine's functions are taken from it as an addon or a module that fails would: by what they throw.
  const code = `
    import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
    const require = createRequire(${JSON.stringify(import.meta.url)})
    const failing = { on: false, calls: 0 }
    const failure = () => (${engine === 'native'} ? Object.assign(new Error('the engine panicked'), { code: 'ATRION_PANIC' })
      : new WebAssembly.RuntimeError('unreachable'))
    const wrap = (f) => (...args) => { if (failing.on) { failing.calls += 1; throw failure() } return f(...args) }
    if (${engine === 'native'}) {
      const binding = require('../../binding.js')
      const { NativeEngine } = binding
      binding.NativeEngine = class {
        constructor(...args) {
          const one = new NativeEngine(...args)
          return new Proxy(one, { get: (_, name) => name === 'hot'
            ? () => Object.fromEntries(Object.entries(one.hot()).map(([key, f]) => [key, wrap(f)]))
            : wrap((...given) => one[name](...given)) })
        }
      }
    } else {
      const { Instance } = WebAssembly
      WebAssembly.Instance = class { constructor(...args) {
        const { exports } = new Instance(...args)
        this.exports = Object.fromEntries(Object.entries(exports).map(([key, f]) => [key, typeof f === 'function' ? wrap(f) : f]))
      } }
    }
    const { Atrion } = await import('atrion')
    const entries = []
    const note = (level) => (message, context) => entries.push({ level, message, context })
    const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
    const events = []
    const run = async (options) => {
      const atrion = new Atrion({ engine: '${engine}', ...options })
      atrion.on('degraded', ({ provider }) => events.push(provider))
      atrion.acquire('a').release()
      failing.on = true
      const answers = []
      for (const id of ['a', 'new', 'a']) {
        answers.push(atrion.route(id, { latencyMs: 1e9, errorRate: 1, saturation: 1 }).allow)
        const permit = atrion.acquire(id, { tier: 'bulk' })
        answers.push(permit.allow)
        permit.release('failure')
        const waited = await atrion.enter(id, { maxWaitMs: 5 })
        answers.push(waited.allow)
        answers.push(await atrion.run(id, () => true))
        atrion.setRouteProfile(id, 'HEAVY')
        atrion.stats(id); atrion.getState(id); atrion.getRoutes(); atrion.snapshot(); atrion.override(id, 'open'); atrion.override(id, null)
        await atrion.resetRoute(id)
      }
      answers.push(...atrion.routeBatch(['a', 'b'], new Float64Array(6), new Float64Array(2)).map((r) => Number(r === 0)))
      failing.on = false
      answers.push(atrion.acquire('a').allow, atrion.route('b', { latencyMs: 10 }).allow)
      return answers.every((one) => one === true || one === 1)
    }
    const warnings = []
    process.on('warning', (warning) => warnings.push(warning.name + ': ' + warning.message))
    const admitted = [await run({ logger }), await run({}), await run({})]
    await new Promise((resolve) => setImmediate(resolve))
    console.log(JSON.stringify({ admitted, entries, events, warnings, calls: failing.calls }))`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', code], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    encoding: 'utf8',
  })
  t.is(status, 0, stderr)
  t.is(stderr, '')
  const { admitted, entries, events, warnings, calls } = JSON.parse(stdout)
  t.deepEqual(admitted, [true, true, true])
  t.true(calls > 0)
  t.is(entries.length, 1)
  t.is(entries[0].level, 'error')
  t.regex(entries[0].message, /the engine failed in a call, which was admitted/)
  t.true(entries[0].context.backtrace.length > 0)
  t.deepEqual(events, Array(3).fill(`engine '${engine}'`))
  t.is(warnings.length, 1)
  t.regex(warnings[0], /^AtrionWarning: the engine failed in a call/)
})
