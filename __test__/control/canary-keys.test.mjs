// A patch that is tried on a share of keys: their requests are decided by it, and compared with those of the others at the same time.
import { ConfigError, VirtualClock } from 'atrion'
import test from 'ava'
import { create, engine, randomOf, virtual } from '../_engine.mjs'
import { sourceOf } from '../_source.mjs'
import { clusterOf, eventOf, until } from './_cluster.mjs'

const KEYS = Array.from({ length: 400 }, (_, i) => `user-${i}`)
const HELD = 30
const SECRET = { keySecret: 'a secret of one service' }

const patch = (node, changes, more) => node.patch({ base: node.config.version, changes, ...more })

/** Nodes over one provider, in one virtual time: how busy the machine is says nothing of a route. */
const cluster = async (t, count) => {
  const clock = new VirtualClock(1_000_000)
  return { clock, ...(await clusterOf(t, count, { of: { clock, ...SECRET } })) }
}

/**
 * Services of 20 ms, of which some are in flight when the keys' requests come, until a promise has settled. @param outcome of an admitted key
 *
 * @returns what the promise resolves to
 */
const drive = async (node, clock, promise, outcome = () => 'success') => {
  const driving = setInterval(() => {
    const held = hold(node)
    const own = KEYS.map((key) => [key, node.acquire('r', { tier: 'critical', key })])
    clock.advance(20)
    for (const permit of held) permit.release()
    for (const [key, permit] of own) permit.release(outcome(key))
    clock.advance(30)
  }, 2)
  try {
    return await promise
  } finally {
    clearInterval(driving)
  }
}

/** So many permits of a route in flight, which no key holds. */
const hold = (node, count = HELD, routeId = 'r') =>
  Array.from({ length: count }, () => node.acquire(routeId, { tier: 'critical' }))

/** A request of each key; the keys that were refused. @param outcome of an admitted key */
const round = (node, { routeId = 'r', outcome = () => 'success' } = {}) =>
  KEYS.filter((key) => {
    const permit = node.acquire(routeId, { tier: 'critical', key })
    if (permit.allow) permit.release(outcome(key))
    return !permit.allow
  })

