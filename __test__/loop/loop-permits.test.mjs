// Permits that are never released come back; leases and permits share one limit.
import ava from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { engine, virtual } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** Permits watched together: the last group is still open. */
const BATCH = 64

test('a permit that was collected is reclaimed, and memory is flat over a million others', async (t) => {
  t.timeout(PATIENCE_MS)
  const end = await runScript('_lost.mjs', { nodeOptions: ['--expose-gc'] })
  endedWell(t, end)
  const { before, inFlight, reclaimed, grownMiB, flat, kept } = JSON.parse(end.stdout)
  t.true(kept)
  t.is(before, 1001)
  t.is(inFlight + reclaimed, before)
  t.true(inFlight >= 1 && inFlight <= 2 * BATCH, `${inFlight} are still out`)
  t.is(flat, 0)
  t.true(grownMiB < 4, `the heap grew by ${grownMiB.toFixed(1)} MiB`)
})

test('a permit is not reclaimed before four deadlines, however short its profile', (t) => {
  const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: 2000 } })
  atrion.setRouteProfile('route', 'LIGHT')
  atrion.acquire('route')
  const reclaimedAfterMs = () => {
    for (let ms = 0; ms < 20_000; ms += 500) {
      if (atrion.stats('route').reclaimed === 1) return ms
      clock.advance(500)
      atrion.acquire('route').release('ignored')
    }
    return undefined
  }
  const ms = reclaimedAfterMs()
  t.true(ms > 8000 && ms <= 9500, `${ms}: in the window after that`)
})

test('a permit is reclaimed after the longest that its profile allows, and its release does nothing then', (t) => {
  const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: 250 } })
  atrion.setRouteProfile('route', 'LIGHT')
  const lost = atrion.acquire('route')
  clock.advance(900)
  const late = atrion.acquire('route')
  t.like(atrion.stats('route'), { inFlight: 2, reclaimed: 0 })
  clock.advance(101)
  // Windows are extended while they see too little.
  for (let i = 0; i < 12 && atrion.stats('route').reclaimed === 0; i++) {
    atrion.acquire('route').release('ignored')
    clock.advance(20)
  }
  t.like(atrion.stats('route'), { inFlight: 1, reclaimed: 1, failures: 0 })
  lost.release('failure')
  t.like(atrion.stats('route'), { inFlight: 1, failures: 0 })
  late.release()
  t.is(atrion.stats('route').inFlight, 0)
})

const DETACH = Symbol.for('atrion.detach')

test('a detached request leaves the work in flight, and its length is no sample', (t) => {
  const { atrion, clock } = virtual()
  for (const outcome of ['success', 'failure', 'ignored']) {
    const permit = atrion.acquire(outcome)
    const conclude = permit[DETACH]()
    t.is(atrion.stats(outcome).inFlight, 0)
    permit.release('failure')
    clock.advance(60_000)
    conclude(outcome, 60_000)
    conclude('failure', 60_000)
    const failures = outcome === 'failure' ? 1 : 0
    t.like(atrion.stats(outcome), { inFlight: 0, failures, reclaimed: 0, p50Ms: undefined })
  }
})

test('long-lived requests that are answered keep a route well, and those that are not count as failed', (t) => {
  const { atrion, clock } = virtual()
  const play = (routeId, outcome) => {
    for (let i = 0; i < 60; i++) {
      const permit = atrion.acquire(routeId)
      clock.advance(10_000)
      const conclude = permit.allow ? permit[DETACH]() : () => {}
      clock.advance(15_000)
      conclude(outcome, 25_000)
    }
    return atrion.stats(routeId)
  }
  t.like(play('answered', 'success'), { mode: 'BOOTSTRAP', shed: 0, successRatio: 1 })
  t.true(play('given up', 'ignored').successRatio < 0.3)
  t.true(play('failed', 'failure').successRatio < 0.3)
})

test('a detached request says nothing of the route that was reset meanwhile', async (t) => {
  const { atrion } = virtual()
  const conclude = atrion.acquire('route')[DETACH]()
  await atrion.resetRoute('route')
  atrion.acquire('route').release()
  conclude('failure', 10_000)
  t.is(atrion.stats('route').failures, 0)
})

test('leases count as work in flight, and leave no room for others', async (t) => {
  const { atrion } = virtual()
  atrion.configure('route', { limits: { min: 1, max: 60, initial: 60 } })
  const leases = []
  for (let i = 0; i < 60; i++) leases.push(await atrion.startTask('route'))
  t.is(atrion.stats('route').inFlight, 60)
  t.false(atrion.acquire('route').allow)
  for (const lease of leases) await lease.release()
  t.is(atrion.stats('route').inFlight, 0)
  t.true(atrion.acquire('route').allow)
})

test('a route with work in flight is not evicted for one without', (t) => {
  const { atrion } = virtual({ maxRoutes: 4 })
  const permit = atrion.acquire('busy')
  for (let i = 0; i < 50; i++) atrion.acquire(`other ${i}`).release('ignored')
  t.is(atrion.stats('busy').inFlight, 1)
  permit.release('ignored')
  t.is(atrion.stats('busy').inFlight, 0)
})

test('an outcome that is null is one that is not given: a success, of a request with a key as well', (t) => {
  for (const options of [undefined, { key: 'k' }]) {
    const statsAfter = (outcome) => {
      const { atrion, clock } = virtual()
      for (let i = 0; i < 20; i++) {
        const permit = atrion.acquire('route', options)
        clock.advance(50)
        permit.release(outcome)
      }
      return atrion.stats('route')
    }
    t.deepEqual(statsAfter(null), statsAfter('success'))
    t.notDeepEqual(statsAfter(null), statsAfter('ignored'))
  }
})
