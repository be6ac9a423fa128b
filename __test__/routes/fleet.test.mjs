/** Fleets: their ticks are those of routes, to the last bit, on every engine and instruction set; their views stay. */
import { spawnSync } from 'node:child_process'
import { Atrion } from 'atrion'
import { Fleet } from 'atrion/fleet'
import test from 'ava'

const ENGINES = ['native', 'wasm']
const START_MS = 1_000_000

/** A fixed sequence of numbers in [0, 1) that look like chance. */
const chance = (seed) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return seed / 2 ** 32
}

/** Readings of `size` routes: calm ones, ever worse ones, and some noise. */
const readingsOf = (size, tick, draw) =>
  Float64Array.from({ length: size * 3 }, (_, cell) => {
    const route = Math.floor(cell / 3)
    const isNoise = draw() < 0.02
    if (isNoise) return [Number.NaN, -1, Number.POSITIVE_INFINITY][Math.floor(draw() * 3)]
    const stress = route % 5 === 0 ? tick / 20 : 0.5
    return [200, 0.02, 1][cell % 3] * stress * draw()
  })

const OPTIONS = { scarFactor: 9, bootstrapTicks: 4, decayRate: 0.4 }
const TUNER = { windowSize: 20, minFloor: 60, warmupTicks: 6, sensitivity: 1 }

const bitsOf = (x) => new BigUint64Array(Float64Array.of(x).buffer)[0]

for (const engine of ENGINES) {
  for (const autoTuner of [TUNER, false]) {
    test(`${engine}: a fleet ticks as routes do, to the last bit, ${autoTuner ? 'with' : 'without'} a tuner`, (t) => {
      for (const size of [1, 2, 3, 4, 5, 8, 31, 67]) {
        const clock = { now: () => nowMs }
        let nowMs = START_MS
        const fleet = new Fleet(size, { ...OPTIONS, autoTuner, engine, clock })
        const atrion = new Atrion({ engine: 'native', config: OPTIONS, autoTuner, clock, maxRoutes: 100 })
        const draw = chance(size)
        for (let tick = 0; tick < 120; tick++) {
          nowMs += Math.floor(draw() * 300)
          const samples = readingsOf(size, tick, draw)
          fleet.tick(samples)
          for (let route = 0; route < size; route++) {
            const [latencyMs, errorRate, saturation] = samples.subarray(route * 3)
            atrion.route(`r${route}`, { latencyMs, errorRate, saturation })
          }
        }
        let rejected = 0
        const modes = new Set()
        for (const state of atrion.snapshot()) {
          const route = Number(state.routeId.slice(1))
          rejected += state.rejectedSamples
          modes.add(state.mode)
          t.is(fleet.modeOf(route), state.mode)
          const same = (column, value) => t.is(bitsOf(fleet[column][route]), bitsOf(value), `${column} of ${route}`)
          same('resistance', state.resistance)
          same('scar', state.scarTissue)
          same('momentum', state.momentum)
          same('pressureLatency', state.pressure.latency)
          same('pressureError', state.pressure.error)
          same('pressureSaturation', state.pressure.saturation)
          if (autoTuner) {
            same('tunerMean', state.tuner.mean)
            same('tunerVariance', state.tuner.variance)
          }
          if (state.mode === 'CIRCUIT_BREAKER') same('recoveryStartedAt', state.recoveryStartedAt)
          t.is(
            fleet.allows(route, 20),
            atrion.getState(state.routeId).mode !== 'CIRCUIT_BREAKER' && 20 > state.resistance,
          )
        }
        t.is(fleet.rejectedSamples, rejected)
        t.is(fleet.lastUpdatedAt, nowMs)
        if (size === 67) t.deepEqual([...modes].sort(), ['CIRCUIT_BREAKER', 'OPERATIONAL'], 'both were seen')
      }
    })
  }

  test(`${engine}: the columns are the same views for good`, (t) => {
    const fleet = new Fleet(1000, { engine })
    const { resistance, mode, samples } = fleet
    const others = Array.from({ length: 20 }, () => new Fleet(1000, { engine }))
    for (let i = 0; i < 50; i++) fleet.tick(samples, i * 100)
    for (const other of others) other.tick()
    t.is(fleet.engine, engine)
    t.is(resistance, fleet.resistance)
    t.is(resistance.length, 1000)
    t.is(mode[999], 1)
    t.is(fleet.tickCount, 50)
    fleet.reset()
    t.is(fleet.tickCount, 0)
    t.is(mode[999], 0)
    t.is(resistance[0], 12)
  })

  test(`${engine}: the next tick goes on from the values that a program writes into a column`, (t) => {
    const fleet = new Fleet(9, { engine })
    for (let i = 0; i < 20; i++) fleet.tick(fleet.samples, i * 100)
    fleet.scar[7] = 40
    fleet.mode[3] = 0
    fleet.mode[4] = 77
    fleet.tick(fleet.samples, 2000)
    t.true(fleet.resistance[7] > 40 && fleet.resistance[6] < 20)
    t.deepEqual([fleet.mode[3], fleet.mode[4]], [1, 1], 'a route that was put back leaves BOOTSTRAP again')
  })

  test(`${engine}: a time that goes back counts as none`, (t) => {
    const fleet = new Fleet(4, { engine })
    t.is(fleet.lastUpdatedAt, undefined)
    fleet.tick(fleet.samples, 5000)
    fleet.tick(fleet.samples, 1000)
    t.is(fleet.lastUpdatedAt, 5000)
    fleet.tick()
    t.true(fleet.lastUpdatedAt > 1e12, 'ms since the Unix epoch')
  })
}

