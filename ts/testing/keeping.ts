/** The promises of one provider by itself: it keeps what it is given. */

import type { PhysicsVector } from '../providers/provider.js'
import { check, checkVector, show, vectorOf } from './checks.js'
import { hostileNames } from './names.js'
import type { Clause } from './stage.js'

/** Numbers that are lost first when something rounds. */
const EXACT: readonly PhysicsVector[] = [
  { scar: 0, momentumScalar: 0, lastTick: 0, resistance: 0 },
  { scar: 0.1 + 0.2, momentumScalar: 1 / 3, lastTick: 1, resistance: 64.00000000000001 },
  { scar: 1e-9, momentumScalar: Number.MIN_VALUE, lastTick: 65_536, resistance: Number.MIN_VALUE },
  { scar: 1e6, momentumScalar: 1e300, lastTick: 2 ** 32 - 1, resistance: 1e6 },
]

const isPromise = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

export const KEEPING: Record<string, Clause> = {
  'it has a name that does not change': {
    async run(stage) {
      const provider = await stage.idle()
      const { name } = provider
      check(typeof name === 'string' && name !== '', `name must be a string that is not empty, got ${show(name)}`)
      await provider.connect()
      check(provider.name === name, `name was ${show(name)} and is ${show(provider.name)} once connected`)
    },
  },

  'connect() and disconnect() may be called again, and one after the other': {
    async run(stage) {
      const provider = await stage.idle()
      await provider.disconnect()
      await provider.connect()
      await provider.connect()
      const route = stage.name()
      await provider.updateVector(route, vectorOf(1))
      await provider.connect()
      checkVector(await provider.getVector(route), vectorOf(1), 'after another connect()')
      await provider.disconnect()
      await provider.disconnect()
      await provider.connect()
      await provider.updateVector(route, vectorOf(2))
      checkVector(await provider.getVector(route), vectorOf(2), 'after disconnect() and connect()')
    },
  },

  'every method but subscribe() returns a promise': {
    async run(stage) {
      const provider = await stage.idle()
      const route = stage.name()
      const calls: readonly [string, () => unknown][] = [
        ['connect', () => provider.connect()],
        ['updateVector', () => provider.updateVector(route, vectorOf(1))],
        ['getVector', () => provider.getVector(route)],
        ['listRoutes', () => provider.listRoutes()],
        ['deleteVector', () => provider.deleteVector(route)],
        ['disconnect', () => provider.disconnect()],
      ]
      for (const [method, call] of calls) {
        const answer = call()
        check(isPromise(answer), `${method}() must return a promise, got ${show(answer)}`)
        await answer
      }
    },
  },

  'a route that was never written is null, and is not listed': {
    async run(stage) {
      const provider = await stage.connected()
      for (const route of [stage.name('unknown'), '__proto__x', 'constructor x']) {
        const got = await provider.getVector(route)
        check(got === null, `getVector() of an unknown route must be null, got ${show(got)}`)
        check(!(await provider.listRoutes()).includes(route), 'an unknown route must not be listed')
      }
    },
  },

  'what was written is read to the last bit': {
    async run(stage) {
      const provider = await stage.connected()
      for (const [n, vector] of EXACT.entries()) {
        const route = stage.name(`${n}`)
        await provider.updateVector(route, vector)
        checkVector(await provider.getVector(route), vector, `vector ${n}`)
      }
    },
  },

  'the last vector written replaces the one before, be it less or more': {
    async run(stage) {
      const provider = await stage.connected()
      const route = stage.name()
      for (const n of [1, 2, 3, 2, 1, 1, 0, 9]) {
        await provider.updateVector(route, vectorOf(n))
        checkVector(await provider.getVector(route), vectorOf(n), `written as number ${n}`)
      }
    },
  },

  'a deleted route is gone, may be deleted again, and may be written again': {
    async run(stage) {
      const provider = await stage.connected()
      const [route, other] = [stage.name('deleted'), stage.name('kept')]
      await provider.updateVector(route, vectorOf(1))
      await provider.updateVector(other, vectorOf(2))
      await provider.deleteVector(route)
      const got = await provider.getVector(route)
      check(got === null, `getVector() of a deleted route must be null, got ${show(got)}`)
      check(!(await provider.listRoutes()).includes(route), 'a deleted route must not be listed')
      checkVector(await provider.getVector(other), vectorOf(2), 'the other route')
      await provider.deleteVector(route)
      await provider.deleteVector(stage.name('never there'))
      await provider.updateVector(route, vectorOf(3))
      checkVector(await provider.getVector(route), vectorOf(3), 'written again')
      check((await provider.listRoutes()).includes(route), 'a route that was written again must be listed')
    },
  },

  'listRoutes() names every route that was written, each once': {
    async run(stage) {
      const provider = await stage.connected()
      const names = Array.from({ length: 20 }, (_, n) => stage.name(`${n}`))
      for (const name of [...names, ...names]) await provider.updateVector(name, vectorOf(1))
      const listed = await provider.listRoutes()
      check(Array.isArray(listed), `listRoutes() must be an array, got ${show(listed)}`)
      check(
        listed.every((name) => typeof name === 'string'),
        'listRoutes() must be strings',
      )
      for (const name of names) {
        const times = listed.filter((one) => one === name).length
        check(times === 1, `${show(name)} must be listed once, and is ${times} times`)
      }
    },
  },

  'any string is a name, and every string a name of its own': {
    async run(stage) {
      const provider = await stage.connected()
      const names = [...new Set(hostileNames(stage.name('hostile')))].map((name) => stage.own(name))
      for (const [n, name] of names.entries()) await provider.updateVector(name, vectorOf(n + 1))
      for (const [n, name] of names.entries()) {
        checkVector(await provider.getVector(name), vectorOf(n + 1), `route ${show(name)}`)
      }
      const listed = new Set(await provider.listRoutes())
      for (const name of names) check(listed.has(name), `${show(name)} must be listed as it was written`)
      const [first, ...others] = names
      await provider.deleteVector(first as string)
      for (const [n, name] of others.entries()) {
        checkVector(await provider.getVector(name), vectorOf(n + 2), `route ${show(name)}, after another was deleted`)
      }
    },
  },

  'what it was given and what it gave may be changed without changing what it keeps': {
    async run(stage) {
      const provider = await stage.connected()
      const route = stage.name()
      const given = vectorOf(1)
      await provider.updateVector(route, given)
      Object.assign(given, vectorOf(7))
      checkVector(await provider.getVector(route), vectorOf(1), 'after the vector given was changed')
      const got = (await provider.getVector(route)) as PhysicsVector
      Object.assign(got, vectorOf(7))
      checkVector(await provider.getVector(route), vectorOf(1), 'after the vector returned was changed')
      const listed = await provider.listRoutes()
      listed.length = 0
      check(
        (await provider.listRoutes()).includes(route),
        'after the list returned was emptied, the route must be listed',
      )
    },
  },

  'many routes are written and read at the same time': {
    async run(stage) {
      const provider = await stage.connected()
      const names = Array.from({ length: stage.routes }, (_, n) => stage.name(`${n}`))
      await inLanes(names, (name, n) => provider.updateVector(name, vectorOf(n)))
      await inLanes(names, async (name, n) => {
        checkVector(await provider.getVector(name), vectorOf(n), `route ${n} of ${names.length}`)
      })
      const listed = new Set(await provider.listRoutes())
      const missing = names.filter((name) => !listed.has(name)).length
      check(missing === 0, `${missing} of ${names.length} routes are not listed`)
    },
  },

  'of one route written many times at once, one vector is kept whole': {
    async run(stage) {
      const provider = await stage.connected()
      const route = stage.name()
      await Promise.all(Array.from({ length: 50 }, (_, n) => provider.updateVector(route, vectorOf(n))))
      const got = await provider.getVector(route)
      check(got !== null, 'one of the vectors must be kept')
      checkVector(got, vectorOf(got.lastTick), 'no mix of several')
      await provider.updateVector(route, vectorOf(100))
      checkVector(await provider.getVector(route), vectorOf(100), 'written once all were')
    },
  },

  'what was written is there after disconnect() and connect()': {
    needs: 'durable',
    async run(stage) {
      const provider = await stage.connected()
      const names = EXACT.map((_, n) => stage.name(`${n}`))
      for (const [n, name] of names.entries()) await provider.updateVector(name, EXACT[n] as PhysicsVector)
      const gone = stage.name('gone')
      await provider.updateVector(gone, vectorOf(1))
      await provider.deleteVector(gone)
      await provider.disconnect()
      await provider.connect()
      for (const [n, name] of names.entries()) {
        checkVector(await provider.getVector(name), EXACT[n] as PhysicsVector, `vector ${n}`)
      }
      const listed = await provider.listRoutes()
      for (const name of names) check(listed.includes(name), `${show(name)} must still be listed`)
      check((await provider.getVector(gone)) === null, 'what was deleted must still be gone')
    },
  },

  'load(), where there is one, gives what was written, and how long ago': {
    async run(stage) {
      const provider = await stage.connected()
      if (provider.load === undefined) return
      const startedMs = Date.now()
      const names = Array.from({ length: 20 }, (_, n) => stage.name(`${n}`))
      for (const [n, name] of names.entries()) await provider.updateVector(name, vectorOf(n))
      const loaded = new Map<string, readonly [PhysicsVector, number]>()
      for (const [name, vector, ageMs] of await provider.load(Number.MAX_SAFE_INTEGER)) {
        check(!loaded.has(name), `${show(name)} must be loaded once`)
        check(Number.isFinite(ageMs) && ageMs >= 0, `an age must be a number of ms, ≥ 0, got ${show(ageMs)}`)
        loaded.set(name, [vector, ageMs])
      }
      // A store's clock may be another one, and coarser.
      const elapsedMs = Date.now() - startedMs + 1000
      for (const [n, name] of names.entries()) {
        const [vector, ageMs] = loaded.get(name) ?? [null, 0]
        checkVector(vector, vectorOf(n), `route ${n}, loaded`)
        check(
          ageMs <= elapsedMs,
          `route ${n} was written at most ${elapsedMs} ms ago, and is loaded as ${ageMs} ms old`,
        )
      }
      for (const most of [0, 1, 7]) {
        const count = [...(await provider.load(most))].length
        check(count <= most, `load(${most}) must give at most ${most} routes, and gave ${count}`)
      }
    },
  },
}

/** Runs `work` on every item, 50 at a time. */
async function inLanes<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries()
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) await work(item, index)
  }
  await Promise.all(Array.from({ length: 50 }, lane))
}
