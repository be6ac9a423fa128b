// A route id may be any string that is not empty. Whatever it is, no other route changes.
import test from 'ava'
import { BAD, CALM, HOSTILE_NAMES, virtual, warm } from '../_engine.mjs'
import fc from '../_random.mjs'

test('hostile names are routes like any other, each its own, and no other route changes', (t) => {
  const world = warm(virtual(), 'bystander')
  const bystander = world.atrion.getState('bystander')
  for (const [i, routeId] of HOSTILE_NAMES.entries()) {
    for (let tick = 0; tick <= i; tick++) world.atrion.route(routeId, i % 2 === 0 ? BAD : CALM)
  }
  t.deepEqual(world.atrion.getRoutes().sort(), [...HOSTILE_NAMES, 'bystander'].sort())
  for (const [i, routeId] of HOSTILE_NAMES.entries()) {
    const state = world.atrion.getState(routeId)
    t.is(state.tickCount, i + 1)
    t.true(state.routeId === routeId)
  }
  t.deepEqual(world.atrion.getState('bystander'), bystander)
  t.is({}.tickCount, undefined)
})

test('hostile names work with everything else that takes a name', async (t) => {
  const world = warm(virtual(), 'bystander')
  const bystander = JSON.stringify(world.atrion.getState('bystander'))
  const { atrion } = world
  atrion.routeBatch(HOSTILE_NAMES, new Float64Array(HOSTILE_NAMES.length * 3))
  for (const routeId of HOSTILE_NAMES) {
    t.is(atrion.getRouteProfile(routeId), 'STANDARD')
    atrion.setRouteProfile(routeId, { scarFactor: 3 })
    t.deepEqual(atrion.getRouteProfile(routeId), { scarFactor: 3 })
    const lease = await atrion.startTask(routeId)
    t.is(atrion.getActiveTaskCount(routeId), 1)
    await lease.release('failed')
    t.is(atrion.getState(routeId).scarTissue, 3)
    t.is(atrion.getTunerStats(routeId).sampleCount, 0)
    await atrion.resetRoute(routeId)
    t.is(atrion.getState(routeId), undefined)
  }
  t.deepEqual(atrion.getRoutes(), ['bystander'])
  t.is(JSON.stringify(atrion.getState('bystander')), bystander)
})

test('any two different strings are two routes', (t) => {
  const anyString = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 6 })
      .map((units) => String.fromCharCode(...units)),
    fc
      .array(fc.integer({ min: 0xd800, max: 0xdfff }), { minLength: 1, maxLength: 4 })
      .map((units) => String.fromCharCode(...units)),
  )
  const property = fc.property(fc.uniqueArray(anyString, { minLength: 2, maxLength: 30 }), (names) => {
    const { atrion } = virtual()
    for (const [i, name] of names.entries()) for (let tick = 0; tick <= i; tick++) atrion.route(name, CALM)
    return (
      names.every((name, i) => atrion.getState(name).tickCount === i + 1) &&
      JSON.stringify(atrion.getRoutes().sort()) === JSON.stringify([...names].sort())
    )
  })
  t.notThrows(() => fc.assert(property, { numRuns: 300 }))
})

test('a flood of giant names evicts, as a flood of routes would, and the table goes on', (t) => {
  const { atrion } = virtual({ maxRoutes: 1000 })
  for (let i = 0; i < 60; i++) atrion.route(`${i}`.padEnd(1 << 20, 'x'), CALM)
  const kept = atrion.getRoutes()
  t.true(kept.length > 0 && kept.length < 60, `${kept.length} kept`)
  t.true(kept.some((name) => name.startsWith('59x')))
  t.is(atrion.route('small', CALM).resistance, 12)
})