for (const engine of ENGINES) {
  for (const autoTuner of [TUNER, false]) {
    test(`${engine}: a sweep decays scars, and R follows, ${autoTuner ? 'with' : 'without'} a tuner`, (t) => {
      for (const size of [1, 4, 7, 67]) {
        const fleet = new Fleet(size, { ...OPTIONS, autoTuner, engine })
        fleet.sweep(START_MS)
        t.is(fleet.lastUpdatedAt, undefined, 'there was no tick yet')
        t.is(fleet.resistance[0], 12)
        const draw = chance(size)
        for (let tick = 1; tick <= 60; tick++) fleet.tick(readingsOf(size, tick, draw), tick * 100)
        fleet.mode[size >> 1] = 0
        const before = Object.fromEntries(
          ['resistance', 'scar', 'momentum', 'pressureLatency', 'mode', 'tunerMean'].map((name) => [
            name,
            fleet[name].slice(),
          ]),
        )
        fleet.sweep(6000 + 1500)
        t.is(fleet.tickCount, 60)
        t.is(fleet.lastUpdatedAt, 7500)
        for (const name of ['momentum', 'pressureLatency', 'mode', 'tunerMean'])
          t.deepEqual(fleet[name], before[name], name)
        const decay = Math.exp(-(OPTIONS.decayRate / 1000) * 1500)
        for (let route = 0; route < size; route++) {
          const scar = before.scar[route] * decay
          t.true(Math.abs(fleet.scar[route] - scar) <= 1e-12 * scar, `scar of ${route}`)
          const faded = before.mode[route] === 0 ? 0 : before.scar[route] - fleet.scar[route]
          const off = before.resistance[route] - faded - fleet.resistance[route]
          const isLeast = fleet.resistance[route] === 10
          t.true(isLeast || Math.abs(off) < 1e-9 * before.resistance[route], `R of ${route}`)
        }
        const swept = fleet.scar.slice()
        fleet.sweep(1000)
        t.is(fleet.lastUpdatedAt, 7500, 'a time that goes back counts as none')
        t.deepEqual(fleet.scar, swept)
        fleet.sweep(1e9)
        t.true(fleet.scar.every((scar) => scar === 0))
      }
      const fleet = new Fleet(1, { engine })
      t.throws(() => fleet.sweep('3'), { instanceOf: TypeError, message: /^nowMs must be/ })
      t.throws(() => fleet.sweep(Number.NaN), { name: 'ConfigError', message: /^nowMs must be/ })
    })
  }
}

for (const engine of ENGINES) {
  for (const autoTuner of [TUNER, false]) {
    test(`${engine}: sweeps between ticks change no tick, ${autoTuner ? 'with' : 'without'} a tuner`, (t) => {
      for (const size of [1, 4, 7, 67]) {
        const [swept, plain] = [1, 2].map(() => new Fleet(size, { ...OPTIONS, autoTuner, engine }))
        const draw = chance(size)
        let nowMs = START_MS
        let decayed = 0
        for (let tick = 1; tick <= 80; tick++) {
          nowMs += Math.floor(draw() * 300)
          const samples = readingsOf(size, tick, draw)
          swept.tick(samples, nowMs)
          plain.tick(samples, nowMs)
          for (const name of ['momentum', 'mode', 'pressureLatency', 'pressureError', 'recoveryStartedAt']) {
            t.deepEqual(swept[name], plain[name], `${name} at ${tick}`)
          }
          for (const name of ['scar', 'resistance', 'tunerMean', 'tunerVariance']) {
            const isNear = (value, route) => Math.abs(value - plain[name][route]) <= 1e-9 * Math.max(1, Math.abs(value))
            t.true(swept[name].every(isNear), `${name} at ${tick}`)
          }
          const before = swept.scar.slice()
          const pauseMs = Math.floor(draw() * 200)
          for (let i = 0; i < tick % 3; i++) swept.sweep(nowMs + (pauseMs * (i + 1)) / 2)
          if (swept.scar.some((scar, route) => scar < before[route])) decayed++
          t.is(swept.tickCount, tick)
          nowMs += pauseMs
        }
        t.true(decayed > 20, `${decayed} sweeps had something to do`)
        t.is(swept.rejectedSamples, plain.rejectedSamples)
      }
    })

    test(`${engine}: a tick at a time before a sweep counts as at the sweep, ${autoTuner ? 'with' : 'without'} a tuner`, (t) => {
      const [early, late] = [1, 2].map(() => new Fleet(5, { ...OPTIONS, autoTuner, engine }))
      const [calm, stressed] = [0.1, 400].map((value) => new Float64Array(15).fill(value))
      for (const fleet of [early, late]) {
        for (let tick = 0; tick < 20; tick++) fleet.tick(tick % 2 ? calm : stressed, tick * 100)
        fleet.sweep(5000)
      }
      early.tick(stressed, 3000)
      late.tick(stressed, 5000)
      t.deepEqual([early.lastUpdatedAt, late.lastUpdatedAt], [5000, 5000])
      t.true(late.momentum[4] > 0)
      for (const name of ['momentum', 'scar', 'resistance', 'mode']) t.deepEqual(early[name], late[name], name)
    })
  }
}

