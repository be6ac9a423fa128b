// Lanes: shares of a limit for classes of keys. Runs on the engine that ATRION_ENGINE names.
import { ConfigError } from 'atrion'
import ava from 'ava'
import { engine, turn, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { play } from './_flows.mjs'

const test = engine === 'ts' ? ava.skip : ava

const world = (options) => virtual({ keySecret: 'sixteen or more characters', ...options })
const isPartner = (key) => key.startsWith('partner')
const partners = (share, over = {}) => ({
  lanes: { of: (key) => (isPartner(key) ? 'partners' : undefined), reserve: { partners: share } },
  ...over,
})
/** Requests a ms that ten servers of 20 ms carry. */
const CAPACITY = 0.5
const TIERS = ['bulk', 'low', 'normal', 'high', 'critical']

test('a class of keys gets its share though all others, of higher tiers, send ten times the capacity', (t) => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.constantFrom('bulk', 'normal', 'critical'), fc.boolean(), (seed, tier, isPooled) => {
      const here = world()
      const profile = partners(0.2, isPooled ? { pool: 'db' } : {})
      for (const route of ['a', 'b']) here.atrion.setRouteProfile(route, profile)
      const [lane, others] = play(here, {
        seed,
        untilMs: 12_000,
        countFromMs: 4_000,
        flows: [
          { perMs: 0.3 * CAPACITY, route: 'a', options: (i) => ({ tier, key: `partner ${i % 7}` }) },
          {
            perMs: 10 * CAPACITY,
            route: isPooled ? 'b' : 'a',
            options: (i) => ({ tier: i % 2 ? 'high' : 'normal', key: `user ${i % 100}` }),
          },
        ],
      })
      const served = lane.served + others.served
      t.true(lane.served >= 0.195 * served, `${lane.served} of ${served}`)
      t.true(served >= 0.95 * 8_000 * CAPACITY, `${served} in 8 s`)
    }),
    { numRuns: 6 },
  )
})

const flow = (perMs, tier, key) => ({ perMs: perMs * CAPACITY, options: (i) => ({ tier, key: `${key} ${i % 50}` }) })

test('the places that a lane leaves are lent: the others are answered as without lanes, and it is back within 200 ms', (t) => {
  fc.assert(
    fc.property(fc.nat(1e6), (seed) => {
      const comesMs = 8_000
      const others = flow(3, 'high', 'user')
      const answersOf = (profile, fromMs, untilMs) => {
        const here = world()
        here.atrion.setRouteProfile('route', profile)
        const partner = flow(0.18, 'bulk', 'partner')
        const flows = [others, { ...partner, perMs: (ms) => (ms < comesMs ? 0 : partner.perMs) }]
        return play(here, { seed, untilMs, countFromMs: fromMs, flows })
      }
      const [lent] = answersOf(partners(0.2), 2_000, comesMs)
      t.deepEqual(lent, answersOf({}, 2_000, comesMs)[0])
      const [rest, lane] = answersOf(partners(0.2), comesMs + 200, 14_000)
      t.true(lane.asked - lane.refused >= 0.95 * lane.asked, `${lane.refused} of ${lane.asked} were refused`)
      // Goodput is what it was: a request is a request.
      const perS = (lent.served / (comesMs - 2_000)) * 1_000
      t.true(
        lane.served + rest.served >= 0.98 * 5.8 * perS,
        `${lane.served + rest.served} in 5.8 s, before ${perS} a s`,
      )
    }),
    { numRuns: 4 },
  )
})

test('a class of keys that is a whole tier is answered as by the reserve of that tier, to the last decision', (t) => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.double({ min: 0.05, max: 0.5, noNaN: true }), (seed, share) => {
      const flows = [
        flow(0.3, 'low', 'partner'),
        flow(0.4, 'high', 'user'),
        flow(3, 'normal', 'user'),
        flow(1, 'bulk', 'user'),
      ]
      const answersTo = (profile) => {
        const here = world()
        here.atrion.setRouteProfile('route', profile)
        return play(here, { seed, untilMs: 4_000, flows })
      }
      t.deepEqual(answersTo(partners(share)), answersTo({ reserve: { low: share } }))
    }),
    { numRuns: 10 },
  )
})

test('within what is left, the tiers are in order, and a tier keeps its own reserve', (t) => {
  const here = world()
  here.atrion.setRouteProfile('route', partners(0.2, { reserve: { low: 0.1 } }))
  const answers = play(here, {
    untilMs: 12_000,
    countFromMs: 4_000,
    flows: [
      flow(0.3, 'bulk', 'partner'),
      flow(0.4, 'high', 'user'),
      flow(5, 'normal', 'user'),
      flow(2, 'low', 'user'),
      flow(3, 'bulk', 'user'),
    ],
  })
  const [lane, high, normal, low, bulk] = answers
  const served = answers.reduce((sum, one) => sum + one.served, 0)
  t.true(lane.served >= 0.195 * served, `${lane.served} of ${served}`)
  t.true(low.served >= 0.095 * served, `${low.served} of ${served}`)
  const [ofHigh, ofNormal, ofBulk] = [high, normal, bulk].map((one) => one.served / one.asked)
  t.true(ofHigh > 3 * ofNormal && ofNormal > 10 * ofBulk, `${ofHigh}, ${ofNormal}, ${ofBulk}`)
})

