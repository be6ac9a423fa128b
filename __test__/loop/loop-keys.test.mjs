// Keys, pools, reserved shares and breakers by class, through the package's face. Runs on the engine that ATRION_ENGINE names.
import { Atrion, ConfigError } from 'atrion'
import ava from 'ava'
import { create, engine, virtual } from '../_engine.mjs'
import { play } from './_flows.mjs'

const test = engine === 'ts' ? ava.skip : ava

const SECRET = 'sixteen or more characters'
const world = (options) => virtual({ keySecret: SECRET, ...options })

test('keys: numbers and big integers are keys, and all characters of a key count', (t) => {
  const { atrion } = world()
  const voltageOf = (key) => {
    const permit = atrion.acquire('route', { key })
    permit.release('ignored')
    return permit.voltage
  }
  t.is(voltageOf(42), voltageOf('42'))
  t.is(voltageOf(42n), voltageOf('42'))
  const long = 'x'.repeat(10_000)
  t.is(voltageOf(`${long}a`), voltageOf(`${long}a`))
  const voltages = [long, `${long}a`, `${long}b`, `b${long}`, '', '\0', '\0\0', 'a', 'a\0', 'é', '\ud800', '😀'].map(
    voltageOf,
  )
  t.is(new Set(voltages).size, voltages.length)
})

test('keys: places are spread evenly, and a secret moves them all', (t) => {
  const placesOf = (keySecret) => {
    const { atrion } = world({ keySecret })
    return Array.from({ length: 2000 }, (_, i) => {
      const permit = atrion.acquire('route', { key: `Bearer ${i}` })
      permit.release('ignored')
      return permit.voltage
    })
  }
  const places = placesOf(SECRET)
  t.deepEqual(placesOf(SECRET), places)
  t.deepEqual(placesOf(new TextEncoder().encode(SECRET)), places, 'bytes are as good')
  const [low, high] = [Math.min(...places), Math.max(...places)]
  const parts = new Array(10).fill(0)
  for (const place of places) parts[Math.min(9, Math.floor(((place - low) / (high - low)) * 10))]++
  t.true(
    parts.every((count) => count > 130 && count < 270),
    `${parts}`,
  )
  const others = placesOf(`${SECRET}!`)
  const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length
  const [a, b] = [mean(places), mean(others)]
  const covariance = mean(places.map((place, i) => (place - a) * (others[i] - b)))
  const variance = mean(places.map((place) => (place - a) ** 2))
  t.true(Math.abs(covariance / variance) < 0.1, `${covariance / variance}`)
})

test('keys: within five minutes every key has been everywhere in its band', (t) => {
  const { atrion, clock } = world()
  const keys = Array.from({ length: 50 }, (_, i) => `user-${i}`)
  const seen = keys.map(() => [])
  for (let i = 0; i < 60; i++) {
    keys.forEach((key, k) => {
      const permit = atrion.acquire('route', { key })
      permit.release('ignored')
      seen[k].push(permit.voltage)
    })
    clock.advance(5_000)
  }
  const all = seen.flat()
  const span = Math.max(...all) - Math.min(...all)
  for (const voltages of seen) {
    t.true(Math.max(...voltages) - Math.min(...voltages) > 0.9 * span)
    const jumps = voltages.slice(1).filter((voltage, i) => Math.abs(voltage - voltages[i]) > 0.1 * span)
    t.true(jumps.length <= 1, 'it turns smoothly, but for its return')
  }
})

test('keys: one tenant with 90 % of an overload leaves the others served', (t) => {
  const [flood, others] = play(world(), {
    untilMs: 12_000,
    countFromMs: 3_000,
    flows: [
      { perMs: 1.35, options: () => ({ key: 'acme' }) },
      { perMs: 0.15, options: (i) => ({ key: `user-${(i * 7919) % 100}` }) },
    ],
  })
  t.true(others.refused <= 0.01 * others.asked, JSON.stringify(others))
  t.true(flood.served + others.served > 0.93 * 0.5 * 9_000, JSON.stringify([flood, others]))
})

test('keys: a weight scales the equal share', (t) => {
  const [heavy, light] = play(world(), {
    untilMs: 20_000,
    countFromMs: 4_000,
    flows: [
      { perMs: 0.75, options: () => ({ key: 'acme', weight: 3 }) },
      { perMs: 0.75, options: () => ({ key: 'other' }) },
    ],
  })
  const ratio = heavy.served / light.served
  t.true(ratio > 2 && ratio < 4.5, JSON.stringify([heavy, light]))
})

