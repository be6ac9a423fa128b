import test from 'ava'
import { BAD, CALM, create, randomOf, turn, virtual } from '../_engine.mjs'

const MODES = ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER']

const namesOf = (count) => Array.from({ length: count }, (_, i) => `GET /things/${i}`)

const samplesOf = (count, random) => {
  const samples = new Float64Array(count * 3)
  for (let i = 0; i < count; i++) {
    const isBad = random() < 0.4
    samples[i * 3] = random() < 0.02 ? Number.NaN : 50 + (isBad ? 2000 : 100) * random()
    samples[i * 3 + 1] = random() < 0.02 ? -1 : (isBad ? 1 : 0.02) * random()
    samples[i * 3 + 2] = 1.2 * random()
  }
  return samples
}

const telemetryAt = (samples, i) => ({
  latencyMs: samples[i * 3],
  errorRate: samples[i * 3 + 1],
  saturation: samples[i * 3 + 2],
})

/** Ticks both worlds alike, the one by batches, the other route by route; the first difference there is. */
const firstDifference = (batched, single, routeIds, rounds, seed) => {
  const random = randomOf(seed)
  const out = new Float64Array(routeIds.length * 2)
  for (let round = 0; round < rounds; round++) {
    const samples = samplesOf(routeIds.length, random)
    batched.atrion.routeBatch(routeIds, samples, out)
    for (const [i, routeId] of routeIds.entries()) {
      const { resistance, mode } = single.atrion.route(routeId, telemetryAt(samples, i))
      if (out[i * 2] !== resistance || MODES[out[i * 2 + 1]] !== mode) {
        return { round, routeId, batch: [out[i * 2], MODES[out[i * 2 + 1]]], route: [resistance, mode] }
      }
    }
    const elapsedMs = Math.floor(300 * random())
    batched.clock.advance(elapsedMs)
    single.clock.advance(elapsedMs)
  }
  return undefined
}

const byName = (snapshots) => snapshots.sort((a, b) => (a.routeId < b.routeId ? -1 : 1))

for (const [count, rounds] of [
  [1, 300],
  [64, 100],
  [5000, 30],
]) {
  test(`a batch of ${count} is ${count} ticks: the same R, modes and states as route() gives`, (t) => {
    const config = { scarFactor: 20 }
    const [batched, single] = [virtual({ config }), virtual({ config })]
    t.is(firstDifference(batched, single, namesOf(count), rounds, count), undefined)
    t.deepEqual(byName(batched.atrion.snapshot()), byName(single.atrion.snapshot()))
    const modes = new Set(batched.atrion.snapshot().map(({ mode }) => mode))
    t.true(count === 1 || modes.has('CIRCUIT_BREAKER'))
  })
}

test('a route may occur several times in a batch', (t) => {
  const [batched, single] = [virtual(), virtual()]
  const routeIds = ['a', 'b', 'a', 'a', 'c', 'b']
  t.is(firstDifference(batched, single, routeIds, 50, 1), undefined)
  t.is(batched.atrion.getState('a').tickCount, 150)
})

test('routes with profiles keep them in a batch', (t) => {
  const [batched, single] = [virtual(), virtual()]
  for (const { atrion } of [batched, single]) {
    atrion.setRouteProfile('a', 'HEAVY')
    atrion.setRouteProfile('b', { scarFactor: 20, bootstrapTicks: 2 })
  }
  t.is(firstDifference(batched, single, ['a', 'b', 'c'], 100, 2), undefined)
})

test('a batch whose long names leave no room for each other evicts as route() would, and touches no other route', (t) => {
  // 15 of them have room on the engines in Rust, half as many on the other.
  const names = Array.from({ length: 24 }, (_, i) => `${i} `.padEnd(1 << 20, 'long '))
  const [batched, single] = [virtual(), virtual()]
  const random = randomOf(21)
  for (const { atrion } of [batched, single]) for (const id of names) atrion.route(id, CALM)
  let order = [...names]
  for (let round = 0; round < 3; round++) {
    const isThere = (id) => single.atrion.getState(id) !== undefined
    // The least recently used comes first, and new ones right after it.
    const oldest = order.find(isThere)
    const ids = [oldest, ...order.filter((id) => !isThere(id)).slice(0, 2), oldest]
    t.is(new Set(ids).size, 3)
    const samples = samplesOf(ids.length, random)
    batched.atrion.routeBatch(ids, samples)
    for (const [i, id] of ids.entries()) single.atrion.route(id, telemetryAt(samples, i))
    order = [...order.filter((id) => !ids.includes(id)), ...ids.slice(1)]
  }
  t.deepEqual(byName(batched.atrion.snapshot()), byName(single.atrion.snapshot()))
})