test('a place that is reserved for a lane goes to the next of it, though higher tiers wait', async (t) => {
  const { atrion, clock } = world()
  atrion.setRouteProfile('route', partners(0.15, { limits: { min: 4, max: 4, initial: 4 } }))
  const first = await atrion.enter('route', { tier: 'bulk', key: 'partner 0' })
  const others = await Promise.all(Array.from({ length: 3 }, () => atrion.enter('route')))
  clock.advance(1)
  const order = []
  const enter = (tier, key) => atrion.enter('route', { tier, key }).then(() => order.push(`${tier} ${key}`))
  void enter('bulk', 'partner 1')
  void enter('low', 'partner 2')
  void enter('high', 'user')
  void enter('high', 'user 2')
  await turn()
  first.release()
  await turn()
  t.deepEqual(
    order,
    ['high user', 'low partner 2'],
    'the place is free for all; the lane, which holds none, has one more',
  )
  others[0].release()
  others[1].release()
  await turn()
  t.deepEqual(order, ['high user', 'low partner 2', 'high user 2'], 'it holds its share now')
})

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('enter'),
      tier: fc.nat(4),
      key: fc.constantFrom(undefined, 'user 1', 'user 2', 'partner 1', 'partner 2', 'trial 1'),
      maxWaitMs: fc.constantFrom(Infinity, 100),
      signal: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('release'), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort'), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.nat(60) }) },
)

test('random sequences: each is answered once, none of a lane waits while the lane holds less than its share, none is left', async (t) => {
  let waited = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 30, maxLength: 90 }),
      fc.integer({ min: 4, max: 8 }),
      async (steps, max) => {
        const { atrion, clock } = world()
        const shares = { partners: 0.25, trial: 0.2 }
        const laneOf = (key) =>
          key?.startsWith('partner') ? 'partners' : key?.startsWith('trial') ? 'trial' : undefined
        atrion.setRouteProfile('route', {
          limits: { min: max, max, initial: max },
          lanes: { of: laneOf, reserve: shares },
        })
        const [held, requests] = [[], []]
        const check = () => {
          for (const [lane, share] of Object.entries(shares)) {
            const holds = held.filter(({ key }) => laneOf(key) === lane).length
            const waits = requests.filter((one) => one.answers === 0 && laneOf(one.key) === lane).length
            if (waits > 0 && holds < share * held.length)
              throw new Error(`${lane}: ${waits} wait, and it holds ${holds} of ${held.length}`)
          }
        }
        for (const each of steps) {
          if (each.do === 'enter') {
            const { tier, key, maxWaitMs } = each
            const request = { key, answers: 0, controller: each.signal ? new AbortController() : undefined }
            requests.push(request)
            const settle = (permit) => {
              request.answers += 1
              if (permit?.allow) held.push({ permit, key })
            }
            atrion
              .enter('route', { tier: TIERS[tier], key, maxWaitMs, signal: request.controller?.signal })
              .then(settle, () => settle())
          } else if (each.do === 'release') {
            held.splice(each.which % Math.max(held.length, 1), 1)[0]?.permit.release()
          } else if (each.do === 'abort') requests[each.which % Math.max(requests.length, 1)]?.controller?.abort()
          else clock.advance(each.ms)
          await turn()
          if (each.do === 'release') check()
          waited += requests.filter(({ answers }) => answers === 0).length
        }
        while (held.length > 0) {
          held.shift().permit.release()
          await turn()
        }
        if (requests.some(({ answers }) => answers !== 1)) throw new Error('one was not answered once')
        const stats = atrion.stats('route')
        if (stats.inFlight !== 0 || stats.waiting !== 0) throw new Error(`left: ${stats.inFlight}, ${stats.waiting}`)
      },
    ),
    { numRuns: 60, includeErrorInReport: true },
  )
  t.true(waited > 200, `${waited}`)
})

test('a function that throws, or returns no name of a lane, puts a request in none, and it is asked for keys alone', (t) => {
  const { atrion } = world()
  const asked = []
  const answers = { one: 'partners', two: 'no lane', three: 5, four: Promise.reject(new Error('late')), five: null }
  atrion.setRouteProfile('route', {
    lanes: {
      of: (key) => {
        asked.push(key)
        if (key === 'throws') throw new Error('no')
        return answers[key]
      },
      reserve: { partners: 0.5 },
    },
    limits: { min: 2, max: 2, initial: 2 },
  })
  atrion.acquire('other', { key: 'one' }).release()
  atrion.acquire('route').release()
  atrion.acquire('route', { tier: 'high' }).release()
  t.deepEqual(asked, [])
  const keys = ['throws', ...Object.keys(answers), '7']
  for (const key of keys) atrion.acquire('route', { key: key === '7' ? 7 : key }).release()
  t.deepEqual(asked, keys)
})

