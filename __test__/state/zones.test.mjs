// The zone of a node: the reports of nodes in the same one weigh more, in the cluster of a provider and over Redis.
import FakeTimers from '@sinonjs/fake-timers'
import { RedisStateProvider } from 'atrion'
import anyTest from 'ava'
import { CALM, virtual, warm } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'

// The sync loop is driven by timers of the process, which these tests take over: one after the other.
const test = anyTest.serial

/** A provider whose two other nodes, one near and one far, report alike but for their scars. */
class Zoned extends RecordingProvider {
  constructor(zone) {
    super()
    if (zone !== undefined) this.zone = zone
  }

  subscribe(_routeId, onChange) {
    const say = (node, zone, scar) =>
      onChange({ scar, momentumScalar: 0, lastTick: 9, resistance: 10 + scar }, { node, zone, requests: 1000 })
    this.say = () => {
      say('near', 'eu-1', 80)
      say('far', 'us-1', 0)
    }
    return () => {}
  }
}

/** The part of the others in a route's scar, Ω. */
const scarOf = async (zone) => {
  const timers = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const provider = new Zoned(zone)
    const world = virtual({ provider })
    await world.atrion.connect()
    warm(world, 'r')
    await timers.tickAsync(200)
    provider.say()
    await timers.tickAsync(200)
    const { resistance } = world.atrion.route('r', CALM)
    await world.atrion.disconnect()
    return resistance
  } finally {
    timers.uninstall()
  }
}

test('a report from the same zone weighs more, one from another less', async (t) => {
  const [none, near, far] = [await scarOf(undefined), await scarOf('eu-1'), await scarOf('us-1')]
  t.true(near > none + 1, `near the scarred node ${near} Ω, without zones ${none} Ω`)
  t.true(far < none - 1, `near the calm node ${far} Ω, without zones ${none} Ω`)
})

test('the name of a zone is checked', (t) => {
  for (const zone of ['', 1, {}, 'z'.repeat(65)]) {
    const error = t.throws(() => new RedisStateProvider({ zone }), { code: 'ATRION_CONFIG' })
    t.is(error.field, 'zone')
  }
})
