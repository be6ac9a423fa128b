// The waiting room before random plants: servers, service law, deadline, load, bursts, keys, pools, reserves and clients that leave.
import ava from 'ava'
import { engine, turn, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { hasReserve, offerToRoom, plants, reservedIn, TIERS } from './_room-plants.mjs'

const test = engine === 'ts' ? ava.skip : ava.serial

/** The room's timer fires at the first whole ms at which an entry can no longer make it. */
const TIMER_MS = 1
const REQUESTS = 250
const sum = (stats, field) => stats.reduce((total, each) => total + each[field], 0)
const fail = (message) => {
  throw new Error(message)
}

/** The invariants after every event, whatever the limit is. */
const requireOrder = (plan, { waited, waiting, inFlight, stats }) => {
  if (sum(stats, 'waiting') !== waiting.size) fail(`${sum(stats, 'waiting')} wait, and not ${waiting.size}`)
  if (sum(stats, 'inFlight') !== inFlight.size) fail(`${sum(stats, 'inFlight')} in flight, and not ${inFlight.size}`)
  const highest = Math.max(-1, ...[...waiting].filter((request) => waited.has(request)).map(({ tier }) => tier))
  for (const request of waited) {
    if (!request.permit?.allow || waiting.has(request)) continue
    if (request.tier < highest && !hasReserve(plan, request.tier))
      fail(`${TIERS[request.tier]} overtook ${TIERS[highest]}`)
    if (plan.keys > 0) continue
    const beside = [...waited].filter(({ tier, route }) => tier === request.tier && route === request.route)
    const left = beside.filter((other) => waiting.has(other))
    const isOldest = left.every(({ atMs }) => atMs >= request.atMs)
    const isYoungest = left.every(({ atMs }) => atMs <= request.atMs)
    if (!isOldest && !isYoungest) fail('neither the oldest nor the youngest of its tier was next')
  }
}

/** The invariants at the end. */
const requireSums = (plan, { requests, deadlineMs, listeners, timers, stats }) => {
  if (requests.length !== REQUESTS) fail(`${requests.length} requests`)
  if (listeners > 0 || timers > 0) fail(`${listeners} listeners and ${timers} timers are left`)
  const admitted = requests.filter(({ permit }) => permit?.allow)
  const refused = requests.filter(({ permit }) => permit?.allow === false)
  const left = requests.filter(({ reason }) => reason !== undefined)
  if (requests.some(({ answers }) => answers !== 1)) fail('a request was answered other than once')
  if (admitted.length + refused.length + left.length !== REQUESTS) fail('the answers are not as many as the requests')
  if (left.some((request) => request.reason !== request)) fail('an abort without its reason')
  const [counted, shed] = [sum(stats, 'admitted'), sum(stats, 'shed')]
  if (counted !== admitted.length || shed !== refused.length) fail(`${counted} and ${shed} are counted`)
  if (sum(stats, 'inFlight') + sum(stats, 'waiting') > 0) fail('something is left')
  const longestMs = Math.min(plan.maxWait, 1) * deadlineMs + TIMER_MS + 1e-6
  for (const { atMs, answeredMs } of requests) {
    if (answeredMs - atMs > longestMs) fail(`answered after ${answeredMs - atMs} ms, and not within ${longestMs}`)
  }
  for (const { permit } of refused) {
    // A route that answers nothing for two deadlines is taken for one that hangs.
    if (permit.limitedBy !== 'wait_timeout' && permit.limitedBy !== 'breaker') fail(`refused by ${permit.limitedBy}`)
  }
  return { admitted, refused, left }
}

/** Checks the sums of each run, and that of all runs together every way out of the room was taken often. */
const tallied = (t) => {
  const seen = { admitted: 0, waited: 0, refused: 0, left: 0 }
  return {
    add: (plan, end) => {
      const { admitted, refused, left } = requireSums(plan, end)
      seen.admitted += admitted.length
      seen.waited += admitted.filter(({ atMs, answeredMs }) => answeredMs > atMs).length
      seen.refused += refused.length
      seen.left += left.length
    },
    requireMany: () =>
      t.true(
        Object.values(seen).every((n) => n > 20),
        JSON.stringify(seen),
      ),
  }
}

test('as many places as servers: none is refused or kept waiting while a place that it may have is free', async (t) => {
  const tally = tallied(t)
  await fc.assert(
    fc.asyncProperty(plants, async (plan) => {
      const reserved = reservedIn(plan)
      const end = await offerToRoom(plan, REQUESTS, true, (now) => {
        requireOrder(plan, now)
        const { waiting, inFlight } = now
        if (waiting.size > 0 && inFlight.size < plan.servers)
          fail(`${inFlight.size} of ${plan.servers} places are taken`)
        const bulk = (requests) => [...requests].filter(({ tier }) => TIERS[tier] === 'bulk').length
        if (bulk(waiting) > 0 && bulk(inFlight) < reserved)
          fail(`bulk holds ${bulk(inFlight)} of its ${reserved} places`)
      })
      tally.add(plan, end)
    }),
    { numRuns: 60, seed: 9, includeErrorInReport: true },
  )
  tally.requireMany()
})

test('without bounds of its own: the order, the times and the sums are the same', async (t) => {
  const tally = tallied(t)
  await fc.assert(
    fc.asyncProperty(plants, async (plan) => {
      const end = await offerToRoom(plan, REQUESTS, false, (now) => requireOrder(plan, now))
      tally.add(plan, end)
    }),
    { numRuns: 60, seed: 9, includeErrorInReport: true },
  )
  tally.requireMany()
})

/** Late answers ÷ answers. */
const shareLate = (requests, deadlineMs) =>
  requests.filter(({ atMs, endedMs }) => endedMs - atMs > deadlineMs).length / requests.length

test('the wait counts against the deadline: where every service takes the same, none is served in vain', async (t) => {
  let waited = 0
  await fc.assert(
    fc.asyncProperty(plants, async (plan) => {
      const end = await offerToRoom({ ...plan, service: 'constant', maxWait: 1, isReserved: false }, REQUESTS, true)
      // Until the first answers nothing is known of the service, and a request may have waited for all of its deadline.
      const known = end.requests.filter(({ atMs }) => atMs > end.requests[0].atMs + 2 * end.deadlineMs)
      const admitted = known.filter(({ permit }) => permit?.allow)
      waited += admitted.filter(({ atMs, answeredMs }) => answeredMs > atMs).length
      if (admitted.length > 0 && shareLate(admitted, end.deadlineMs) > 0) fail('a late answer')
    }),
    { numRuns: 40, seed: 9, includeErrorInReport: true },
  )
  t.true(waited > 500, `${waited}`)
})

test('a reserve is a share of the places, however much its tier asks for, and the rest is of the higher tiers', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1e6),
      fc.integer({ min: 4, max: 12 }),
      fc.constantFrom('constant', 'exponential', 'lognormal'),
      fc.constantFrom(20, 50),
      async (seed, servers, service, deadline) => {
        // A fifth of the load is bulk's: as much as all servers can do.
        const plan = { seed, servers, service, deadline, load: 5, serviceMs: 20, isReserved: true }
        const { requests } = await offerToRoom(
          { ...plan, burst: 0, maxWait: Number.POSITIVE_INFINITY, leaves: 0, routes: 1, keys: 0 },
          6_000,
          false,
        )
        const [fromMs, toMs] = [requests[2_000].atMs, requests.at(-1).atMs]
        const admitted = requests.filter(
          ({ permit, answeredMs }) => permit?.allow && answeredMs > fromMs && answeredMs < toMs,
        )
        const bulk = admitted.filter(({ tier }) => TIERS[tier] === 'bulk').length / admitted.length
        const reserved = reservedIn(plan) / servers
        // Of a whole number of places it is one more at most.
        const most = reserved + 1.5 / servers
        t.true(
          bulk >= 0.95 * reserved && bulk <= most,
          `bulk had ${bulk} of the admissions, and not ${reserved} to ${most}`,
        )
      },
    ),
    { numRuns: 15, seed: 9, includeErrorInReport: true },
  )
})

