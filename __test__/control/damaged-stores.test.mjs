// Documents that are damaged in the store itself: nodes go on with what they knew, warn once with the document's name, and the next change
// of an operator takes the damaged one's place. A process that starts afterwards has it all.
import { InMemoryProvider, PostgresStateProvider, RedisStateProvider } from 'atrion'
import ava from 'ava'
import pg from 'pg'
import { createClient } from 'redis'
import { create, engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { PostgresServer } from '../_postgres/server.mjs'
import { single } from '../_redis/servers.mjs'
import { awaited, patch, until } from './_cluster.mjs'

// Engine `ts` has no permits, and nothing to try a ban with.
const test = engine === 'ts' ? ava.skip : ava

const CONFIG = 'atrion/config'
const BANS = 'atrion/bans'
const CREW = 'swarm:crew'
const SECRET = 'sixteen bytes or more'

/** A Redis of its own for a test, a client of it, and the keys of documents. */
const redisOf = async (t) => {
  const server = await single()
  t.teardown(() => server.stop())
  const { host, port } = server
  const client = createClient({ socket: { host, port } })
  await client.connect()
  t.teardown(() => client.destroy())
  return { client, host, port, key: (name) => `atrion:state:document:${name}` }
}

/** Rows of PostgreSQL that no node wrote, as assignments. The version stays: nothing but the content tells. */
const DAMAGED_ROWS = {
  'a body that is no text': ['body = $2', 'x\\'],
  'a body that is longer than any': ['body = repeat($2, 7000000)', 'x'],
  'no version': ['version = 0, body = $2', 'x'],
  'a version of no clock': ['version = 9223372036854775807, body = $2', 'x'],
}

/** A PostgreSQL of its own for a test, and ways to damage a document in it. */
const postgresOf = async (t, secret, damages) => {
  const server = await PostgresServer.start()
  const pool = new pg.Pool(server.connection)
  t.teardown(async () => {
    await pool.end()
    await server.stop()
  })
  const set =
    ([assignment, value]) =>
    (name) =>
      pool.query(`update atrion.state_documents set ${assignment} where name = $1`, [name, value])
  return {
    make: () => new PostgresStateProvider(pool, { intervalMs: 50, secret }),
    damages: Object.fromEntries(Object.entries(damages).map(([damage, given]) => [damage, set(given)])),
  }
}

/** Each way to damage a document, by store. */
const STORES = {
  memory: async () => {
    const provider = new InMemoryProvider()
    const set = (text) => async (name) => {
      const { version } = await provider.readDocument(name)
      await provider.writeDocument(name, version, text)
    }
    return {
      make: () => provider,
      damages: { 'no JSON': set('{"format":'), 'another format': set('{"format":"mine"}') },
    }
  },
  Redis: async (t) => {
    const { client, host, port, key } = await redisOf(t)
    return {
      make: () => new RedisStateProvider({ host, port, intervalMs: 50, secret: SECRET }),
      damages: {
        'no MAC': (name) => client.hDel(key(name), 'mac'),
        'a text that is not the signed one': (name) => client.hSet(key(name), 'text', 'x'),
        'no version': (name) => client.hSet(key(name), 'version', 'soon'),
        'a string': async (name) => {
          await client.del(key(name))
          await client.set(key(name), 'mine')
        },
        'a list': async (name) => {
          await client.del(key(name))
          await client.rPush(key(name), 'mine')
        },
      },
    }
  },
  'Redis without a secret': async (t) => {
    const { client, host, port, key } = await redisOf(t)
    const set = (text) => async (name) => {
      const version = Number(await client.hGet(key(name), 'version'))
      await client.hSet(key(name), { text, version: `${version + 1}` })
    }
    return {
      make: () => new RedisStateProvider({ host, port, intervalMs: 50 }),
      damages: { 'no JSON': set('{"format":'), 'another format': set('{"format":"mine"}') },
    }
  },
  PostgreSQL: async (t) => postgresOf(t, SECRET, { ...DAMAGED_ROWS, 'no MAC': ['mac = $2', '-'] }),
  'PostgreSQL without a secret': async (t) =>
    postgresOf(t, undefined, {
      'no JSON': ['body = $2, version = version + 1', '{\\"format\\":'],
      'another format': ['body = $2, version = version + 1', '{\\"format\\":\\"mine\\"}'],
      ...DAMAGED_ROWS,
    }),
}

const decision = (atrion, key) => {
  const permit = atrion.acquire('r', { key })
  permit.release()
  return permit.limitedBy
}

for (const [store, open] of Object.entries(STORES)) {
  test(`${store}: the last that could be read holds, and what an operator writes next takes the damaged one's place`, async (t) => {
    t.timeout(PATIENCE_MS)
    const { make, damages } = await open(t)
    const start = async () => {
      const warnings = []
      const logger = { debug() {}, info() {}, error() {}, warn: (text, more) => warnings.push([text, more]) }
      const atrion = create({ provider: make(), logger })
      t.teardown(() => atrion.disconnect())
      await atrion.connect()
      return { atrion, warnings }
    }
    const nodes = [await start(), await start()]
    const [a, b] = nodes.map(({ atrion }) => atrion)
    const maxOf = (node) => node.config.explain('limits.max').value
    let max = 70
    await patch(a, { limits: { max } })
    a.ban('evil', { ttlMs: 600_000 })
    await until(() => nodes.every(({ atrion }) => maxOf(atrion) === 70 && decision(atrion, 'evil') === 'ban'))
    for (const [n, [damage, spoil]] of Object.entries(damages).entries()) {
      await spoil(CONFIG)
      await spoil(BANS)
      const of = (warnings, document) =>
        warnings.filter(([, more]) => JSON.stringify(more).includes(document)).length > n
      await until(() => nodes.every(({ warnings }) => of(warnings, CONFIG) && of(warnings, BANS)))
      t.true(
        nodes.every(({ atrion }) => maxOf(atrion) === max && decision(atrion, 'evil') === 'ban'),
        damage,
      )
      // Each of them in turn, so that each has read what the other one wrote.
      for (const node of [b, a]) {
        max -= 1
        const { status } = await patch(node, { limits: { max } })
        t.is(status, 'applied', damage)
        node.ban(`worse ${max}`, { ttlMs: 600_000 })
        await until(() =>
          nodes.every(({ atrion }) => maxOf(atrion) === max && decision(atrion, `worse ${max}`) === 'ban'),
        )
      }
    }
    for (const { warnings } of nodes) t.is(warnings.length, 2 * Object.keys(damages).length, JSON.stringify(warnings))
    const late = await start()
    const keys = ['evil', ...Array.from({ length: 69 - max }, (_, n) => `worse ${max + n}`)]
    await until(() => maxOf(late.atrion) === max && keys.every((key) => decision(late.atrion, key) === 'ban'))
    t.deepEqual(late.warnings, [])
  })

  test(`${store}: what nodes know of an account takes the place of a damaged one, and nothing is spent twice`, async (t) => {
    t.timeout(PATIENCE_MS)
    const { make, damages } = await open(t)
    const warnings = []
    const logger = { debug() {}, info() {}, error() {}, warn: (_, more) => warnings.push(JSON.stringify(more)) }
    const instances = []
    const start = async (more) => {
      const atrion = create({ provider: make(), ...more })
      instances.push(atrion)
      t.teardown(() => atrion.disconnect())
      await atrion.connect()
      return atrion.createSwarm('crew', { budget: { requests: 40 } })
    }
    const crew = await start({ logger })
    const run = (swarm) => swarm.run({ requests: 1 }, async () => {}, { maxWaitMs: 30_000 })
    for (let n = 0; n < 10; n++) await run(crew)
    const [[, damage]] = Object.entries(damages)
    const other = await start()
    await run(other)
    await damage(CREW)
    let ran = 11
    const work = async (swarm) => {
      for (;;) {
        await run(swarm)
        ran += 1
      }
    }
    const ends = await awaited(Promise.allSettled([work(crew), work(other)]))
    t.true(ran <= 40, `${ran} of 40`)
    t.true(ran >= 36, `${ran} of 40`)
    for (const { reason } of ends) t.is(reason.cause, 'hard', `${reason}`)
    // The account outlives the processes, where the store does.
    await Promise.all(instances.map((atrion) => atrion.disconnect()))
    if (store !== 'memory') {
      const heir = await start()
      await awaited(t.throwsAsync(work(heir), { code: 'ATRION_BUDGET' }))
      t.true(ran <= 40 && heir.stats().units.requests.used === 40, `${ran} of 40`)
    }
    t.true(warnings.length <= 1)
    t.true(
      warnings.every((text) => text.includes(CREW)),
      warnings.join(),
    )
  })
}
