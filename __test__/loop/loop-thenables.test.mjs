// Queries that have a `then` which runs them (Knex, Mongoose, Drizzle): under a permit they run once, as without one.
import { runInNewContext } from 'node:vm'
import ava from 'ava'
import { create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** Runs each time that its `then` is called. */
const queryOf = () => {
  const query = {
    runs: 0,
    // biome-ignore lint/suspicious/noThenProperty: that is what a query builder has
    then(resolve, reject) {
      query.runs += 1
      return Promise.resolve(['row']).then(resolve, reject)
    },
  }
  return query
}

test('a query that run() is given runs once, whatever the options', async (t) => {
  const atrion = create()
  for (const options of [
    undefined,
    { tier: 'high' },
    { timeoutMs: 60_000 },
    { maxWaitMs: 10 },
    { cancellable: true },
  ]) {
    const query = queryOf()
    t.deepEqual(await atrion.run('db', () => query, options), ['row'])
    t.is(query.runs, 1, JSON.stringify(options))
  }
  t.is(atrion.stats('db').admitted, 5)
  t.is(atrion.stats('db').inFlight, 0)
})

test('a query as the fallback runs once, given or made', async (t) => {
  const atrion = create()
  atrion.override('db', 'open')
  const given = queryOf()
  t.deepEqual(await atrion.run('db', () => 1, { fallback: given }), ['row'])
  const made = queryOf()
  t.deepEqual(await atrion.run('db', () => 1, { fallback: () => made }), ['row'])
  t.deepEqual([given.runs, made.runs], [1, 1])
})

test('a query in a swarm runs once', async (t) => {
  const query = queryOf()
  const swarm = create().createSwarm('swarm', { budget: { requests: 2 } })
  t.deepEqual(await swarm.run({}, () => query), ['row'])
  t.is(query.runs, 1)
})

test('a query whose then throws is a failure, and its permit comes back', async (t) => {
  const atrion = create()
  const broken = {
    // biome-ignore lint/suspicious/noThenProperty: as of mysql2's queries with a callback
    then() {
      throw new Error('no promise')
    },
  }
  await t.throwsAsync(
    atrion.run('db', () => broken),
    { message: 'no promise' },
  )
  t.like(atrion.stats('db'), { failures: 1, inFlight: 0 })
})

/** Promises in all the shapes that `await` tells apart, each with whether it rejects. */
const SHAPES = {
  plain: (settle) => settle(Promise),
  subclass: (settle) => settle(class extends Promise {}),
  'of another realm': (settle) => settle(runInNewContext('Promise')),
  'with a then of its own': (settle) => {
    const promise = settle(Promise)
    const { then } = promise
    // biome-ignore lint/suspicious/noThenProperty: as packages do that make a promise of a query
    promise.then = (...listeners) => then.apply(promise, listeners)
    return promise
  },
  'with another constructor': (settle) => Object.assign(settle(Promise), { constructor: Object }),
  'with another prototype': (settle) => Object.setPrototypeOf(settle(Promise), Object.create(Promise.prototype)),
}

test('run() settles as its work does, whatever shape of a promise that gives, and the permit comes back once', async (t) => {
  const kinds = fc.constantFrom(...Object.keys(SHAPES))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ kind: kinds, fails: fc.boolean(), late: fc.boolean() })), async (calls) => {
      const atrion = create()
      const runs = calls.map(({ kind, fails, late }, i) => {
        const settle = (P) =>
          new P((resolve, reject) => {
            const end = () => (fails ? reject(i) : resolve(i))
            if (late) setImmediate(end)
            else end()
          })
        return atrion.run('db', () => SHAPES[kind](settle))
      })
      t.true(runs.every((run) => run instanceof Promise))
      const ends = await Promise.allSettled(runs)
      t.deepEqual(
        ends.map(({ status, value, reason }) => [status, value ?? reason]),
        calls.map(({ fails }, i) => [fails ? 'rejected' : 'fulfilled', i]),
      )
      if (calls.length === 0) return
      const { admitted, inFlight, failures } = atrion.stats('db')
      t.deepEqual([admitted, inFlight, failures], [calls.length, 0, calls.filter(({ fails }) => fails).length])
    }),
    { numRuns: 60 },
  )
})

test('run() of a promise takes no more turns of the microtask queue than an async function that awaits it', async (t) => {
  const atrion = create()
  const turnsOf = async (promise) => {
    let turns = 0
    let isOver = false
    promise.finally(() => {
      isOver = true
    })
    for (; !isOver; turns++) await undefined
    return turns
  }
  const work = async () => {}
  const awaited = async () => await work()
  t.is(await turnsOf(atrion.run('db', work)), await turnsOf(awaited()))
})