test('a fleet has the numbers of routes: nested, flat, by profile', (t) => {
  t.is(new Fleet(1, { baseResistance: 30 }).resistance[0], 36)
  t.is(new Fleet(1, { config: { baseResistance: 30 } }).resistance[0], 36)
  t.is(new Fleet(1, { config: { baseResistance: 30 }, baseResistance: 40 }).resistance[0], 48)
  t.notThrows(() => new Fleet(1, { profile: 'HEAVY', slo: { baselineLatencyMs: 80 } }))
})

test('options and arguments out of their range are refused by name', (t) => {
  for (const size of [0, -1, 1.5, Number.NaN, 2 ** 24 + 1, '4', undefined]) {
    t.throws(() => new Fleet(size), { name: 'ConfigError', message: /^size must be/ })
  }
  t.throws(() => new Fleet(1, { baseResistence: 3 }), { name: 'ConfigError', message: /baseResistence/ })
  t.throws(() => new Fleet(1, { baseResistance: -3 }), { name: 'ConfigError', message: /baseResistance/ })
  t.throws(() => new Fleet(1, { engine: 'ts' }), { name: 'ConfigError', message: /^engine must be/ })
  t.throws(() => new Fleet(1, { clock: {} }), { name: 'ConfigError', message: /^clock must be/ })
  const fleet = new Fleet(2)
  t.throws(() => fleet.tick([1, 2, 3]), { instanceOf: TypeError, message: /^samples must be/ })
  t.throws(() => fleet.tick(new Float64Array(5)), { instanceOf: RangeError, message: /^samples must hold 6/ })
  t.throws(() => fleet.tick(fleet.samples, '3'), { instanceOf: TypeError, message: /^nowMs must be/ })
  t.throws(() => fleet.tick(fleet.samples, Number.NaN), { name: 'ConfigError', message: /^nowMs must be/ })
  t.throws(() => fleet.allows(2, 100), { instanceOf: RangeError, message: /^route must be/ })
})

test('a fleet whose memory was given away ticks no longer, and harms nothing', (t) => {
  const fleet = new Fleet(8, { engine: 'native' })
  structuredClone(fleet.samples.buffer, { transfer: [fleet.samples.buffer] })
  t.throws(() => fleet.tick(new Float64Array(24)))
})

const DIGEST = `
  const { Fleet } = require('atrion/fleet')
  const fleet = new Fleet(67, { engine: 'native', bootstrapTicks: 2, scarFactor: 9 })
  for (let tick = 0; tick < 200; tick++) {
    for (let i = 0; i < fleet.samples.length; i++) fleet.samples[i] = Math.abs(Math.sin(i * tick)) * (i % 3 === 0 ? 400 : 1)
    fleet.tick(fleet.samples, tick * 37)
  }
  const hash = require('node:crypto').createHash('sha256')
  for (const column of [fleet.resistance, fleet.scar, fleet.momentum, fleet.tunerMean, fleet.tunerVariance, fleet.mode]) hash.update(column)
  console.log(hash.digest('hex'))`

test('every instruction set gives the same bits', (t) => {
  const digests = new Map()
  for (const set of ['', 'portable', 'sse2', 'avx2', 'neon']) {
    const env = { ...process.env, ATRION_SIMD: set }
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', DIGEST], { env, encoding: 'utf8' })
    if (status === 0) digests.set(set, stdout.trim())
    else t.regex(stderr, new RegExp(`ATRION_SIMD must be one of portable.*${set}`), 'this processor has not got it')
  }
  t.true(digests.has('') && digests.has('portable'))
  t.is(new Set(digests.values()).size, 1, [...digests].join('; '))
})