test('a batch of more routes than maxRoutes evicts as route() would, and touches no other route', (t) => {
  const [batched, single] = [virtual({ maxRoutes: 3 }), virtual({ maxRoutes: 3 })]
  const sequences = [
    ['a', 'b'],
    ['a', 'b', 'c', 'd'],
    ['d', 'e', 'd', 'a'],
    ['e', 'd'],
    ['a', 'b', 'c', 'a', 'b', 'c'],
  ]
  const random = randomOf(3)
  for (let round = 0; round < 200; round++) {
    const routeIds = sequences[Math.floor(random() * sequences.length)]
    t.is(firstDifference(batched, single, routeIds, 1, round), undefined)
  }
  t.deepEqual(byName(batched.atrion.snapshot()), byName(single.atrion.snapshot()))
})

test('a tick of an evicted route in a batch is its first', (t) => {
  const { atrion } = virtual({ maxRoutes: 2, config: { bootstrapTicks: 1 } })
  const samples = Float64Array.from([...Object.values(BAD), ...Object.values(CALM), ...Object.values(CALM)])
  atrion.routeBatch(['a', 'b', 'c'], samples)
  t.is(atrion.getState('a'), undefined)
  t.is(atrion.getState('b').scarTissue, 0)
  t.is(atrion.getState('c').scarTissue, 0)
})

// arrays

test('out is made, one cell a route, when there is none', (t) => {
  const { atrion } = virtual()
  const out = atrion.routeBatch(['a', 'b'], new Float64Array(6).fill(1))
  t.true(out instanceof Float64Array)
  t.deepEqual([...out], [12, 12])
})

test('out with one cell a route takes resistances, with two it takes the modes too, and the rest is left alone', (t) => {
  const { atrion } = virtual({ config: { bootstrapTicks: 1 } })
  const samples = Float64Array.from([...Object.values(CALM), ...Object.values(CALM), ...Object.values(CALM)])
  const routeIds = ['a', 'b', 'c']
  for (const [length, expected] of [
    [3, [10, 10, 10]],
    [5, [10, 10, 10, -7, -7]],
    [6, [10, 1, 10, 1, 10, 1]],
    [8, [10, 1, 10, 1, 10, 1, -7, -7]],
  ]) {
    const out = new Float64Array(length).fill(-7)
    t.is(atrion.routeBatch(routeIds, samples, out), out)
    t.deepEqual([...out], expected)
  }
})

test('an empty batch is no tick', (t) => {
  const { atrion } = virtual()
  t.is(atrion.routeBatch([], new Float64Array(0)).length, 0)
  t.deepEqual(atrion.getRoutes(), [])
})

test('samples and out may be the same array', (t) => {
  const [batched, single] = [virtual(), virtual()]
  const routeIds = namesOf(5000)
  const samples = samplesOf(5000, randomOf(4))
  const expected = single.atrion.routeBatch(routeIds, samples.slice(), new Float64Array(10_000))
  t.deepEqual(batched.atrion.routeBatch(routeIds, samples, samples).slice(0, 10_000), expected)
})

test('arrays of any memory give what arrays of their own give, also for routes that the batch before had', (t) => {
  const SIZE = 300
  const routeIds = namesOf(SIZE)
  const places = {
    'the same': () => {
      const samples = new Float64Array(SIZE * 3)
      return [samples, samples]
    },
    'one that begins within the other': () => {
      const cells = new Float64Array(SIZE * 4)
      return [cells.subarray(0, SIZE * 3), cells.subarray(SIZE * 2)]
    },
    'one that ends within the other': () => {
      const cells = new Float64Array(SIZE * 4)
      return [cells.subarray(SIZE), cells.subarray(0, SIZE * 2)]
    },
    'one after the other': () => {
      const cells = new Float64Array(SIZE * 5)
      return [cells.subarray(SIZE * 2), cells.subarray(0, SIZE * 2)]
    },
    'of other threads too': () =>
      [3, 2].map((cells) => new Float64Array(new SharedArrayBuffer(SIZE * cells * Float64Array.BYTES_PER_ELEMENT))),
    'of a size that changes': () =>
      [3, 2].map((cells) => {
        const bytes = SIZE * cells * Float64Array.BYTES_PER_ELEMENT
        return new Float64Array(new ArrayBuffer(bytes, { maxByteLength: 2 * bytes }))
      }),
  }
  for (const [place, create] of Object.entries(places)) {
    const [batched, plain] = [virtual({ config: { scarFactor: 20 } }), virtual({ config: { scarFactor: 20 } })]
    const random = randomOf(7)
    const [samples, out] = create()
    const stride = out.length >= SIZE * 2 ? 2 : 1
    for (let round = 0; round < 30; round++) {
      const given = samplesOf(SIZE, random)
      samples.set(given)
      const expected = plain.atrion.routeBatch(routeIds, given, new Float64Array(SIZE * stride))
      batched.atrion.routeBatch(routeIds, samples, out)
      t.deepEqual(Array.from(out.subarray(0, SIZE * stride)), Array.from(expected), `${place}, round ${round}`)
      for (const { clock } of [batched, plain]) clock.advance(50)
    }
    t.deepEqual(byName(batched.atrion.snapshot()), byName(plain.atrion.snapshot()), place)
  }
})

