// maxRoutes: the table is bounded, and the least recently used goes first.
import test from 'ava'
import { BAD, CALM, drive, randomOf, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'

/** A model of a table that evicts the least recently used entry. */
class Expected {
  routes = new Map()

  constructor(maxRoutes) {
    this.maxRoutes = maxRoutes
  }

  use(routeId) {
    const ticks = (this.routes.get(routeId) ?? 0) + 1
    this.routes.delete(routeId)
    if (this.routes.size >= this.maxRoutes) this.routes.delete(this.routes.keys().next().value)
    this.routes.set(routeId, ticks)
    return ticks
  }
}

const ticksOf = ({ atrion }) => Object.fromEntries(atrion.snapshot().map((one) => [one.routeId, one.tickCount]))

test('the least recently used goes first', (t) => {
  const world = virtual({ maxRoutes: 3 })
  for (const routeId of ['a', 'b', 'c', 'a', 'd', 'b']) world.atrion.route(routeId, CALM)
  t.deepEqual(ticksOf(world), { a: 2, d: 1, b: 1 })
})

test('any sequence of uses leaves the routes that a least-recently-used table would', (t) => {
  const uses = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 200 })
  const property = fc.property(uses, fc.integer({ min: 1, max: 8 }), (sequence, maxRoutes) => {
    const world = virtual({ maxRoutes })
    const expected = new Expected(maxRoutes)
    for (const number of sequence) {
      world.atrion.route(`route ${number}`, CALM)
      expected.use(`route ${number}`)
    }
    const actual = ticksOf(world)
    t.is(Object.keys(actual).length, expected.routes.size)
    for (const [routeId, ticks] of expected.routes) if (actual[routeId] !== ticks) return false
    return true
  })
  t.notThrows(() => fc.assert(property, { numRuns: 150 }))
})

test('over 200,000 uses of 3,000 routes in a table of 1,000, every tick falls on the right route', (t) => {
  const world = virtual({ maxRoutes: 1000 })
  const expected = new Expected(1000)
  const random = randomOf(21)
  for (let i = 0; i < 200_000; i++) {
    const routeId = `/${Math.floor(3000 * random() * random())}`
    world.atrion.route(routeId, CALM)
    const ticks = expected.use(routeId)
    if (i % 97 === 0) t.is(world.atrion.getState(routeId).tickCount, ticks)
  }
  t.deepEqual(ticksOf(world), Object.fromEntries(expected.routes))
})

test('asking about a route is not using it', (t) => {
  const world = virtual({ maxRoutes: 2 })
  for (const routeId of ['a', 'b']) world.atrion.route(routeId, CALM)
  world.atrion.getState('a')
  world.atrion.getTunerStats('a')
  world.atrion.snapshot()
  world.atrion.route('c', CALM)
  t.deepEqual(world.atrion.getRoutes().sort(), ['b', 'c'])
})

test('a table of one route works', (t) => {
  const world = virtual({ maxRoutes: 1 })
  for (let i = 0; i < 100; i++) t.is(world.atrion.route(`${i}`, CALM).mode, 'BOOTSTRAP')
  t.deepEqual(world.atrion.getRoutes(), ['99'])
})

test('an evicted route comes back as new', (t) => {
  const world = virtual({ maxRoutes: 2 })
  drive(world, 'a', BAD, 20)
  for (const routeId of ['b', 'c', 'a']) world.atrion.route(routeId, CALM)
  const { tickCount, scarTissue, mode } = world.atrion.getState('a')
  t.deepEqual([tickCount, scarTissue, mode], [1, 0, 'BOOTSTRAP'])
})

test('more routes restored than there is room for: the last ones stay', (t) => {
  const full = virtual()
  for (let i = 0; i < 10; i++) full.atrion.route(`${i}`, CALM)
  const snapshots = full.atrion.snapshot().sort((a, b) => a.routeId - b.routeId)
  const small = virtual({ maxRoutes: 3 })
  small.atrion.restore(snapshots)
  t.deepEqual(small.atrion.getRoutes().sort(), ['7', '8', '9'])
})

test('a reset route is forgotten, its slot is used again, and no other changes', async (t) => {
  const world = virtual({ maxRoutes: 3 })
  for (const routeId of ['a', 'b', 'c']) drive(world, routeId, BAD, 20)
  const kept = ['a', 'c'].map((routeId) => world.atrion.getState(routeId))
  await world.atrion.resetRoute('b')
  t.is(world.atrion.getState('b'), undefined)
  t.is(world.atrion.getTunerStats('b'), undefined)
  t.deepEqual(world.atrion.getRoutes().sort(), ['a', 'c'])
  world.atrion.route('d', CALM)
  t.is(world.atrion.getState('d').tickCount, 1)
  t.is(world.atrion.getState('d').scarTissue, 0)
  t.deepEqual(
    ['a', 'c'].map((routeId) => world.atrion.getState(routeId)),
    kept,
  )
})

test('a route that is not there can be reset', async (t) => {
  const { atrion } = virtual()
  await t.notThrowsAsync(atrion.resetRoute('nowhere'))
  t.deepEqual(atrion.getRoutes(), [])
})
