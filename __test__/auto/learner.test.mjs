// Learning what is usual on a route: first values, incidents, regressions, improvements.
import test from 'ava'
import { randomOf } from '../_engine.mjs'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { Durations } = await sourceOf('auto/durations.ts')
const { Learner } = await sourceOf('auto/learner.ts')

const MINUTE_MS = 60_000

/** Normal deviates. */
const normalOf = (random) => () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const near = (t, got, wanted, share, what = '') =>
  t.true(Math.abs(got / wanted - 1) <= share, `${what} ${got} is not within ${share * 100} % of ${wanted}`)

/** A learner in time, with durations of a shape, some a second. */
const worldOf = (shape, perS = 10) => {
  const world = { learner: new Learner(), nowMs: 1e6, verdicts: [] }
  world.go = (minutes, factor = 1) => {
    const end = world.nowMs + minutes * MINUTE_MS
    while (world.nowMs < end) {
      world.nowMs += 1000 / perS
      const verdict = world.learner.add(shape() * factor, world.nowMs)
      if (verdict !== 'none' && verdict !== 'moved') world.verdicts.push(verdict)
    }
    return world
  }
  return world
}

const SHAPES = {
  constant: [() => () => 40, 40, 40],
  uniform: [(random) => () => 20 + 60 * random(), 50, 79.4],
  lognormal: [
    (random) => {
      const normal = normalOf(random)
      return () => 30 * Math.exp(0.3 * normal())
    },
    30,
    30 * Math.exp(0.3 * 2.3263),
  ],
  fast: [(random) => () => 0.02 + 0.02 * random(), 0.03, 0.0398],
  slow: [(random) => () => 60_000 + 30_000 * random(), 75_000, 89_700],
}

for (const [name, [make, p50Ms, p99Ms]] of Object.entries(SHAPES)) {
  test(`${name}: after 500 requests the median and the 99th percentile are within 10 %`, (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomOf(seed)
      const shape = make(random)
      const learner = new Learner()
      // Caches are cold at first.
      for (let i = 0; i < 30; i++) learner.add(shape() * 20, i)
      for (let i = 30; i < 500; i++) {
        t.is(learner.state, 'learning')
        learner.add(shape(), i)
      }
      t.is(learner.state, 'ready')
      near(t, learner.usual.p50Ms, p50Ms, 0.1, `${name} p50`)
      if (name !== 'lognormal') near(t, learner.usual.p99Ms, p99Ms, 0.1, `${name} p99`)
    }
  })
}

test('the values are those of the requests themselves, to 3 %', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 1e5, noNaN: true }), { minLength: 450, maxLength: 450 }),
      (list) => {
        const learner = new Learner()
        for (let i = 0; i < 50; i++) learner.add(1, i)
        list.forEach((ms, i) => {
          learner.add(ms, 50 + i)
        })
        const sorted = [...list].sort((a, b) => a - b)
        const around = (share) => [sorted[Math.floor(share * 450) - 1], sorted[Math.min(449, Math.ceil(share * 450))]]
        for (const [share, got] of [
          [0.5, learner.usual.p50Ms],
          [0.99, learner.usual.p99Ms],
        ]) {
          const [low, high] = around(share)
          t.true(got >= low * 0.955 && got <= high * 1.045, `${got} is not in ${low}…${high}`)
        }
      },
    ),
    { numRuns: 100 },
  )
})

