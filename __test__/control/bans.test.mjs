// Bans on one node: refused on every way in for as long as they last, and nothing else is.
import { once } from 'node:events'
import { ConfigError } from 'atrion'
import { atrionExpress } from 'atrion/express'
import test from 'ava'
import express from 'express'
import { create, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { eventOf, isBanned, patch } from './_cluster.mjs'

test('a wrong option is refused by its name', (t) => {
  const atrion = create()
  for (const [given, options, field] of [
    ['k', { ttlMs: 0 }, 'ttlMs'],
    ['k', { ttlMs: 86_400_001 }, 'ttlMs'],
    ['k', { ttlMs: 'x' }, 'ttlMs'],
    ['k', { reason: 'x'.repeat(281) }, 'reason'],
    ['k', { simulated: 1 }, 'simulated'],
    ['k', { ttl: 1 }, 'ttl'],
    [{ prefix: '' }, undefined, 'prefix'],
    [{ prefix: 'x'.repeat(257) }, undefined, 'prefix'],
    [{ prefx: 'x' }, undefined, 'prefx'],
  ]) {
    const error = t.throws(() => atrion.ban(given, options), { instanceOf: ConfigError })
    t.is(error.field, field)
  }
  t.throws(() => atrion.ban(null), { instanceOf: TypeError })
  t.throws(() => atrion.unban(7), { instanceOf: TypeError })
  t.false(atrion.unban('ban-1'))
  t.false(atrion.unban('__proto__'))
  t.deepEqual(atrion.bans(), [])
  for (const [bans, field] of [
    [{ share: 0 }, 'bans.share'],
    [{ share: 1.1 }, 'bans.share'],
    [{ failures: 0.5 }, 'bans.failures'],
    [{ windowMs: 1 }, 'bans.windowMs'],
    [{ allow: 'x' }, 'bans.allow'],
    [{ allow: [{ prefix: 3 }] }, 'bans.allow[0]'],
    [{ shares: 1 }, 'bans.shares'],
    [7, 'bans'],
  ]) {
    t.is(t.throws(() => create({ bans }), { instanceOf: ConfigError }).field, field)
  }
})

test('a banned key is refused on every way in, and nothing else is', async (t) => {
  const { atrion, clock } = virtual()
  const sheds = []
  atrion.on('shed', (event) => sheds.push(event))
  const made = eventOf(atrion, 'ban')
  const ban = atrion.ban('evil', { ttlMs: 60_000, reason: 'stuffing' })
  t.like(ban, {
    origin: 'operator',
    scenario: 'manual',
    scope: 'key',
    type: 'ban',
    reason: 'stuffing',
    simulated: false,
  })
  t.is(ban.until, clock.now() + 60_000)
  t.like(await made, { id: ban.id, origin: 'operator' })
  const permit = atrion.acquire('r', { key: 'evil', tier: 'high' })
  t.like(permit, { allow: false, limitedBy: 'ban', retryAfterMs: 60_000, tier: 'high', reason: 'Banned' })
  t.is(permit.explain().limitedBy, 'ban')
  permit.release('failure')
  t.like(await atrion.enter('r', { key: 'evil' }), { allow: false, limitedBy: 'ban' })
  const error = await t.throwsAsync(atrion.run('r', () => 1, { key: 'evil' }))
  t.like(error, { limitedBy: 'ban', headers: { 'retry-after': '60', 'x-should-retry': 'false' } })
  t.is(await atrion.run('r', () => 1, { key: 'evil', fallback: 2 }), 2)
  t.true(atrion.acquire('r', { key: 'evil2' }).allow)
  t.true(atrion.acquire('r').allow)
  t.is(sheds.length, 4)
  t.like(sheds[0], { limitedBy: 'ban', routeId: 'r', tier: 'high' })
  t.deepEqual(atrion.metrics().at(0).shedByTier.high, { ban: 1 })
  t.is(atrion.bans()[0].hits, 4)
  t.is(atrion.stats('r').failures, 0)
  clock.advance(59_990)
  t.true(isBanned(atrion, 'evil'))
  clock.advance(20)
  t.false(isBanned(atrion, 'evil'))
  t.deepEqual(atrion.bans(), [])
})

test('a ban is lifted, renewed, and of all keys with a prefix', (t) => {
  const { atrion, clock } = virtual()
  const { id } = atrion.ban(42, { ttlMs: 1000 })
  t.true(isBanned(atrion, '42') && isBanned(atrion, 42n))
  t.is(atrion.ban('42', { ttlMs: 5000 }).id, id)
  clock.advance(2000)
  t.true(isBanned(atrion, 42))
  t.true(atrion.unban(id))
  t.false(atrion.unban(id))
  t.false(isBanned(atrion, 42))
  const bots = atrion.ban({ prefix: 'bot-' }, { ttlMs: 1000 })
  t.is(bots.scope, 'prefix')
  t.true(isBanned(atrion, 'bot-7') && isBanned(atrion, 'bot-'))
  t.false(isBanned(atrion, 'bot') || isBanned(atrion, 'robot-7') || isBanned(atrion, '\0prefix\0bot-'))
  for (let length = 1; length < 8; length++)
    if (length !== 4) atrion.ban({ prefix: 'x'.repeat(length) }, { ttlMs: 500 })
  atrion.ban({ prefix: 'y'.repeat(9) }, { ttlMs: 500 })
  t.throws(() => atrion.ban({ prefix: 'z'.repeat(10) }), { message: /one of the 8 lengths in use/ })
  atrion.ban({ prefix: 'z'.repeat(9) })
  clock.advance(1001)
  t.false(isBanned(atrion, 'bot-7'))
  t.true(isBanned(atrion, 'z'.repeat(12)))
})

test('simulated bans and dry runs count, and refuse nothing', async (t) => {
  const atrion = create()
  const ban = atrion.ban('k', { simulated: true })
  t.true(ban.simulated)
  t.false(isBanned(atrion, 'k'))
  t.is(atrion.bans()[0].hits, 1)
  atrion.ban('k')
  t.true(isBanned(atrion, 'k'))
  atrion.configure({ dryRun: true })
  const shed = eventOf(atrion, 'shed')
  const permit = atrion.acquire('r', { key: 'k', tier: 'low' })
  t.like(permit, { allow: true, tier: 'low' })
  permit.release()
  t.like(await shed, { limitedBy: 'ban', tier: 'low' })
  const waited = await atrion.enter('r', { key: 'k' })
  t.true(waited.allow)
  waited.release()
})

test('the allow-list wins: of the code and of patches', async (t) => {
  const atrion = create({ bans: { allow: ['friend', { prefix: 'partner-' }] } })
  for (const key of ['friend', 'partner-7', 'other', 'third']) atrion.ban(key)
  atrion.ban({ prefix: 'p' })
  t.deepEqual(
    ['friend', 'partner-7', 'other', 'third', 'pp'].map((key) => isBanned(atrion, key)),
    [false, false, true, true, true],
  )
  await patch(atrion, { bans: { allow: ['other', { prefix: 'pp' }] } }, { layer: 'node' })
  t.deepEqual(
    ['friend', 'other', 'third', 'ppp'].map((key) => isBanned(atrion, key)),
    [false, false, true, false],
  )
  await patch(atrion, { bans: null }, { layer: 'node' })
  t.true(isBanned(atrion, 'other'))
  t.false(isBanned(atrion, 'friend'))
})

test('adapters answer it with the rest of the ban, a minute at most', async (t) => {
  const atrion = create()
  const app = express()
  app.use(atrionExpress(atrion, { key: (request) => request.headers['x-user'] }))
  app.get('/', (_, response) => response.send('ok'))
  const server = app.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const ask = (user) => fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { 'x-user': user } })
  atrion.ban('evil', { ttlMs: 3_600_000 })
  const answer = await ask('evil')
  t.is(answer.status, 503)
  t.is(answer.headers.get('x-should-retry'), 'false')
  t.true(Number(answer.headers.get('retry-after')) <= 60)
  t.is((await ask('good')).status, 200)
})

