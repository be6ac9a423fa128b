// Native and wasm, and whatever runs this suite: the same answers to the last bit. The golden vectors pin them across
// platforms and versions; the functional model, whose tanh is the platform's, follows within 1e-9.
import { readFileSync } from 'node:fs'
import { Atrion } from 'atrion'
import test from 'ava'
import { engine } from '../_engine.mjs'
import { batches, closedLoop, numberOf, openLoop, vectorsOf } from '../_worlds.mjs'

const GOLDEN = JSON.parse(readFileSync(new URL('../vectors/golden.json', import.meta.url), 'utf8'))
const on = (name) => (options) => new Atrion({ engine: name, ...options })
const exact = engine === 'ts' ? test.skip : test
const TIERS = ['bulk', 'critical', 'high', 'low', 'normal']

const sumOf = (all, part) => {
  const sums = {}
  for (const seen of all) for (const [name, n] of Object.entries(seen[part])) sums[name] = (sums[name] ?? 0) + n
  return sums
}

exact('every golden vector is reproduced to the last bit', (t) => {
  const { open, batches, closed } = vectorsOf(on(engine))
  t.deepEqual(open, GOLDEN.open)
  t.deepEqual(batches, GOLDEN.batches)
  t.deepEqual(closed, GOLDEN.closed)
})

test('every golden sample of the open loop is met within 1e-9', (t) => {
  for (const world of GOLDEN.open.slice(0, 6)) {
    const { samples } = openLoop(on(engine), world)
    t.is(samples.length, world.samples.length)
    for (const [i, sample] of samples.entries()) {
      const [mode, resistance] = sample.split(':')
      const [expectedMode, expected] = world.samples[i].split(':')
      const [r, golden] = [numberOf(resistance), numberOf(expected)]
      if (mode !== expectedMode || Math.abs(r - golden) > 1e-9 * golden)
        t.fail(`${world.seed}, ${i}: ${r} is not ${golden}`)
    }
  }
})

if (engine === 'wasm') {
  test('native and wasm agree by bits over 1,100,000 random ticks', (t) => {
    const seen = []
    for (let seed = 1; seed <= 22; seed++) {
      const world = { seed, ticks: 50_000, every: 1000 }
      const [native, wasm] = [openLoop(on('native'), world), openLoop(on('wasm'), world)]
      t.deepEqual(wasm, native)
      seen.push(wasm.seen)
    }
    t.true(seen.reduce((sum, { ticks }) => sum + ticks, 0) >= 1_000_000)
    t.deepEqual(Object.keys(sumOf(seen, 'modes')).sort(), ['BOOTSTRAP', 'CIRCUIT_BREAKER', 'OPERATIONAL'])
    t.true(seen.some(({ refusals }) => refusals > 1000) && seen.some(({ retries }) => retries > 1000))
  })

  test('native and wasm agree by bits over batches of every size', (t) => {
    for (const routes of [1, 63, 4096, 5000]) {
      const world = { seed: routes, rounds: 6, routes }
      t.deepEqual(batches(on('wasm'), world), batches(on('native'), world))
    }
  })

  test('native and wasm agree by bits over 120,000 permits of every tier and mode', (t) => {
    const seen = []
    for (let seed = 1; seed <= 12; seed++) {
      const world = { seed, permits: 10_000 }
      const [native, wasm] = [closedLoop(on('native'), world), closedLoop(on('wasm'), world)]
      t.deepEqual(wasm, native)
      seen.push(wasm.seen)
    }
    t.true(seen.reduce((sum, { permits }) => sum + permits, 0) >= 100_000)
    t.deepEqual(Object.keys(sumOf(seen, 'modes')).sort(), ['BOOTSTRAP', 'CIRCUIT_BREAKER', 'OPERATIONAL'])
    for (const part of ['admitted', 'shed']) {
      const byTier = sumOf(seen, part)
      t.deepEqual(
        TIERS.filter((tier) => !(byTier[tier] > 50)),
        [],
        JSON.stringify(byTier),
      )
    }
  })
}
