// Random sequences of settings and evictions: the numbers and the order in force on a route are those that were last set for its name, or for
// all, whatever slot it has and had.
import { Atrion, PROFILE_CONFIGS } from 'atrion'
import ava from 'ava'
import { CALM, create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const IDS = ['a', 'b', 'c', 'd', 'e', 'constructor']
const ID = fc.constantFrom(...IDS)
const OHMS = fc.integer({ min: 1, max: 60 })
const act = (name, fields = {}) => fc.record({ act: fc.constant(name), ...fields })
const which = fc.nat(1)

const ACTION = fc.oneof(
  act('profile', { which, id: ID, ohms: OHMS }),
  act('standard', { which, id: ID }),
  act('configure', { which, id: ID, ohms: OHMS }),
  act('base', { which, ohms: OHMS }),
  act('order', { which, id: ID, order: fc.constantFrom('open', 'closed', null) }),
  act('reset', { which, id: ID }),
  act('route', { which, id: ID }),
  act('permit', { which, id: ID }),
  act('batch', { which, ids: fc.array(ID, { maxLength: 8 }) }),
  act('call', { which, id: ID, scarMultiplier: fc.integer({ min: 1, max: 9 }) }),
  act('restore', { which }),
)
const SEQUENCE = fc.array(ACTION, { maxLength: 40, size: 'max' })

/** The settings as they were given to one instance. */
class Model {
  base = 10
  given = new Map()
  orders = new Map()

  ohmsOf(id) {
    return this.given.get(id) ?? this.base
  }
}

const perform = (atrion, model, { act: name, id, ohms, order, ids, scarMultiplier }) => {
  if (name === 'profile') {
    atrion.setRouteProfile(id, { baseResistance: ohms })
    model.given.set(id, ohms)
  } else if (name === 'standard') {
    atrion.setRouteProfile(id, 'STANDARD')
    model.given.delete(id)
  } else if (name === 'configure') {
    atrion.configure(id, { baseResistance: ohms })
    model.given.set(id, ohms)
  } else if (name === 'base') {
    atrion.configure({ baseResistance: ohms })
    model.base = ohms
  } else if (name === 'order') {
    atrion.override(id, order)
    model.orders.set(id, order)
  } else if (name === 'reset') {
    return atrion.resetRoute(id)
  } else if (name === 'route') {
    atrion.route(id, CALM)
  } else if (name === 'permit' && atrion.engine !== 'ts') {
    atrion.acquire(id).release('ignored')
  } else if (name === 'batch') {
    atrion.routeBatch(ids, Float64Array.from(ids.flatMap(() => [CALM.latencyMs, CALM.errorRate, CALM.saturation])))
  } else if (name === 'call') {
    atrion.route(id, CALM, { profile: { ...PROFILE_CONFIGS.STANDARD, scarMultiplier } })
  } else if (name === 'restore') {
    atrion.restore(atrion.snapshot())
  }
  return undefined
}

/** Ticks each route that there is, which makes none new, and compares the answers with what was set. */
const check = (t, atrion, model, after) => {
  for (const id of atrion.getRoutes().filter((routeId) => IDS.includes(routeId))) {
    const ohms = model.ohmsOf(id)
    const order = model.orders.get(id) ?? null
    for (const voltage of [ohms - 0.5, ohms + 0.5]) {
      const { allow, resistance } = atrion.route(id, CALM, voltage)
      t.true(Math.abs(resistance - ohms) < 1e-6, `R of ${id} is ${resistance}, and ${ohms} was set, after ${after}`)
      t.is(allow, order === null ? voltage > ohms : order === 'closed', `order ${order} of ${id} after ${after}`)
    }
  }
}

for (const maxRoutes of [1, 2, 3, 5]) {
  ava(`settings in force are those last set, of ${maxRoutes} routes at most`, async (t) => {
    const property = fc.asyncProperty(SEQUENCE, async (actions) => {
      const atrion = create({ maxRoutes, autoTuner: false, config: { bootstrapTicks: 1 } })
      const model = new Model()
      for (const action of actions) {
        await perform(atrion, model, action)
        check(t, atrion, model, JSON.stringify(action))
      }
    })
    await fc.assert(property, { numRuns: 60 })
  })
}

const native = engine === 'native' ? ava : ava.skip
native(
  'an instance that shares the engine of the process has its settings in force on the routes that it makes',
  async (t) => {
    // The other instance has no settings: it makes routes, and others give way for them.
    const [own, other] = [0, 1].map(
      () =>
        new Atrion({
          engine: 'native',
          scope: 'process',
          maxRoutes: 3,
          autoTuner: false,
          config: { bootstrapTicks: 1 },
        }),
    )
    const property = fc.asyncProperty(SEQUENCE, async (actions) => {
      const model = new Model()
      own.configure({ baseResistance: 10 })
      for (const id of IDS) {
        own.setRouteProfile(id, 'STANDARD')
        own.override(id, null)
        await own.resetRoute(id)
      }
      for (const action of actions) {
        if (action.which === 0) await perform(own, model, action)
        else for (let i = 0; i < 4; i++) other.route(`other ${i}`, CALM)
        for (const id of IDS) {
          const ohms = model.ohmsOf(id)
          const order = model.orders.get(id) ?? null
          const { allow, resistance } = own.route(id, CALM, ohms + 0.5)
          t.true(
            Math.abs(resistance - ohms) < 1e-6,
            `R of ${id} is ${resistance}, and ${ohms} was set, after ${JSON.stringify(action)}`,
          )
          t.is(allow, order !== 'open', `${order} of ${id} after ${JSON.stringify(action)}`)
        }
      }
    })
    await fc.assert(property, { numRuns: 40 })
  },
)