if (engine !== 'ts') {
  test('a share of keys is decided by the patch, and always the same', async (t) => {
    const { atrion: node } = virtual(SECRET)
    hold(node)
    t.deepEqual(round(node), [])
    const trial = await patch(node, { limits: { max: 10 } }, { canary: { keyShare: 0.25, forMs: 60_000 } })
    t.is(trial.status, 'canary')
    const refused = round(node)
    t.true(refused.length > 60 && refused.length < 140, `${refused.length} of 400`)
    t.deepEqual(round(node), refused)
    t.true(node.acquire('r', { tier: 'critical' }).allow, 'a request without a key is of the others')
    t.true(node.acquire('other', { tier: 'critical', key: refused[0] }).allow, 'there the limit has room')
    t.is(node.config.explain('limits.max').value, 100_000, 'it does not hold on the node')
  })

  test('keys that may wait are decided by it as well, when it is their turn', async (t) => {
    const { atrion: node } = virtual(SECRET)
    hold(node)
    await patch(node, { limits: { max: 10 } }, { canary: { keyShare: 0.25, forMs: 60_000 } })
    const refused = round(node)
    const waits = await Promise.all(
      refused.slice(0, 10).map((key) => node.enter('r', { tier: 'critical', key, maxWaitMs: 0 })),
    )
    t.true(waits.every(({ allow }) => !allow))
    const free = KEYS.filter((key) => !refused.includes(key)).slice(0, 10)
    const others = await Promise.all(free.map((key) => node.enter('r', { tier: 'critical', key, maxWaitMs: 0 })))
    t.true(others.every(({ allow }) => allow))
  })

  test('a patch that is bad for its keys is taken back', async (t) => {
    const { nodes, clock } = await cluster(t, 2)
    const [a, b] = nodes
    const rolled = eventOf(a, 'rollback')
    const trial = await patch(a, { limits: { max: 10 } }, { canary: { keyShare: 0.2 }, reason: 'a mistake' })
    t.is(await drive(a, clock, trial.settled()), 'rolled_back')
    const { evidence } = await rolled
    t.regex(evidence, /^success of critical: 100\.0 % of \d+ without it, 0\.0 % of \d+ with it at the same time$/)
    t.deepEqual(round(a), [], 'no key is decided by it any more')
    await until(() => b.config.audit()[0]?.state === 'rolled_back')
  })

  test('each node of a trial on nodes and keys can take it back', async (t) => {
    const { nodes, clock } = await cluster(t, 2)
    const [a, b] = nodes
    const trial = await patch(a, { limits: { max: 10 } }, { canary: { keyShare: 0.2, share: 1 } })
    await until(() => b.config.version === trial.version)
    t.is(await drive(b, clock, trial.settled()), 'rolled_back')
    for (const node of nodes) {
      t.is(node.config.audit()[0].state, 'rolled_back')
      hold(node)
      t.deepEqual(round(node), [])
    }
  })

  test('a load that is bad for all keys takes nothing back', async (t) => {
    const { nodes, clock } = await cluster(t, 2)
    const [a, b] = nodes
    round(a)
    const trial = await patch(a, { limits: { max: 5_000 } }, { canary: { keyShare: 0.3, forMs: 10_000 } })
    // All keys fail in every other round: were it the same half of the keys, the lots that a version draws could fall on more of them by chance.
    let asked = 0
    const outcome = () => (Math.floor(asked++ / KEYS.length) % 2 === 0 ? 'failure' : 'success')
    t.is(await drive(a, clock, trial.settled(), outcome), 'applied')
    await until(() => b.config.explain('limits.max').value === 5_000)
    t.is(a.config.explain('limits.max').value, 5_000)
  })

  test('failures of its keys count against it', async (t) => {
    const { atrion: node, clock } = virtual(SECRET)
    const held = hold(node, 12)
    // The keys that it is tried on are those that its limit refuses.
    const trial = await patch(node, { limits: { max: 12 } }, { canary: { keyShare: 0.3, forMs: 60_000 } })
    const tried = new Set(round(node))
    for (const permit of held) permit.release()
    t.is(trial.status, 'canary')
    const fails = (key) => (tried.has(key) ? 'failure' : 'success')
    t.is(await drive(node, clock, trial.settled(), fails), 'rolled_back')
  })

  test('a route of its own settings is tried with them, and settings of the code that change meanwhile hold', async (t) => {
    const { atrion: node } = virtual(SECRET)
    node.setRouteProfile('r', { limits: { max: 200 } })
    hold(node)
    await patch(node, { routes: { r: { limits: { max: 10 } } } }, { canary: { keyShare: 0.5, forMs: 60_000 } })
    const refused = round(node)
    t.true(refused.length > 100)
    t.deepEqual(round(node, { routeId: 'other' }), [])
    node.configure('r', { limits: { max: 20 } })
    t.is(round(node).length, KEYS.length, 'the code says 20 for all, and 30 are in flight')
    node.configure('r', { limits: { max: 300 } })
    t.deepEqual(round(node), refused)
  })

  test('nodes of a trial are drawn as before, and the others decide as ever', async (t) => {
    const { nodes } = await cluster(t, 3)
    const [a, ...others] = nodes
    for (const node of nodes) hold(node)
    const trial = await patch(a, { limits: { max: 10 } }, { canary: { keyShare: 0.3, forMs: 60_000 } })
    await until(() => others.every((node) => node.config.version === trial.version))
    t.true(round(a).length > 60)
    for (const node of others) t.deepEqual(round(node), [])
  })

  test('many routes are tried within the laws that there are', async (t) => {
    const node = create()
    for (let i = 0; i < 3_000; i++) node.setRouteProfile(`r${i}`, { limits: { max: 100 + i } })
    await patch(node, { limits: { initial: 7 }, reserve: { high: 0.1 } }, { canary: { keyShare: 0.5, forMs: 60_000 } })
    for (let turn = 0; turn < 2; turn++) {
      for (let i = 0; i < 3_000; i++) node.acquire(`r${i}`, { key: `k${i}` }).release()
    }
    t.is(node.stats('r2999').inFlight, 0)
  })
}