test('keys: what is wrong with a weight or a secret is reported, and a secret is not shown', (t) => {
  const { atrion } = world()
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const error = t.throws(() => atrion.acquire('route', { key: 'a', weight }), { instanceOf: ConfigError })
    t.is(error.field, 'weight')
    t.throws(() => atrion.acquire('route', { weight }), { instanceOf: ConfigError, message: /weight/ }, 'without a key')
  }
  t.throws(() => atrion.acquire('route', { key: 'a', weight: '2' }), { instanceOf: TypeError, message: /weight/ })
  t.true(atrion.acquire('route', { key: 'a', weight: null }).allow)
  for (const keySecret of ['short secret', new Uint8Array(8), 5, null, {}]) {
    const error = t.throws(() => create({ keySecret }), { instanceOf: ConfigError })
    t.is(error.field, 'keySecret')
    t.false(error.message.includes('short secret'))
  }
})

test('breakBy: one failing tenant is refused alone, and is well again when its backend is', (t) => {
  for (const breakBy of ['key', (key) => key.split('/')[0]]) {
    const here = world()
    here.atrion.setRouteProfile('route', { breakBy })
    const isDown = (ms) => ms >= 3_000 && ms < 9_000
    const flows = [
      { perMs: 0.3, options: (i) => ({ key: breakBy === 'key' ? 'acme' : `acme/${i % 50}` }), fails: isDown },
      { perMs: 0.03, options: (i) => ({ key: `user-${i % 20}` }) },
    ]
    const refusals = []
    const acquire = here.atrion.acquire.bind(here.atrion)
    here.atrion.acquire = (...args) => {
      const permit = acquire(...args)
      if (!permit.allow) refusals.push(permit)
      return permit
    }
    const [sick, well] = play(here, { untilMs: 8_900, countFromMs: 4_000, flows })
    t.is(well.refused, 0)
    t.true(sick.refused > 0.9 * sick.asked, JSON.stringify(sick))
    t.true(refusals.some(({ limitedBy, mode }) => limitedBy === 'breaker' && mode === 'CIRCUIT_BREAKER'))
    t.true(refusals.every(({ retryAfterMs }) => retryAfterMs > 0))
    const stats = here.atrion.stats('route')
    t.is(stats.mode, 'OPERATIONAL')
    t.is(stats.openClasses, 1)
    const healed = play(here, {
      untilMs: 4_000,
      countFromMs: 2_000,
      flows: flows.map((flow) => ({ ...flow, fails: undefined })),
    })
    t.is(healed[0].refused, 0)
    t.is(here.atrion.stats('route').openClasses, 0)
  }
})

test('breakBy: a function may throw, return nonsense, or ask the instance itself', (t) => {
  const { atrion } = world()
  const answers = [
    () => {
      throw new Error('no')
    },
    () => 5,
    () => undefined,
    () => {
      atrion.acquire('other', { tier: 'bulk', key: 'x' })
      return 'a'
    },
  ]
  for (const breakBy of answers) {
    atrion.setRouteProfile('route', { breakBy })
    const permit = atrion.acquire('route', { key: 'k', tier: 'high' })
    t.true(permit.allow)
    t.is(permit.tier, 'high')
    permit.release()
  }
  t.is(atrion.getRouteProfile('route').breakBy, answers.at(-1))
  t.is(atrion.stats('route').inFlight, 0)
})

test('a dependency that hangs is closed within three deadlines though every client gives up first', (t) => {
  for (const giveUpMs of [60, 150, 300, 480, 700]) {
    const { atrion, clock } = world()
    for (let i = 0; i < 300; i++) {
      clock.advance(20)
      const permit = atrion.acquire('route')
      clock.advance(5)
      permit.release()
    }
    const out = []
    let openedMs
    for (let ms = 0; ms <= 1_500 && openedMs === undefined; ms += 10) {
      clock.advance(10)
      while (out.length > 0 && out[0].ms + giveUpMs <= ms) out.shift().permit.release('ignored')
      out.push({ ms, permit: atrion.acquire('route') })
      if (atrion.stats('route').mode === 'CIRCUIT_BREAKER') openedMs = ms
    }
    t.true(openedMs !== undefined, `${giveUpMs}`)
  }
})

