// Reports of other nodes through a custom provider: blended in, never obeyed, and expired after 3 s.
import { readFileSync } from 'node:fs'
import FakeTimers from '@sinonjs/fake-timers'
import anyTest from 'ava'
import { BAD, CALM, drive, memoryLogger, randomOf, virtual, warm } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'

// The sync loop is driven by timers of the process, which these tests take over: one after the other.
const test = anyTest.serial

test.beforeEach((t) => {
  t.context.timers = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] })
})

test.afterEach.always((t) => {
  t.context.timers.uninstall()
})

/** A provider through which a test speaks as any other node. */
class TellingProvider extends RecordingProvider {
  listeners = new Map()

  subscribe(routeId, onChange) {
    this.listeners.set(routeId, onChange)
    return () => this.listeners.delete(routeId)
  }

  say(routeId, scar, origin) {
    this.listeners.get(routeId)({ scar, momentumScalar: 0, lastTick: 99, resistance: 10 + scar }, origin)
  }
}

/** A world whose route 'a' is OPERATIONAL and known to the provider. */
const connected = async (t, options = {}) => {
  const provider = options.provider ?? new TellingProvider()
  const world = warm(virtual({ logger: memoryLogger(), ...options, provider }), 'a')
  await world.atrion.connect()
  return { ...world, provider, sync: () => t.context.timers.tickAsync(100) }
}

const scarOf = ({ atrion }) => atrion.getState('a').scarTissue