test('more samples than routes: the rest is not read', (t) => {
  const { atrion } = virtual()
  atrion.routeBatch(['a'], new Float64Array(300).fill(1))
  t.deepEqual(atrion.getRoutes(), ['a'])
})

// bad input

test('a wrong type throws before anything is ticked', (t) => {
  const { atrion } = virtual()
  const samples = new Float64Array(6)
  const fails = (message, instanceOf, ...args) => t.throws(() => atrion.routeBatch(...args), { instanceOf, message })
  fails(/routeIds must be an array of strings, got an object/, TypeError, { length: 2 }, samples)
  fails(/routeIds must be an array of strings, got "ab"/, TypeError, 'ab', samples)
  fails(/routeIds\[1\] must be a non-empty string, got 5/, TypeError, ['a', 5], samples)
  fails(/routeIds\[1\] must be a non-empty string, got ""/, TypeError, ['a', ''], samples)
  fails(/routeIds\[0\] must be a non-empty string, got undefined/, TypeError, Array(2), samples)
  fails(/samples must be a Float64Array, got an object/, TypeError, ['a'], [1, 2, 3])
  fails(/samples must be a Float64Array, got undefined/, TypeError, ['a'])
  fails(/out must be a Float64Array, got an object/, TypeError, ['a'], samples, new Float32Array(2))
  fails(/samples must hold 9 cells, got 6/, RangeError, ['a', 'b', 'c'], samples)
  fails(/out must hold 2 cells, got 1/, RangeError, ['a', 'b'], samples, new Float64Array(1))
  t.deepEqual(atrion.getRoutes(), [])
})

test('noise in a batch is counted and warned of once a route', (t) => {
  const warnings = []
  const logger = { debug() {}, info() {}, warn: (_, { routeId }) => warnings.push(routeId), error() {} }
  const { atrion } = virtual({ logger })
  for (let i = 0; i < 3; i++) atrion.routeBatch(['a', 'b'], Float64Array.from([Number.NaN, 0, 0, 1, 0, 0]))
  t.deepEqual(warnings, ['a'])
  t.deepEqual(
    byName(atrion.snapshot()).map(({ rejectedSamples }) => rejectedSamples),
    [3, 0],
  )
  const many = namesOf(100)
  const samples = new Float64Array(300).fill(0.1)
  for (let i = 0; i < 3; i++) atrion.routeBatch(many, samples)
  samples[7 * 3] = -1
  samples[99 * 3 + 2] = Number.NaN
  for (let i = 0; i < 3; i++) atrion.routeBatch(many, samples)
  t.deepEqual(warnings, ['a', many[7], many[99]])
  t.is(atrion.snapshot().find(({ routeId }) => routeId === many[7]).rejectedSamples, 3)
})

// listeners

test('observers see every tick of a batch, in order, and the answer is the same', async (t) => {
  const events = []
  const [observed, plain] = [virtual({ observer: { onUpdate: (event) => events.push(event) } }), virtual()]
  const routeIds = namesOf(100)
  t.is(firstDifference(observed, plain, routeIds, 20, 5), undefined)
  // Delivers what still waits.
  await observed.atrion.disconnect()
  t.deepEqual(
    events.map(({ routeId }) => routeId),
    Array.from({ length: 20 }, () => routeIds).flat(),
  )
})

test('an observer sees of a batch what it sees of route()', async (t) => {
  const [ofBatch, ofRoute] = [[], []]
  const batched = virtual({ observer: { onUpdate: (event) => ofBatch.push(event) } })
  const single = virtual({ observer: { onUpdate: (event) => ofRoute.push(event) } })
  t.is(firstDifference(batched, single, ['a', 'b'], 60, 6), undefined)
  await turn()
  t.is(ofBatch.length, 120)
  t.deepEqual(ofBatch, ofRoute)
})

test('changes of mode in a batch are reported to listeners', async (t) => {
  const { atrion } = virtual({ config: { bootstrapTicks: 2 } })
  const transitions = []
  atrion.on('transition', ({ routeId, from, to }) => transitions.push([routeId, from, to]))
  for (let i = 0; i < 3; i++) atrion.routeBatch(['a', 'b'], new Float64Array(6).fill(1))
  await turn()
  await turn()
  t.deepEqual(transitions, [
    ['a', 'BOOTSTRAP', 'OPERATIONAL'],
    ['b', 'BOOTSTRAP', 'OPERATIONAL'],
  ])
})

test('without a clock of its own a batch runs on real time', (t) => {
  const atrion = create({ config: { bootstrapTicks: 1 } })
  atrion.routeBatch(['a'], Float64Array.from(Object.values(CALM)))
  t.true(Math.abs(atrion.getState('a').lastUpdatedAt - Date.now()) < 60_000)
})
