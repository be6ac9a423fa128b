import { AtrionError, ConfigError, PROFILE_CONFIGS } from 'atrion'
import test from 'ava'
import { CALM, drive, virtual, warm } from '../_engine.mjs'

const near = (t, actual, expected) =>
  t.true(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`)

const R = ({ atrion }, routeId = 'route') => atrion.getState(routeId).resistance

/** Options that every profile accepts. */
const optionsOf = (profile, more = {}) => ({ profile, abortController: new AbortController(), ...more })

// what a lease says

test('a lease knows its route, its profile, its beginning and its end', async (t) => {
  const { atrion, clock } = virtual()
  const lease = await atrion.startTask('route')
  t.is(lease.routeId, 'route')
  t.is(lease.profile, 'STANDARD')
  t.is(lease.startedAt, clock.now())
  t.is(lease.expiresAt, clock.now() + 30_000)
  t.true(lease.isActive)
  t.deepEqual(lease.metadata, {})
  t.deepEqual(lease.lastHeartbeat, {})
})

test('ids begin with lease- and are never the same', async (t) => {
  const { atrion } = virtual()
  const leases = await Promise.all(Array.from({ length: 5000 }, () => atrion.startTask('route')))
  t.true(leases.every(({ id }) => /^lease-[0-9a-z]+-[0-9a-z]+$/.test(id)))
  t.is(new Set(leases.map(({ id }) => id)).size, 5000)
})

test('remainingMs counts down to 0', async (t) => {
  const { atrion, clock } = virtual()
  const lease = await atrion.startTask('route', { timeout: 1000 })
  t.is(lease.remainingMs(), 1000)
  clock.advance(400)
  t.is(lease.remainingMs(), 600)
  clock.advance(10_000)
  t.is(lease.remainingMs(), 0)
  const released = await atrion.startTask('route')
  await released.release()
  t.is(released.remainingMs(), 0)
})

test('metadata is kept', async (t) => {
  const { atrion } = virtual()
  const metadata = { job: 17 }
  t.is((await atrion.startTask('route', { metadata })).metadata, metadata)
})

test('the end is the profile’s, or the timeout’s; a route’s own profile is the default', async (t) => {
  const { atrion, clock } = virtual()
  for (const [profile, { maxDurationMs }] of Object.entries(PROFILE_CONFIGS)) {
    const lease = await atrion.startTask('route', optionsOf(profile))
    t.is(lease.profile, profile)
    t.is(lease.expiresAt - clock.now(), maxDurationMs)
    const shorter = await atrion.startTask('route', optionsOf(profile, { timeout: 77 }))
    t.is(shorter.expiresAt - clock.now(), 77)
  }
  atrion.setRouteProfile('light', 'LIGHT')
  t.is((await atrion.startTask('light')).profile, 'LIGHT')
  const own = await atrion.startTask('route', { profile: { baselineLatencyMs: 5, maxDurationMs: 123 } })
  t.is(own.profile, 'CUSTOM')
  t.is(own.expiresAt - clock.now(), 123)
})

// counts

test('active tasks are counted by route', async (t) => {
  const { atrion } = virtual()
  t.is(atrion.getActiveTaskCount('a'), 0)
  const leases = [await atrion.startTask('a'), await atrion.startTask('a'), await atrion.startTask('b')]
  t.deepEqual(
    ['a', 'b', 'c'].map((id) => atrion.getActiveTaskCount(id)),
    [2, 1, 0],
  )
  await leases[0].release()
  t.is(atrion.getActiveTaskCount('a'), 1)
  await leases[1].release('failed')
  await leases[2].release('aborted')
  t.deepEqual(
    ['a', 'b'].map((id) => atrion.getActiveTaskCount(id)),
    [0, 0],
  )
})

test('a lease that ran out is counted no more', async (t) => {
  const { atrion, clock } = virtual()
  await atrion.startTask('route', { timeout: 100 })
  await atrion.startTask('route', { timeout: 300 })
  clock.advance(99)
  t.is(atrion.getActiveTaskCount('route'), 2)
  clock.advance(1)
  t.is(atrion.getActiveTaskCount('route'), 1)
  clock.advance(200)
  t.is(atrion.getActiveTaskCount('route'), 0)
})

test('10,000 leases that end in any order are each ended once, at their time', async (t) => {
  const { atrion, clock } = virtual()
  const startedAt = clock.now()
  const endedAt = new Map()
  const leases = []
  for (let i = 0; i < 10_000; i++) {
    const abortController = new AbortController()
    const timeout = 1 + ((i * 7919) % 5000)
    const lease = await atrion.startTask(`${i % 10}`, { timeout, abortController })
    abortController.signal.addEventListener('abort', () => {
      t.false(endedAt.has(lease.id))
      endedAt.set(lease.id, clock.now() - startedAt)
    })
    leases.push({ lease, timeout })
  }
  const early = leases.filter((_, i) => i % 3 === 0)
  for (const { lease } of early) await lease.release()
  for (let elapsedMs = 0; elapsedMs < 5000; elapsedMs += 50) {
    clock.advance(50)
    atrion.getActiveTaskCount('0')
  }
  const late = leases.filter((_, i) => i % 3 !== 0)
  t.is(endedAt.size, late.length)
  for (const { lease, timeout } of late) {
    if (endedAt.get(lease.id) !== Math.ceil(timeout / 50) * 50) t.fail(`${timeout} ended at ${endedAt.get(lease.id)}`)
  }
  t.is(atrion.getActiveTaskCount('1'), 0)
})

// what an end leaves

for (const [profile, { scarMultiplier }] of Object.entries(PROFILE_CONFIGS)) {
  test(`${profile}: an end changes R by exactly 1.5, 1.0 or 0 times scarFactor × ${scarMultiplier}`, async (t) => {
    for (const [outcome, factor] of [
      ['completed', 0],
      ['aborted', 0],
      ['failed', 1],
      ['timeout', 1.5],
    ]) {
      const world = warm(virtual({ config: { scarFactor: 4 } }))
      const lease = await world.atrion.startTask('route', optionsOf(profile))
      t.is(R(world), 10)
      await lease.release(outcome)
      t.is(R(world), 10 + factor * 4 * scarMultiplier, outcome)
      t.is(world.atrion.getState('route').scarTissue, factor * 4 * scarMultiplier)
    }
  })
}

test('a route’s own scarFactor is the one that counts', async (t) => {
  const world = warm(virtual())
  world.atrion.setRouteProfile('route', { scarFactor: 20 })
  await (await world.atrion.startTask('route')).release('failed')
  t.is(R(world), 30)
})

test('running out scars 1.5 times, and aborts', async (t) => {
  const world = warm(virtual())
  const abortController = new AbortController()
  const lease = await world.atrion.startTask('route', { timeout: 1000, abortController })
  world.clock.advance(999)
  t.true(lease.isActive)
  t.false(abortController.signal.aborted)
  world.clock.advance(1)
  t.false(lease.isActive)
  t.true(abortController.signal.aborted)
  near(t, R(world), 10 + 1.5 * 5)
})

test('in virtual time the next call of a route meets what ran out, whichever call looks', async (t) => {
  const world = warm(virtual())
  await world.atrion.startTask('route', { timeout: 1000 })
  world.clock.advance(1000)
  near(t, world.atrion.route('route', CALM).resistance, 17.5)
  t.is(world.atrion.getActiveTaskCount('route'), 0)
})

test('a route scarred often enough breaks', async (t) => {
  const world = warm(virtual({ autoTuner: false }))
  for (let i = 0; i < 18; i++) await (await world.atrion.startTask('route')).release('failed')
  t.is(R(world), 100)
  t.is(world.atrion.route('route', CALM).mode, 'CIRCUIT_BREAKER')
})

test('a scar heals between leases as any other', async (t) => {
  const world = warm(virtual())
  await (await world.atrion.startTask('route')).release('failed')
  world.clock.advance(10_000)
  await (await world.atrion.startTask('route')).release('failed')
  near(t, world.atrion.getState('route').scarTissue, 5 * Math.exp(-1) + 5)
})

test('a lease scars its own route only', async (t) => {
  const world = warm(warm(virtual(), 'a'), 'b')
  await (await world.atrion.startTask('a')).release('failed')
  t.is(R(world, 'a'), 15)
  t.is(R(world, 'b'), 10)
})

test('during the bootstrap a scar waits for the physics to begin', async (t) => {
  const world = virtual()
  drive(world, 'route', CALM, 5, 0)
  await (await world.atrion.startTask('route')).release('failed')
  t.is(R(world), 12)
  t.is(drive(world, 'route', CALM, 5, 0).at(-1).resistance, 15)
})

test('a lease of a route without calls, and of one that was evicted, makes the route', async (t) => {
  const { atrion } = virtual({ maxRoutes: 2 })
  const lease = await atrion.startTask('route')
  for (const routeId of ['a', 'b', 'c']) atrion.route(routeId, CALM)
  await lease.release('failed')
  t.is(atrion.getState('route').scarTissue, 5)
  t.is(atrion.getRoutes().length, 2)
})

// heartbeats

const beating = async (world, more = {}) => {
  const abortController = new AbortController()
  const lease = await world.atrion.startTask('route', { profile: 'HEAVY', abortController, ...more })
  return { lease, abortController }
}

test('heartbeats keep a lease alive, and say what they say', async (t) => {
  const world = virtual()
  const { lease } = await beating(world)
  for (let i = 0; i < 10; i++) {
    world.clock.advance(14_999)
    lease.heartbeat({ progress: i / 10, memoryBytes: i })
  }
  lease.heartbeat({ status: 'reading' })
  lease.heartbeat()
  t.true(lease.isActive)
  t.deepEqual(lease.lastHeartbeat, { progress: 0.9, memoryBytes: 9, status: 'reading' })
})

test('three missed heartbeats end a lease, scar 1.0 times, and abort', async (t) => {
  const world = warm(virtual())
  const { lease, abortController } = await beating(world)
  world.clock.advance(4000)
  lease.heartbeat()
  world.clock.advance(14_999)
  t.true(lease.isActive)
  world.clock.advance(1)
  t.false(lease.isActive)
  t.true(abortController.signal.aborted)
  t.is(R(world), 10 + 5 * 0.5)
})

test('a lease that beats to the last runs out all the same', async (t) => {
  const world = warm(virtual())
  const { lease, abortController } = await beating(world, { timeout: 20_000 })
  for (let i = 0; i < 4; i++) {
    world.clock.advance(4999)
    lease.heartbeat()
  }
  world.clock.advance(4)
  t.false(lease.isActive)
  t.true(abortController.signal.aborted)
  t.is(R(world), 10 + 1.5 * 5 * 0.5)
})

test('a profile without heartbeats misses none', async (t) => {
  const world = virtual()
  const lease = await world.atrion.startTask('route')
  world.clock.advance(29_999)
  t.true(lease.isActive)
})

test('a profile of your own with heartbeats is held to them', async (t) => {
  const profile = { baselineLatencyMs: 100, maxDurationMs: 60_000, heartbeatIntervalMs: 1000, scarMultiplier: 2 }
  for (const given of [profile, { ...profile, heartbeatRequired: true }]) {
    const world = warm(virtual())
    await t.throwsAsync(world.atrion.startTask('route', { profile: given }), { message: /AbortController/ })
    const { lease } = await beating(world, { profile: given })
    world.clock.advance(3000)
    t.false(lease.isActive)
    t.is(R(world), 20)
  }
  const { atrion, clock } = virtual()
  const lease = await atrion.startTask('route', { profile: { ...profile, heartbeatRequired: false } })
  clock.advance(59_999)
  t.true(lease.isActive)
})

test('a heartbeat after the end throws, whatever the end was', async (t) => {
  const world = virtual()
  const ended = []
  for (const outcome of ['completed', 'failed', 'timeout', 'aborted']) {
    const { lease } = await beating(world)
    await lease.release(outcome)
    ended.push(lease)
  }
  const { lease: aborted, abortController } = await beating(world)
  abortController.abort()
  const { lease: silent } = await beating(world)
  world.clock.advance(15_000)
  for (const lease of [...ended, aborted, silent]) {
    t.throws(() => lease.heartbeat(), { instanceOf: AtrionError, message: /has ended/ })
  }
})

test('a heartbeat that is none throws, and is no sign of life', async (t) => {
  const world = virtual()
  const { lease } = await beating(world)
  world.clock.advance(10_000)
  for (const [payload, field] of [
    [{ progress: 1.1 }, 'heartbeat.progress'],
    [{ progress: Number.NaN }, 'heartbeat.progress'],
    [{ progress: '1' }, 'heartbeat.progress'],
    [{ memoryBytes: -1 }, 'heartbeat.memoryBytes'],
    [{ status: 5 }, 'heartbeat.status'],
    [null, 'heartbeat'],
    ['alive', 'heartbeat'],
  ]) {
    const error = t.throws(() => lease.heartbeat(payload), { instanceOf: ConfigError })
    t.is(error.field, field)
  }
  world.clock.advance(5000)
  t.false(lease.isActive)
})

test('an unknown option of a task is an error that names the right one', async (t) => {
  const { atrion } = virtual()
  const error = await t.throwsAsync(atrion.startTask('route', { timeOut: 5 }), { instanceOf: ConfigError })
  t.like(error, { field: 'options.timeOut', nearest: 'timeout' })
  t.is(atrion.getActiveTaskCount('route'), 0)
})