test('an error in lanes is reported by its field, and changes nothing', async (t) => {
  const { atrion } = world()
  const of = () => 'a'
  const bad = [
    ['lanes', { lanes: 5 }, /lanes must be an object, got 5/],
    [
      'lanes.of',
      { lanes: { reserve: { a: 0.1 } } },
      /lanes\.of must be a function from a key to the name of its lane, got undefined/,
    ],
    ['lanes.of', { lanes: { of: 'key', reserve: { a: 0.1 } } }, /got "?'?key/],
    ['lanes.reserve', { lanes: { of } }, /lanes\.reserve must be an object/],
    ['lanes.reserve', { lanes: { of, reserve: {} } }, /shares of 1 to 3 lanes, got 0/],
    ['lanes.reserve', { lanes: { of, reserve: { a: 0.1, b: 0.1, c: 0.1, d: 0.1 } } }, /shares of 1 to 3 lanes, got 4/],
    ['lanes.reserve.a', { lanes: { of, reserve: { a: 0 } } }, /lanes\.reserve\.a must be a number in \(0, 1\], got 0/],
    ['lanes.reserve.a', { lanes: { of, reserve: { a: 1.1 } } }, /got 1\.1/],
    ['lanes.reserve.a', { lanes: { of, reserve: { a: Number.NaN } } }, /got NaN/],
    ['lanes.reserve.a', { lanes: { of, reserve: { a: '0.1' } } }, /got/],
    ['lanes.reserve', { lanes: { of, reserve: { a: 0.5, b: 0.6 } } }, /at most 1 in all/],
    ['lanes.reserve', { lanes: { of, reserve: { a: 0.5 } }, reserve: { bulk: 0.6 } }, /at most 1 in all/],
    ['lanes.off', { lanes: { off: of, reserve: { a: 0.5 } } }, /off/],
  ]
  for (const [field, profile, message] of bad) {
    const error = t.throws(() => atrion.setRouteProfile('route', profile), { instanceOf: ConfigError, message })
    t.is(error.field, field)
  }
  t.is(atrion.getRouteProfile('route'), 'STANDARD')
  const lanes = { of, reserve: { a: 1 } }
  t.throws(() => atrion.configure({ lanes }), {
    instanceOf: ConfigError,
    message: /lanes must be an option of one route/,
  })
  t.throws(() => atrion.configure({ lanes: null }), {
    instanceOf: ConfigError,
    message: /lanes must be an option of one route/,
  })
  atrion.setRouteProfile('route', { lanes })
  for (const given of [{ reserve: { a: 0.5 } }, null]) {
    const error = await t.throwsAsync(atrion.patch({ base: 0, changes: { routes: { route: { lanes: given } } } }))
    t.is(error.field, 'routes.route.lanes')
    t.regex(error.message, /set in code alone/)
  }
  const unfit = await t.throwsAsync(
    atrion.patch({ base: 0, changes: { routes: { route: { reserve: { bulk: 0.1 } } } } }),
  )
  t.is(unfit.field, 'routes.route.lanes.reserve')
  t.deepEqual(atrion.getRouteProfile('route'), { lanes })
})

test('a change of other settings keeps the lanes of a route, and null removes them', (t) => {
  const { atrion } = world()
  const asked = []
  const of = (key) => void asked.push(key)
  atrion.setRouteProfile('route', { lanes: { of, reserve: { a: 0.3, b: 0.1 } } })
  atrion.configure('route', { limits: { max: 50 } })
  atrion.configure({ slo: { maxAcceptableLatencyMs: 100 } })
  const explained = atrion.config.explain('routes.route.lanes')
  t.deepEqual(explained.value, { reserve: { a: 0.3, b: 0.1 } })
  t.is(atrion.config.explain('routes.route.lanes.reserve.b').value, 0.1)
  atrion.acquire('route', { key: 'k' }).release()
  t.deepEqual(asked, ['k'])
  atrion.configure('route', { lanes: null })
  atrion.acquire('route', { key: 'k' }).release()
  atrion.setRouteProfile('route', { lanes: { of, reserve: { a: 0.3 } } })
  atrion.setRouteProfile('route', 'STANDARD')
  atrion.acquire('route', { key: 'k' }).release()
  t.deepEqual(asked, ['k'])
})

test('a later change of the object that was given changes nothing', (t) => {
  const { atrion } = world()
  const lanes = { of: () => 'a', reserve: { a: 0.3 } }
  atrion.setRouteProfile('route', { lanes })
  lanes.reserve.a = 5
  lanes.of = () => t.fail('another function')
  t.true(atrion.acquire('route', { key: 'k' }).allow)
  t.is(atrion.getRouteProfile('route').lanes.reserve.a, 0.3)
  atrion.getRouteProfile('route').lanes.reserve.a = 7
  t.is(atrion.getRouteProfile('route').lanes.reserve.a, 0.3)
})