test('a flood of bans is bounded, and none of them is lost before there are a million', (t) => {
  const atrion = create()
  const before = process.memoryUsage().arrayBuffers
  const COUNT = 200_000
  for (let i = 0; i < COUNT; i++) atrion.ban(`key ${i}`, { ttlMs: 86_400_000 })
  t.true(process.memoryUsage().arrayBuffers - before < 20e6)
  let wrong = 0
  for (let i = 0; i < COUNT; i += 7) if (!isBanned(atrion, `key ${i}`)) wrong += 1
  for (let i = 0; i < 20_000; i++) if (isBanned(atrion, `other ${i}`)) wrong += 1
  t.is(wrong, 0)
  t.true(atrion.bans().length <= 4096)
})

test('lengths of prefixes whose bans are over are free again, without a request of theirs', (t) => {
  const { atrion, clock } = virtual()
  for (let round = 0; round < 4; round++) {
    for (let length = 1; length <= 8; length++) atrion.ban({ prefix: 'k'.repeat(8 * round + length) }, { ttlMs: 1000 })
    t.throws(() => atrion.ban({ prefix: 'k'.repeat(200) }), { instanceOf: ConfigError })
    t.true(isBanned(atrion, 'k'.repeat(100)))
    clock.advance(1001)
  }
  t.false(isBanned(atrion, 'k'.repeat(100)))
  t.deepEqual(atrion.bans(), [])
})

test('prefixes under random bans, lifts and times refuse what a list of them refuses', (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 10 })
  const step = fc.oneof(
    fc.record({ prefix: text, ttlMs: fc.integer({ min: 1, max: 50 }), simulated: fc.boolean() }),
    fc.record({ lift: text }),
    fc.record({ pass: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ key: text }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { atrion, clock } = virtual()
      const ends = new Map()
      const ids = new Map()
      let nowMs = 0
      const holding = () => [...ends].filter(([, { untilMs }]) => untilMs > nowMs)
      for (const { prefix, ttlMs, simulated, lift, pass, key } of steps) {
        if (prefix !== undefined) {
          const lengths = new Set(holding().map(([one]) => one.length))
          const ban = () => ids.set(prefix, atrion.ban({ prefix }, { ttlMs, simulated }).id)
          if (lengths.size >= 8 && !lengths.has(prefix.length)) t.throws(ban, { instanceOf: ConfigError })
          else {
            ban()
            ends.set(prefix, { untilMs: nowMs + ttlMs, simulated })
          }
        } else if (lift !== undefined) {
          if (ids.has(lift)) atrion.unban(ids.get(lift))
          ends.delete(lift)
        } else if (pass !== undefined) {
          clock.advance(pass)
          nowMs += pass
        } else
          t.is(
            isBanned(atrion, key),
            holding().some(([one, { simulated: only }]) => !only && key.startsWith(one)),
            key,
          )
      }
    }),
    { numRuns: 200 },
  )
})
