/** The promises of providers over one store to each other. */

import type { PhysicsVector, StateProvider } from '../providers/provider.js'
import { check, checkVector, show, soon, turn, vectorOf } from './checks.js'
import type { Clause, Stage } from './stage.js'

/** Compares a vector that arrived: it may have been rounded to single precision on its way, and momentum need not travel. */
const PRECISION = 1e-6

const isNear = (got: number, wanted: number): boolean => Math.abs(got - wanted) <= PRECISION * Math.abs(wanted)

/** Listens to a route: what arrived, and a promise of the word that has so many ticks. */
class Listener {
  readonly received: PhysicsVector[] = []
  readonly stop: () => void
  readonly #timeoutMs: number
  #wake: () => void = () => {}

  constructor(provider: StateProvider, routeId: string, stage: Stage) {
    this.#timeoutMs = stage.timeoutMs
    const stop = provider.subscribe?.(routeId, (vector) => {
      this.received.push(vector)
      this.#wake()
    })
    check(typeof stop === 'function', `subscribe() must return a function, got ${show(stop)}`)
    this.stop = stop
  }

  async until(wanted: PhysicsVector): Promise<void> {
    const arrived = async (): Promise<void> => {
      while (this.received.at(-1)?.lastTick !== wanted.lastTick) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
    await soon(arrived(), this.#timeoutMs, `the change to ${show(wanted)} must arrive`)
    const { scar, resistance } = this.received.at(-1) as PhysicsVector
    check(isNear(scar, wanted.scar), `scar must arrive as ${wanted.scar}, got ${scar}`)
    check(isNear(resistance, wanted.resistance), `resistance must arrive as ${wanted.resistance}, got ${resistance}`)
  }
}

/** Two providers, if changes can be subscribed to. */
async function pair(stage: Stage): Promise<readonly [StateProvider, StateProvider] | undefined> {
  const [here, there] = [await stage.connected(), await stage.connected()]
  return here.subscribe === undefined ? undefined : [here, there]
}

export const SHARING: Record<string, Clause> = {
  'what one provider writes, replaces and deletes, another one reads': {
    async run(stage) {
      const [here, there] = [await stage.connected(), await stage.connected()]
      const route = stage.name()
      await here.updateVector(route, vectorOf(1))
      checkVector(await there.getVector(route), vectorOf(1), 'written by the one, read by the other')
      await there.updateVector(route, vectorOf(2))
      checkVector(await here.getVector(route), vectorOf(2), 'replaced by the other, read by the one')
      checkVector(await there.getVector(route), vectorOf(2), 'replaced by the other, read by itself')
      await here.deleteVector(route)
      const got = await there.getVector(route)
      check(got === null, `deleted by the one, it must be null for the other, got ${show(got)}`)
    },
  },

  'who connects later finds what is there': {
    async run(stage) {
      const first = await stage.connected()
      const [kept, deleted] = [stage.name('kept'), stage.name('deleted')]
      await first.updateVector(kept, vectorOf(1))
      await first.updateVector(deleted, vectorOf(2))
      await first.deleteVector(deleted)
      await first.disconnect()
      const second = await stage.connected()
      const listed = await second.listRoutes()
      check(listed.includes(kept), `${show(kept)} must be listed`)
      check(!listed.includes(deleted), `${show(deleted)} must not be listed`)
      checkVector(await second.getVector(kept), vectorOf(1), 'found by who connected later')
    },
  },

  'subscribe(), where there is one, passes on the changes of other nodes on that route and on no other': {
    async run(stage) {
      const providers = await pair(stage)
      if (!providers) return
      const [here, there] = providers
      const [route, other] = [stage.name('route'), stage.name('other')]
      const listener = new Listener(here, route, stage)
      const elsewhere = new Listener(here, other, stage)
      await here.updateVector(route, vectorOf(1))
      await there.updateVector(other, vectorOf(2))
      await elsewhere.until(vectorOf(2))
      await there.updateVector(route, vectorOf(3))
      await listener.until(vectorOf(3))
      await turn()
      const own = listener.received.filter(({ lastTick }) => lastTick === 1).length
      check(own === 0, 'a change of its own must not be reported')
      const foreign = [...listener.received, ...elsewhere.received].filter(({ lastTick }) => lastTick > 3).length
      check(
        foreign === 0 && !listener.received.some(({ lastTick }) => lastTick === 2),
        'only changes of that route may be reported',
      )
      listener.stop()
      elsewhere.stop()
    },
  },

  'after unsubscribing no change is reported, unsubscribing again is allowed, and other subscribers still get changes':
    {
      async run(stage) {
        const providers = await pair(stage)
        if (!providers) return
        const [here, there] = providers
        const route = stage.name()
        const leaver = new Listener(here, route, stage)
        const stayer = new Listener(here, route, stage)
        await there.updateVector(route, vectorOf(1))
        await Promise.all([leaver.until(vectorOf(1)), stayer.until(vectorOf(1))])
        leaver.stop()
        leaver.stop()
        await there.updateVector(route, vectorOf(2))
        await stayer.until(vectorOf(2))
        await turn()
        check(!leaver.received.some(({ lastTick }) => lastTick === 2), 'no change may be reported after unsubscribing')
        stayer.stop()
      },
    },

  'a callback that throws, or changes what it is given, affects no other': {
    async run(stage) {
      const providers = await pair(stage)
      if (!providers) return
      const [here, there] = providers
      const route = stage.name()
      let calls = 0
      const stop = here.subscribe?.(route, (vector) => {
        calls += 1
        Object.assign(vector, { lastTick: -1, scar: Number.NaN })
        throw new Error('a callback of the conformance suite throws on purpose')
      })
      const listener = new Listener(here, route, stage)
      for (const n of [1, 2]) {
        await there.updateVector(route, vectorOf(n))
        await listener.until(vectorOf(n))
      }
      check(calls > 0, 'the callback that throws must be called as well')
      checkVector(await here.getVector(route), vectorOf(2), 'after a callback has thrown')
      stop?.()
      listener.stop()
    },
  },
}
