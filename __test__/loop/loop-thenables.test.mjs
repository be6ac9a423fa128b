// Queries that have a `then` which runs them (Knex, Mongoose, Drizzle): under a permit they run once, as without one.
import ava from 'ava'
import { create, engine } from '../_engine.mjs'

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