test('settings that more than decisions depend on are not tried on keys', async (t) => {
  const node = create()
  const canary = { keyShare: 0.1 }
  for (const [changes, got] of [
    [{ slo: { maxAcceptableLatencyMs: 50 } }, 'slo.maxAcceptableLatencyMs'],
    [{ limits: { max: 5 }, dryRun: true }, 'dryRun'],
    [{ routes: { r: { limits: { max: 5 }, scarFactor: 2 } } }, 'routes.r.scarFactor'],
    [{ routes: { r: null } }, 'routes.r'],
    [{ overrides: { r: 'open' } }, 'overrides.r'],
    [{ config: { decayRate: 0.2 } }, 'config.decayRate'],
    [{ bans: { allow: ['a'] } }, 'bans.allow'],
    [{ profile: 'HEAVY' }, 'profile'],
  ]) {
    const error = await t.throwsAsync(patch(node, changes, { canary }), { instanceOf: ConfigError })
    t.is(error.field, 'canary.keyShare')
    t.is(error.got, got)
  }
  for (const keyShare of [0, 1, -1, Number.NaN, '0.1', 0.95]) {
    const error = await t.throwsAsync(patch(node, { limits: { max: 5 } }, { canary: { keyShare } }), {
      instanceOf: ConfigError,
    })
    t.is(error.field, 'canary.keyShare')
  }
  t.is(node.config.version, 0)
})

test('a patch for keys that would not fit is refused as a whole', async (t) => {
  const node = create()
  node.configure({ limits: { min: 50 } })
  await t.throwsAsync(patch(node, { limits: { max: 5 } }, { canary: { keyShare: 0.1 } }), { instanceOf: ConfigError })
  t.is(node.config.version, 0)
})

test('unequal keys take no harmless patch back, and hide no bad one', async (t) => {
  const { judgeGroups, PARTS } = await sourceOf('config/canary.ts')
  const random = randomOf(7)
  /** A trial of 30 looks at 200 requests of 1,000 keys, a tenth of which fail half of the time; whether it is taken back. */
  const isTakenBack = (harm) => {
    const [control, tried] = [0, 1].map(() => ({
      offered: Array.from({ length: 5 }, () => new Float64Array(PARTS)),
      succeeded: Array.from({ length: 5 }, () => new Float64Array(PARTS)),
    }))
    const keys = Array.from({ length: 1_000 }, () => ({
      part: Math.floor(random() * PARTS),
      group: random() < 0.1 ? tried : control,
      success: random() < 0.1 ? 0.5 : 0.99,
    }))
    for (let look = 1; look <= 30; look++) {
      for (let i = 0; i < 200; i++) {
        // The first keys have most of the requests.
        const { part, group, success } = keys[Math.floor(1_000 ** random()) - 1]
        group.offered[4][part] += 1
        if (random() < success - (group === tried ? harm : 0)) group.succeeded[4][part] += 1
      }
      if (judgeGroups(control, tried, 2, look === 30).isBad) return true
    }
    return false
  }
  const takenBack = (harm) => Array.from({ length: 100 }, () => isTakenBack(harm)).filter(Boolean).length
  const [none, some, all] = [takenBack(0), takenBack(0.2), takenBack(0.9)]
  t.true(none <= 10, `${none} of 100 harmless ones`)
  t.true(some >= 70, `${some} of 100 that fail a fifth`)
  t.true(all >= 97, `${all} of 100 that fail nine tenths`)
})