for (const perS of [0.2, 2, 20]) {
  test(`an incident of ten minutes moves nothing by 5 %, at ${perS} requests a second`, (t) => {
    for (const factor of [1.1, 1.2, 1.3, 2, 10, 0.5]) {
      const world = worldOf(SHAPES.lognormal[0](randomOf(5)), perS).go(Math.max(60, 600 / perS / 60))
      t.is(world.learner.state, 'ready')
      const before = { ...world.learner.usual }
      world.go(10, factor)
      near(t, world.learner.usual.p50Ms, before.p50Ms, 0.05)
      near(t, world.learner.usual.p99Ms, before.p99Ms, 0.05)
      world.go(30)
      t.is(world.learner.state, 'ready')
      near(t, world.learner.usual.p50Ms, before.p50Ms, 0.08)
      t.deepEqual(world.verdicts, ['learnt'])
    }
  })

  test(`a lasting regression is reported once and not absorbed, at ${perS} requests a second`, (t) => {
    const world = worldOf(SHAPES.lognormal[0](randomOf(6)), perS).go(Math.max(60, 600 / perS / 60))
    const before = { ...world.learner.usual }
    world.go(75, 1.6)
    t.deepEqual(world.verdicts, ['learnt', 'regression'])
    t.is(world.learner.state, 'regressed')
    near(t, world.learner.usual.p50Ms, before.p50Ms, 0.05)
    near(t, world.learner.shift.p50Ms, before.p50Ms * 1.6, 0.1)
    world.go(600, 1.6)
    t.deepEqual(world.verdicts, ['learnt', 'regression'])
    near(t, world.learner.usual.p50Ms, before.p50Ms, 0.05)
    world.go(60) // it is mended
    t.is(world.learner.state, 'ready')
    world.go(75, 1.6)
    t.deepEqual(world.verdicts, ['learnt', 'regression', 'regression'])
  })
}

test('a longer tail alone is a regression as well', (t) => {
  const random = randomOf(9)
  let slow = 0
  const world = worldOf(() => (random() < slow ? 400 : 20 + 10 * random()), 20).go(30)
  slow = 0.03
  world.go(30)
  t.deepEqual(world.verdicts, ['learnt', 'regression'])
  near(t, world.learner.shift.p50Ms, world.learner.usual.p50Ms, 0.1)
  near(t, world.learner.shift.p99Ms, 400, 0.05)
})

test('a route that has become faster is taken at its word after 15 minutes', (t) => {
  const world = worldOf(SHAPES.uniform[0](randomOf(3)))
    .go(30)
    .go(40, 0.5)
  t.deepEqual(world.verdicts, ['learnt', 'improvement'])
  near(t, world.learner.usual.p50Ms, 25, 0.1)
  t.is(world.learner.state, 'ready')
})

test('slow growth is followed', (t) => {
  const world = worldOf(SHAPES.uniform[0](randomOf(4))).go(30)
  for (let hour = 1; hour <= 10; hour++) world.go(60, 1 + hour / 20)
  near(t, world.learner.usual.p50Ms, 75, 0.1)
  t.deepEqual(world.verdicts, ['learnt'])
})

test('a record goes on where it was, and what is no record is none', (t) => {
  const world = worldOf(SHAPES.uniform[0](randomOf(2)), 5)
  for (const minutes of [1, 30]) {
    world.go(minutes)
    const record = JSON.parse(JSON.stringify(world.learner.toRecord()))
    const again = Learner.fromRecord(record)
    t.deepEqual(again.toRecord(), record)
    t.is(again.state, world.learner.state)
  }
  const record = world.learner.toRecord()
  for (const wrong of [
    { requests: -1 },
    { requests: 1.5 },
    { p50Ms: Number.NaN },
    { p99Ms: Number.POSITIVE_INFINITY },
    { p99Ms: 1 },
    { isRegressed: 1 },
    { durations: [1] },
    { durations: [-1, 5] },
    { durations: [1e9, 5] },
    { durations: [1, 'x'] },
    { durations: 'x' },
  ]) {
    t.is(Learner.fromRecord({ ...record, ...wrong }), undefined, JSON.stringify(wrong))
  }
})

test('noise is no duration, and clocks may go back', (t) => {
  const learner = new Learner()
  for (const ms of [Number.NaN, -1, Number.POSITIVE_INFINITY]) t.is(learner.add(ms, 0), 'none')
  t.is(learner.requests, 0)
  for (let i = 0; i < 5000; i++) learner.add(10, i % 2 === 0 ? 1e6 : i)
  t.is(learner.state, 'ready')
  const durations = new Durations()
  t.is(durations.quantile(0.5), 0)
  durations.add(0)
  durations.add(1e300)
  t.true(durations.quantile(0) > 0)
})
