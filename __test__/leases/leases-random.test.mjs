// Random sequences of leases, evictions and time: a lease holds its place on its route until it ends, never longer, and its end takes no
// place of a lease of a later route of the same name.
import { Atrion, VirtualClock } from 'atrion'
import ava from 'ava'
import { CALM, create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'ts' ? ava.skip : ava
const native = engine === 'native' ? ava.serial : ava.skip

const IDS = ['a', 'b', 'c', 'd']
const OUTCOMES = ['completed', 'failed', 'timeout', 'aborted']

/** A controller as a host may have it: its signal refuses to be listened to, or to be left. */
const controllerOf = (kind) => {
  const controller = new AbortController()
  const refuse = () => {
    throw new Error('the host refuses')
  }
  if (kind === 'refuses listeners') controller.signal.addEventListener = refuse
  if (kind === 'keeps listeners') controller.signal.removeEventListener = refuse
  if (kind === 'refuses aborts') controller.abort = refuse
  return controller
}

const ID = fc.constantFrom(...IDS)
const ACTION = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant('start'),
      id: ID,
      profile: fc.constantFrom('STANDARD', 'HEAVY'),
      timeout: fc.integer({ min: 1, max: 40_000 }),
      controller: fc.constantFrom('none', 'plain', 'plain', 'refuses listeners', 'keeps listeners', 'refuses aborts'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('release'), pick: fc.nat(), outcome: fc.constantFrom(...OUTCOMES) }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('abort'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('heartbeat'), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('route'), id: ID }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('reset'), id: ID }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('advance'), ms: fc.integer({ min: 1, max: 20_000 }) }) },
)

const HEARTBEAT_MS = 5000

/** The leases that should be open, by what was done. */
class Model {
  leases = []
  /** Lives of each route, counted up when it is gone. */
  lives = new Map(IDS.map((id) => [id, 0]))

  open() {
    return this.leases.filter(({ isOpen }) => isOpen)
  }
  dueOf({ expiresAt, lastSignAt, profile }) {
    return profile === 'HEAVY' ? Math.min(expiresAt, lastSignAt + 3 * HEARTBEAT_MS) : expiresAt
  }
  nextDue() {
    return Math.min(...this.open().map((each) => this.dueOf(each)))
  }
  settle(nowMs) {
    for (const each of this.open()) if (this.dueOf(each) <= nowMs) each.isOpen = false
  }
  see(routeIds) {
    for (const id of IDS) if (!routeIds.includes(id)) this.lives.set(id, this.lives.get(id) + 1)
  }
  activeOf(id) {
    return this.open().filter((each) => each.id === id).length
  }
  inFlightOf(id) {
    return this.open().filter((each) => each.id === id && each.life === this.lives.get(id)).length
  }
}

const check = (t, atrion, model, after) => {
  model.see(atrion.getRoutes())
  for (const id of IDS) {
    t.is(atrion.getActiveTaskCount(id), model.activeOf(id), `leases on ${id} after ${after}`)
    t.is(atrion.stats(id).inFlight, model.inFlightOf(id), `in flight on ${id} after ${after}`)
  }
  for (const { lease, isOpen } of model.leases) t.is(lease.isActive, isOpen, after)
}

test('a lease holds its place until it ends, and no other', async (t) => {
  const runs = fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.array(ACTION, { maxLength: 40, size: 'max' }),
    async (maxRoutes, actions) => {
      const clock = new VirtualClock(1_000_000)
      const atrion = create({ clock, maxRoutes })
      const model = new Model()
      const advance = (ms) => {
        const until = clock.now() + ms
        // A lease at a time, so that what its scar evicts is seen.
        while (clock.now() < until) {
          clock.advance(Math.max(1, Math.min(until, model.nextDue()) - clock.now()))
          atrion.getActiveTaskCount('a')
          model.settle(clock.now())
          check(t, atrion, model, `${clock.now()} ms`)
        }
      }
      for (const action of actions) {
        const { act, id, pick = 0 } = action
        const open = model.open()
        const one = open[pick % Math.max(1, open.length)]
        if (act === 'start') {
          // Deadlines differ.
          advance(1)
          let { timeout } = action
          while (model.open().some((each) => Math.abs(model.dueOf(each) - clock.now() - timeout) < 2)) timeout += 2
          const wanted = action.profile === 'HEAVY' && action.controller === 'none' ? 'plain' : action.controller
          const abortController = wanted === 'none' ? undefined : controllerOf(wanted)
          const starting = atrion.startTask(id, { profile: action.profile, timeout, abortController })
          if (wanted === 'refuses listeners') {
            await t.throwsAsync(starting, { message: 'the host refuses' })
          } else {
            const lease = await starting
            model.see(atrion.getRoutes())
            const nowMs = clock.now()
            model.leases.push({
              id,
              lease,
              isOpen: true,
              life: model.lives.get(id),
              expiresAt: nowMs + timeout,
              lastSignAt: nowMs,
              profile: action.profile,
              abortController,
              wanted,
            })
          }
        } else if (act === 'release' && one) {
          await one.lease.release(action.outcome)
          one.isOpen = false
        } else if (act === 'abort' && one?.abortController && one.wanted !== 'refuses aborts') {
          one.abortController.abort()
          one.isOpen = false
        } else if (act === 'heartbeat' && one) {
          one.lease.heartbeat({ progress: 0.5 })
          one.lastSignAt = clock.now()
        } else if (act === 'route') {
          atrion.route(id, CALM)
        } else if (act === 'reset') {
          await atrion.resetRoute(id)
        } else if (act === 'advance') {
          advance(action.ms)
        }
        check(t, atrion, model, JSON.stringify(action))
      }
    },
  )
  await fc.assert(runs, { numRuns: 150 })
})

native(
  'of instances that share an engine, the end of a lease takes no place of a later route of that name',
  async (t) => {
    const shared = () => new Atrion({ engine: 'native', scope: 'process', maxRoutes: 2 })
    const instances = [shared(), shared()]
    // One that takes no leases: to ask the others would tell them what was evicted.
    const observer = shared()
    const which = fc.nat(1)
    // So few that a route which comes again has the slot that it had.
    const id = fc.constantFrom('a', 'b')
    const action = fc.oneof(
      { weight: 4, arbitrary: fc.record({ act: fc.constant('start'), which, id }) },
      { weight: 3, arbitrary: fc.record({ act: fc.constant('release'), pick: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('reset'), which, id }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constant('flood'), which, count: fc.constantFrom(1, 8, 30) }) },
    )
    const runs = fc.asyncProperty(fc.array(action, { maxLength: 30, size: 'max' }), async (actions) => {
      const model = new Model()
      for (const id of IDS) await observer.resetRoute(id)
      for (const { act, which, id, pick = 0, count } of actions) {
        const open = model.open()
        const one = open[pick % Math.max(1, open.length)]
        if (act === 'start') {
          const lease = await instances[which].startTask(id, { timeout: 1e9 })
          model.see(observer.getRoutes())
          model.leases.push({ id, lease, isOpen: true, life: model.lives.get(id) })
        } else if (act === 'release' && one) {
          await one.lease.release()
          one.isOpen = false
        } else if (act === 'reset') {
          await instances[which].resetRoute(id)
        } else if (act === 'flood') {
          for (let i = 0; i < count; i++) instances[which].route(`other ${i}`, CALM)
        }
        model.see(observer.getRoutes())
        for (const each of IDS) t.is(observer.stats(each).inFlight, model.inFlightOf(each), `${each} after ${act}`)
      }
      for (const { lease } of model.open()) await lease.release()
    })
    await fc.assert(runs, { numRuns: 150 })
  },
)