test('in a pool, the oldest of the highest tier goes first, whichever route it is on', async (t) => {
  const { atrion, clock } = virtual()
  for (const route of ['a', 'b']) {
    atrion.setRouteProfile(route, { pool: 'all', limits: { min: 1, max: 1, initial: 1 } })
  }
  let held = await atrion.enter('a')
  const order = []
  for (const [i, name] of ['a low', 'b low', 'a low', 'b high', 'a high', 'b low'].entries()) {
    clock.advance(1)
    const [route, tier] = name.split(' ')
    void atrion.enter(route, { tier }).then((permit) => {
      order.push(`${name} ${i}`)
      held = permit
    })
  }
  for (let i = 0; i < 6; i++) {
    held.release()
    await turn()
  }
  t.deepEqual(order, ['b high 3', 'a high 4', 'a low 0', 'b low 1', 'a low 2', 'b low 5'])
})

test('a place that is reserved for a tier goes to the next of it, though a higher tier waits', async (t) => {
  const { atrion, clock } = virtual()
  atrion.setRouteProfile('route', { reserve: { bulk: 0.25 }, limits: { min: 4, max: 4, initial: 4 } })
  const bulk = await atrion.enter('route', { tier: 'bulk' })
  const others = await Promise.all(Array.from({ length: 3 }, () => atrion.enter('route')))
  clock.advance(1)
  const order = []
  const enter = (tier) => atrion.enter('route', { tier }).then(() => order.push(tier))
  for (const tier of ['bulk', 'high', 'low']) void enter(tier)
  await turn()
  bulk.release()
  await turn()
  t.deepEqual(order, ['high', 'bulk'], 'the place is free for all, and bulk, which holds none then, has one more')
  others[0].release()
  others[1].release()
  await turn()
  t.deepEqual(order, ['high', 'bulk', 'low'])
})