const CASES = readFileSync(new URL('../vectors/cluster.csv', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

for (const line of CASES) {
  test(`S comes out as worked out by hand: ${line}`, async (t) => {
    const [local, gamma, reports, keep, add] = line.split(',')
    const provider = new TellingProvider()
    provider.gamma = Number(gamma)
    const world = await connected(t, { provider })
    const [snapshot] = world.atrion.snapshot()
    world.atrion.restore([{ ...snapshot, scarTissue: Number(local) }])
    for (const [i, report] of reports.split(' ').entries()) {
      const [scar, requests] = report.split(':').map(Number)
      // Negative values never pass a provider.
      provider.say('a', Math.max(0, scar), { node: `${i}`, requests })
    }
    await world.sync()
    t.true(Math.abs(scarOf(world) - (Number(keep) * Number(local) + Number(add))) < 1e-9, `${scarOf(world)}`)
  })
}

test('R follows what others report with the next round, without a tick, and so does a decision', async (t) => {
  const world = await connected(t)
  const before = world.atrion.getState('a').resistance
  world.provider.say('a', 300)
  await world.sync()
  // One node alone: at most R_base·breakMultiplier of it counts.
  t.true(Math.abs(world.atrion.getState('a').resistance - before - 0.3 * 100) < 1e-9)
  t.false(world.atrion.route('a', CALM, 35).allow)
  t.true(world.atrion.route('a', CALM, 100).allow)
})

test('one sick node opens no breaker here, whatever it says; several that agree do', async (t) => {
  const world = await connected(t)
  for (let i = 0; i < 20; i++) {
    world.provider.say('a', 1e6, { node: 'sick', requests: 1e6 })
    await world.sync()
    t.is(drive(world, 'a', CALM, 1).at(-1).mode, 'OPERATIONAL')
  }
  world.provider.say('a', 1e3, { node: 'second', requests: 1e6 })
  await world.sync()
  t.is(drive(world, 'a', CALM, 1).at(-1).mode, 'CIRCUIT_BREAKER')
})

test('scars of other nodes are not this node’s own: neither sent nor in a snapshot', async (t) => {
  const world = await connected(t)
  world.provider.say('a', 80)
  await world.sync()
  drive(world, 'a', CALM, 1)
  t.true(scarOf(world) > 20)
  t.is(world.atrion.snapshot()[0].scarTissue, 0)
  await world.sync()
  t.is(world.provider.vectors.get('a').scar, 0)
})

test('a report decays as a scar does, and expires when its node was silent for 3 s', async (t) => {
  const world = await connected(t)
  world.provider.say('a', 80)
  world.clock.advance(2000)
  await world.sync()
  t.true(Math.abs(scarOf(world) - 0.3 * 80 * Math.exp(-0.2)) < 1e-9)
  world.clock.advance(1001)
  await world.sync()
  t.is(scarOf(world), 0)
})

test('a node’s newer report replaces its older one', async (t) => {
  const world = await connected(t)
  world.provider.say('a', 80, { node: 'n' })
  world.provider.say('a', 10, { node: 'n' })
  await world.sync()
  t.true(Math.abs(scarOf(world) - 3) < 1e-9)
})

test('malformed reports are dropped', async (t) => {
  const world = await connected(t)
  const tell = world.provider.listeners.get('a')
  for (const word of [null, undefined, 5, {}, { scar: Number.NaN }, { scar: 1, momentumScalar: 0, lastTick: 1 }])
    tell(word)
  tell({
    get scar() {
      throw new Error('no')
    },
  })
  world.provider.say('a', 1e300, { node: 'x', requests: Number.NaN })
  world.provider.say('a', 1e300, { node: 'y', requests: Number.POSITIVE_INFINITY, ageMs: -5 })
  await world.sync()
  t.true(Number.isFinite(scarOf(world)) && Number.isFinite(world.atrion.route('a', BAD).resistance))
})

test('no report counts after disconnect, and nothing is left of earlier ones', async (t) => {
  const world = await connected(t)
  world.provider.say('a', 80)
  await world.sync()
  t.true(scarOf(world) > 0)
  await world.atrion.disconnect()
  t.is(world.provider.listeners.size, 0)
  t.is(scarOf(world), 0)
})

test('a route is subscribed to once it is used, and at most maxRoutes are', async (t) => {
  const world = await connected(t, { maxRoutes: 3 })
  for (let i = 0; i < 10; i++) world.atrion.route(`route ${i}`, CALM)
  await world.sync()
  t.true(world.provider.listeners.size <= 3)
  t.true(world.provider.listeners.has('route 9'))
})

test('a subscribe that throws costs a warning', async (t) => {
  const provider = new TellingProvider()
  provider.subscribe = () => {
    throw new Error('no subscriptions')
  }
  const logger = memoryLogger()
  const world = await connected(t, { provider, logger })
  await world.sync()
  t.is(logger.entries.filter(({ level }) => level === 'warn').length, 1)
  t.deepEqual(provider.updated, ['a'])
})

// the store's health

test('a failing store is reported once, and once that it works again', async (t) => {
  const world = await connected(t)
  const heard = []
  world.atrion.on('degraded', ({ provider, error }) => heard.push(['degraded', provider, error.code]))
  world.atrion.on('restored', ({ provider }) => heard.push(['restored', provider]))
  await world.sync()
  const update = world.provider.updateVector
  world.provider.updateVector = async () => {
    throw new Error('down')
  }
  for (let i = 0; i < 5; i++) {
    drive(world, 'a', CALM, 1)
    await world.sync()
  }
  t.deepEqual(heard, [['degraded', 'RecordingProvider', 'ATRION_SYNC']])
  world.provider.updateVector = update
  for (let i = 0; i < 5; i++) {
    drive(world, 'a', CALM, 1)
    await world.sync()
  }
  t.deepEqual(heard.slice(1), [['restored', 'RecordingProvider']])
})

test('calls that never settle hold up neither other routes nor disconnect', async (t) => {
  const world = await connected(t)
  await world.sync()
  const { updateVector } = world.provider
  world.provider.updateVector = (routeId, vector) =>
    routeId === 'a' ? new Promise(() => {}) : updateVector.call(world.provider, routeId, vector)
  world.atrion.route('a', CALM)
  world.atrion.route('b', CALM)
  await world.sync()
  world.atrion.route('b', CALM)
  await world.sync()
  t.is(world.provider.updated.filter((routeId) => routeId === 'b').length, 2)
  const disconnected = world.atrion.disconnect()
  await t.context.timers.tickAsync(5000)
  await disconnected
  t.false(world.atrion.isConnected)
})

test('an explanation has the part of the other nodes in R, and sums to R to the last bit', async (t) => {
  const random = randomOf(23)
  for (let i = 0; i < 40; i++) {
    const provider = new TellingProvider()
    provider.gamma = random()
    const world = await connected(t, { provider, autoTuner: false })
    const [snapshot] = world.atrion.snapshot()
    world.atrion.restore([{ ...snapshot, scarTissue: random() ** 4 * 1_000 }])
    const nodes = 1 + Math.floor(random() * 4)
    for (let node = 0; node < nodes; node++) {
      provider.say('a', random() ** 2 * 500, { node: `${node}`, requests: Math.floor(random() * 100) })
    }
    await world.sync()
    world.clock.advance(Math.floor(random() * 500))
    const decision = world.atrion.route('a', { latencyMs: random() * 300, errorRate: 0, saturation: random() }, -1)
    const { terms, resistance } = decision.explain()
    t.is(resistance, decision.resistance)
    t.is(
      Object.values(terms).reduce((sum, term) => sum + term, 0),
      resistance,
      JSON.stringify(terms),
    )
    t.true(terms.cluster > 0, JSON.stringify(terms))
    await world.atrion.disconnect()
  }
})
