// acquire(): who is admitted, who is not, and what a permit is good for.
import { ConfigError } from 'atrion'
import ava from 'ava'
import { create, engine, virtual } from '../_engine.mjs'
import { overloaded } from '../_plant.mjs'

const test = engine === 'ts' ? ava.skip : ava
const onTs = engine === 'ts' ? ava : ava.skip

const TIERS = ['bulk', 'low', 'normal', 'high', 'critical']

/** Takes permits until one is refused; those that were given. */
const fill = (atrion, options, routeId = 'route') => {
  const permits = []
  for (let i = 0; i < 100_000; i++) {
    const permit = atrion.acquire(routeId, options)
    if (!permit.allow) return permits
    permits.push(permit)
  }
  throw new Error('no request was refused')
}

onTs("engine 'ts' has no closed loop, and says so", async (t) => {
  const atrion = create()
  const expected = { instanceOf: ConfigError, message: /^engine must be/ }
  t.is(t.throws(() => atrion.acquire('route'), expected).field, 'engine')
  await t.throwsAsync(() => atrion.run('route', () => 1), expected)
})

test('an empty route admits, and says nothing of coming back', (t) => {
  const { atrion } = virtual()
  for (const tier of TIERS) {
    const permit = atrion.acquire('route', { tier })
    t.true(permit.allow)
    t.is(permit.reason, 'OK')
    t.is(permit.retryAfterMs, undefined)
    t.is(permit.mode, 'BOOTSTRAP')
    t.true(permit.resistance > 0)
    permit.release()
  }
})

test('without evidence of a queue every request is admitted, and the limit is its upper bound', (t) => {
  const { atrion } = virtual()
  for (let i = 0; i < 10_000; i++) t.true(atrion.acquire('route', { tier: TIERS[i % 5], key: `user ${i}` }).allow)
  t.like(atrion.stats('route'), { inFlight: 10_000, shed: 0, limit: 100_000 })
})

test('a request without a tier is normal', (t) => {
  const key = 'the same place on the band'
  const [silent, normal] = [{ key }, { key, tier: 'normal' }].map(
    (options) => fill(overloaded().atrion, options).length,
  )
  t.is(silent, normal)
  const { atrion } = overloaded()
  const before = atrion.stats('route').shedByTier
  fill(atrion)
  t.deepEqual(atrion.stats('route').shedByTier, { ...before, normal: before.normal + 1 })
})

test('the higher the tier, the fuller the route that still admits it; the top one passes a full route', (t) => {
  const { atrion } = overloaded()
  const held = []
  let before = 0
  for (const tier of TIERS) {
    const permits = fill(atrion, { tier, key: 'one' })
    held.push(...permits)
    t.true(permits.length > 0, `${tier} enters where the tier below was refused`)
    const { inFlight } = atrion.stats('route')
    t.is(inFlight, held.length)
    t.true(inFlight > before)
    before = inFlight
  }
  t.true(before > atrion.stats('route').limit)
})

test('no lower tier is admitted where a higher one is refused, whatever their keys', (t) => {
  const { atrion } = overloaded()
  for (let i = 0; ; i++) {
    const decided = TIERS.map((tier) => {
      const permit = atrion.acquire('route', { tier, key: `user ${i}` })
      permit.release('ignored')
      return permit.allow
    })
    t.deepEqual(decided, [...decided].sort(), 'refused first, admitted after')
    if (!decided[4]) break
    atrion.acquire('route', { tier: 'critical', key: 'filler' })
    if (i > 2000) return t.fail('the route was never full')
  }
})

test('a voltage flows if and only if it exceeds the resistance', (t) => {
  const { atrion } = overloaded()
  fill(atrion, { tier: 'low' })
  const { resistance } = atrion.stats('route')
  const allows = (voltage) => {
    const permit = atrion.acquire('route', { voltage })
    permit.release('ignored')
    return permit.allow
  }
  t.false(allows(0))
  t.false(allows(resistance - 1e-6))
  t.false(allows(resistance), 'V = R does not flow')
  t.true(allows(resistance + 1e-6))
  t.true(allows(1e9))
})

test('noise in a voltage neither refuses a request nor lets it pass all others', (t) => {
  const { atrion } = overloaded()
  for (const voltage of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    const permit = atrion.acquire('empty', { voltage })
    t.true(permit.allow, `${voltage}`)
    permit.release('ignored')
  }
  fill(atrion, { tier: 'high' })
  for (const voltage of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    t.false(atrion.acquire('route', { voltage }).allow, `${voltage}`)
  }
})

test('the same key is treated alike; keys are spread over the band, and shed one after the other', (t) => {
  const { atrion } = overloaded()
  const keys = Array.from({ length: 500 }, (_, i) => `user-${i}`)
  const decide = () =>
    keys.map((key) => {
      const permit = atrion.acquire('route', { key })
      permit.release('ignored')
      return permit.allow
    })
  const shares = []
  let before = keys.map(() => true)
  for (let i = 0; i < 1000; i++) {
    const decided = decide()
    t.deepEqual(decide(), decided, 'asked again, every answer is the same')
    t.true(
      decided.every((allow, k) => !allow || before[k]),
      'no refused key is admitted while the route fills up',
    )
    before = decided
    shares.push(decided.filter(Boolean).length / keys.length)
    if (shares.at(-1) === 0) break
    atrion.acquire('route', { tier: 'critical' })
  }
  t.is(shares[0], 1)
  t.is(shares.at(-1), 0)
  const between = shares.filter((share) => share > 0 && share < 1)
  t.true(between.length >= 3, `in steps: ${shares}`)
  const steps = shares.slice(1).map((share, i) => shares[i] - share)
  t.true(Math.max(...steps) < 0.35, `smoothly: ${shares}`)
})