test('pool: critical on one route goes before bulk on another', (t) => {
  const here = world()
  here.atrion.setRouteProfile('GET /cart', { pool: 'db' })
  here.atrion.setRouteProfile('GET /export', { pool: 'db' })
  const [cart] = play(here, {
    untilMs: 12_000,
    countFromMs: 3_000,
    flows: [
      { perMs: 0.25, route: 'GET /cart', options: () => ({ tier: 'critical' }) },
      { perMs: 1.2, route: 'GET /export', options: () => ({ tier: 'bulk' }) },
    ],
  })
  t.true(cart.refused <= 0.005 * cart.asked, JSON.stringify(cart))
  const [a, b] = [here.atrion.stats('GET /cart'), here.atrion.stats('GET /export')]
  t.is(a.pool, 'db')
  t.is(a.limit, b.limit)
  t.true(a.inFlight < b.inFlight)
  t.is(here.atrion.stats('GET /other').pool, undefined)
  here.atrion.setRouteProfile('GET /new', { pool: 'db' })
  t.is(here.atrion.stats('GET /new').pool, 'db', 'before its first request as well')
})

test('pool: routes join and leave with permits out, and end with none', async (t) => {
  const { atrion } = world()
  const pools = ['a', null, 'b', 'a']
  const permits = []
  for (const pool of pools) {
    atrion.setRouteProfile('one', { pool })
    permits.push(atrion.acquire('one'), atrion.acquire('two', { key: 'k' }))
    atrion.setRouteProfile('two', { pool: 'a' })
  }
  const lease = await atrion.startTask('one')
  t.is(atrion.stats('one').inFlight, 5)
  t.is(atrion.stats('two').inFlight, 4)
  for (const permit of permits) permit.release()
  await lease.release()
  t.is(atrion.stats('one').inFlight, 0)
  t.is(atrion.stats('two').inFlight, 0)
})

test('pool: a place that one route gives back goes to the most important that waits on any', async (t) => {
  const { atrion } = world()
  for (const route of ['a', 'b', 'c']) atrion.setRouteProfile(route, { pool: 'p', limits: { max: 1, initial: 1 } })
  const first = atrion.acquire('a')
  const order = []
  const wait = (route, tier) =>
    atrion.enter(route, { tier }).then((permit) => {
      order.push(`${route} ${tier}`)
      t.true(permit.allow)
      permit.release()
    })
  const waiting = [wait('b', 'bulk'), wait('c', 'normal'), wait('b', 'critical')]
  first.release()
  await Promise.all(waiting)
  t.deepEqual(order, ['b critical', 'c normal', 'b bulk'])
})

test('reserve: a tier gets its share though all others send ten times the capacity', (t) => {
  const here = world()
  here.atrion.setRouteProfile('route', { reserve: { bulk: 0.2 } })
  const [bulk, others] = play(here, {
    untilMs: 12_000,
    countFromMs: 4_000,
    flows: [
      { perMs: 0.15, options: () => ({ tier: 'bulk' }) },
      { perMs: 5, options: (i) => ({ tier: i % 2 ? 'high' : 'normal' }) },
    ],
  })
  const share = bulk.served / (bulk.served + others.served)
  t.true(share >= 0.19, `${share}`)
})

test('profiles: what is wrong with pool, reserve or breakBy is reported, and changes nothing', (t) => {
  const { atrion } = world()
  const bad = [
    ['pool', { pool: '' }],
    ['pool', { pool: 'x'.repeat(257) }],
    ['pool', { pool: 5 }],
    ['reserve', { reserve: 0.2 }],
    ['reserve', { reserve: { high: 0.6, bulk: 0.5 } }],
    ['reserve.high', { reserve: { high: 0 } }],
    ['reserve.high', { reserve: { high: 1 } }],
    ['reserve.high', { reserve: { high: Number.NaN } }],
    ['reserve.hihg', { reserve: { hihg: 0.2 } }],
    ['breakBy', { breakBy: 'tenant' }],
    ['breakBy', { breakBy: 5 }],
  ]
  for (const [field, profile] of bad) {
    const error = t.throws(() => atrion.setRouteProfile('route', profile), { instanceOf: ConfigError })
    t.is(error.field, field)
  }
  t.is(atrion.getRouteProfile('route'), 'STANDARD')
  t.throws(() => atrion.configure({ breakBy: 'key' }), { instanceOf: ConfigError })
  t.notThrows(() => atrion.setRouteProfile('route', { reserve: { critical: 0.1, high: 0.2, normal: 0.7 } }))
  t.notThrows(() => atrion.setRouteProfile('route', { pool: null, breakBy: null, reserve: {} }))
  for (let i = 0; i < 1_024; i++) atrion.setRouteProfile(`r${i}`, { pool: `p${i}` })
  t.throws(() => atrion.setRouteProfile('route', { pool: 'one more' }), { instanceOf: ConfigError })
  t.true(new Atrion().acquire('r', { key: 'k' }).allow)
})