test('clients that are refused do not all get the same retryAfterMs', (t) => {
  const { atrion } = overloaded()
  fill(atrion, { tier: 'critical', key: 'filler' })
  const waits = Array.from({ length: 200 }, (_, i) => atrion.acquire('route', { key: `user-${i}` }).retryAfterMs)
  t.true(waits.every((ms) => Number.isInteger(ms) && ms > 0))
  t.true(new Set(waits).size > 50, `${new Set(waits).size} different waits`)
  const again = Array.from({ length: 200 }, (_, i) => atrion.acquire('route', { key: `user-${i}` }).retryAfterMs)
  t.deepEqual(again, waits)
})

test('release gives the place back once, however often it is called', (t) => {
  const { atrion } = virtual()
  const [first, second] = [atrion.acquire('route'), atrion.acquire('route')]
  t.is(atrion.stats('route').inFlight, 2)
  for (const outcome of ['failure', 'success', 'ignored', undefined]) first.release(outcome)
  t.is(atrion.stats('route').inFlight, 1)
  t.is(atrion.stats('route').failures, 1, 'the first word counts')
  const third = atrion.acquire('route', { tier: 'critical' })
  t.true(third.allow)
  first.release('failure')
  t.is(atrion.stats('route').inFlight, 2, 'the place belongs to another now')
  for (const permit of [second, third, first]) permit.release()
  t.is(atrion.stats('route').inFlight, 0)
})

test("a refused permit's release does nothing", (t) => {
  const { atrion } = overloaded()
  const held = fill(atrion)
  const refused = atrion.acquire('route', { tier: 'bulk' })
  t.false(refused.allow)
  const before = atrion.stats('route')
  refused.release()
  refused.release('failure')
  t.deepEqual(atrion.stats('route'), before)
  t.is(before.inFlight, held.length)
})

test('a permit of a route that was reset owes nothing to the one that came after', async (t) => {
  const { atrion } = virtual()
  const permit = atrion.acquire('route')
  await atrion.resetRoute('route')
  t.is(atrion.stats('route').inFlight, 0)
  const next = atrion.acquire('route')
  permit.release('failure')
  t.like(atrion.stats('route'), { inFlight: 1, failures: 0 })
  next.release()
  t.is(atrion.stats('route').inFlight, 0)
})

test('stats: zeros for a route without requests, and everything that happened for one', (t) => {
  const { atrion, clock } = virtual()
  t.like(atrion.stats('unused'), { inFlight: 0, limit: 0, admitted: 0, shed: 0, failures: 0, mode: 'BOOTSTRAP' })
  t.is(atrion.stats('unused').p50Ms, undefined)
  for (const [ms, outcome] of [
    [10, 'success'],
    [10, 'success'],
    [10, 'failure'],
    [450, 'ignored'],
    [200, 'success'],
  ]) {
    const permit = atrion.acquire('route')
    clock.advance(ms)
    permit.release(outcome)
  }
  const stats = atrion.stats('route')
  t.like(stats, { inFlight: 0, admitted: 5, shed: 0, failures: 1, reclaimed: 0, rejectedSamples: 0 })
  t.true(Math.abs(stats.p50Ms / 10 - 1) < 0.26, `${stats.p50Ms}`)
  t.true(
    Math.abs(stats.p99Ms / 200 - 1) < 0.26,
    `${stats.p99Ms}: what was ignored within the deadline says nothing of latency`,
  )
  t.true(stats.successRatio > 0.5 && stats.successRatio < 1)
  t.is(stats.limit, 100_000, 'nothing shows a queue')
})

test('an answer that was ignored after the deadline was at least so slow, and failed where nothing else was answered', (t) => {
  const giveUp = (answered) => {
    const { atrion, clock } = virtual()
    const permit = atrion.acquire('route')
    clock.advance(999)
    if (answered) atrion.acquire('route').release()
    clock.advance(1)
    permit.release('ignored')
    return atrion.stats('route')
  }
  const alone = giveUp(false)
  t.true(Math.abs(alone.p50Ms / 1000 - 1) < 0.26, `${alone.p50Ms}`)
  t.is(alone.failures, 0, 'the client went away')
  t.true(alone.successRatio < 1)
  const among = giveUp(true)
  t.true(Math.abs(among.p99Ms / 1000 - 1) < 0.26, `${among.p99Ms}`)
  t.is(among.successRatio, 1, 'the route answers others')
})

test('bad input is named', (t) => {
  const { atrion } = virtual()
  t.like(
    t.throws(() => atrion.acquire('route', { tier: 'x' }), { instanceOf: ConfigError }),
    { field: 'tier', got: 'x' },
  )
  t.throws(() => atrion.acquire('route', { tier: 'toString' }), { instanceOf: ConfigError })
  for (const [options, message] of [
    [{ key: true }, /^key must be a string, got true$/],
    [{ voltage: 'a' }, /^voltage must be a number of V, got "a"$/],
    [7, /^options must be an object, got 7$/],
    [null, /^options must be an object, got null$/],
  ]) {
    t.throws(() => atrion.acquire('route', options), { instanceOf: TypeError, message })
  }
  for (const routeId of ['', 5, undefined, null]) {
    t.throws(() => atrion.acquire(routeId), { instanceOf: TypeError, message: /^routeId must be a non-empty string/ })
  }
  t.is(atrion.stats('route').admitted, 0)
})
