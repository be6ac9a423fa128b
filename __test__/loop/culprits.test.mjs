// Culprits: where a few requests hold what all wait for, those are cancelled, and none besides.
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, isShedError } from 'atrion'
import ava from 'ava'
import { create, engine, randomOf, turn, virtual } from '../_engine.mjs'
import { outcomeOf } from '../_room.mjs'
import { sourceOf } from '../_source.mjs'

const { AGED, AGED_MS, CancelQuota, culpritOf, QUOTA, WINDOW_MS } = await sourceOf('limiter/culprit.ts')

const test = engine === 'ts' ? ava.skip : ava.serial

ava('the culprit frees most, is old, and is of no higher tier than those that wait', (t) => {
  const random = randomOf(1)
  let found = 0
  for (let round = 0; round < 2000; round++) {
    const serviceMs = random() * 10
    const latencyMs = random() * 200
    const wanting = Math.floor(random() * 6) - 1
    const candidates = Array.from({ length: Math.floor(random() * 20) }, () => ({
      ageMs: random() * 1000,
      share: random() < 0.2 ? 0 : random() * 4,
      tier: Math.floor(random() * 5),
    }))
    const culprit = culpritOf(candidates, wanting, serviceMs, latencyMs)
    const eligible = candidates.filter(
      ({ ageMs, share, tier }) =>
        ageMs >= Math.max(latencyMs + AGED * serviceMs, AGED_MS) && share > 0 && tier <= wanting,
    )
    t.is(culprit === undefined, eligible.length === 0)
    if (culprit === undefined) continue
    found += 1
    t.true(eligible.includes(culprit))
    t.true(eligible.every(({ ageMs, share }) => ageMs * share <= culprit.ageMs * culprit.share))
  }
  t.true(found > 500)
})

ava('noise is no culprit', (t) => {
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
    t.is(culpritOf([{ ageMs: odd, share: 1, tier: 0 }], 4, 1, 1), undefined)
    t.is(culpritOf([{ ageMs: 1000, share: odd, tier: 0 }], 4, 1, 1), undefined)
  }
  t.is(culpritOf([{ ageMs: 1000, share: 1, tier: 0 }], -1, 1, 1), undefined)
  t.is(culpritOf([{ ageMs: 1000, share: 1, tier: 0 }], Number.NaN, 1, 1), undefined)
})

ava('of any number of requests at most one in a thousand is cancelled, and none within the window of another', (t) => {
  const random = randomOf(2)
  for (let round = 0; round < 50; round++) {
    const quota = new CancelQuota()
    let [offered, cancelled, nowMs, lastMs] = [0, 0, 0, Number.NEGATIVE_INFINITY]
    for (let i = 0; i < 5000; i++) {
      nowMs += random() * 10
      for (let n = Math.floor(random() * 20); n > 0; n--) {
        quota.offer()
        offered += 1
      }
      if (random() < 0.5 || !quota.allows(nowMs)) continue
      quota.spend(nowMs)
      cancelled += 1
      t.true(nowMs - lastMs >= WINDOW_MS)
      lastMs = nowMs
      t.true(cancelled <= QUOTA * offered + 1e-6, `${cancelled} of ${offered}`)
    }
    t.true(cancelled > 5)
  }
})

test('a request whose coming cancels another gets its place at once', async (t) => {
  const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: 60_000 } })
  atrion.configure('route', { limits: { min: 1, max: 1, initial: 1 } })
  for (let i = 0; i < 1100; i++) {
    const done = atrion.run('route', async () => {}, { cancellable: true })
    clock.advance(1)
    await done
  }
  const held = atrion.run('route', () => new Promise(() => {}), { cancellable: true })
  clock.advance(5000)
  const outcome = outcomeOf(atrion.enter('route', { maxWaitMs: 30_000 }))
  t.true(isShedError(await t.throwsAsync(held)))
  await turn()
  t.true(outcome.value?.allow)
  t.is(atrion.stats('route').waiting, 0)
})

test('a lock that one of the first requests holds is free again; where none has ended, none is cancelled', async (t) => {
  for (const ended of [0, 5]) {
    const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: 60_000 } })
    for (let i = 0; i < ended; i++) {
      await atrion.run('lock', () => clock.advance(5), { cancellable: true })
    }
    const aborted = []
    const hold = (i) =>
      atrion
        .run(
          'lock',
          (signal) =>
            new Promise((_, reject) =>
              signal.addEventListener('abort', () => {
                aborted.push(i)
                reject(signal.reason)
              }),
            ),
          { cancellable: true },
        )
        .catch(() => {})
    for (let i = 0; i < 1500; i++) {
      hold(i)
      clock.advance(5)
    }
    await turn()
    t.deepEqual(aborted, ended === 0 ? [] : [0])
  }
})

test('a lock that one request holds is free again soon, in real time', async (t) => {
  const atrion = create({ slo: { maxAcceptableLatencyMs: 200 } })
  atrion.setRouteProfile('lock', { limits: { max: 4 } })
  let last = Promise.resolve()
  const locked = (ms, signal) => {
    const before = last
    let free
    last = new Promise((resolve) => {
      free = resolve
    })
    return before.then(() => sleep(ms, undefined, { signal })).finally(free)
  }
  for (let i = 0; i < 1500; i++) await atrion.run('lock', () => {}, { cancellable: true })
  const cancelled = new Promise((resolve) => atrion.on('cancelled', resolve))
  const holder = t.throwsAsync(
    atrion.run('lock', (signal) => locked(60_000, signal), { cancellable: true, key: 'the one' }),
    { code: 'ATRION_SHED' },
  )
  const others = Array.from({ length: 8 }, () =>
    atrion
      .run('lock', (signal) => locked(1, signal), { maxWaitMs: 30_000, tier: 'critical' })
      .then(
        () => 'served',
        ({ limitedBy }) => limitedBy,
      ),
  )
  const error = await holder
  t.is(error.limitedBy, 'occupancy')
  t.is(error.cause.name, 'AbortError')
  const { routeId, ageMs, share } = await cancelled
  t.is(routeId, 'lock')
  t.true(ageMs >= AGED_MS && share === 1)
  t.true((await Promise.all(others)).includes('served'))
})

test('a request of a higher tier than what waits is spared, and so is one that holds nothing', async (t) => {
  const { atrion, clock } = virtual()
  atrion.setRouteProfile('db', { limits: { min: 1, max: 2 } })
  for (let i = 0; i < 3000; i++) {
    await atrion.run('db', () => clock.advance(1), { cancellable: true })
  }
  const aborted = []
  const hold = (name, options) =>
    atrion
      .run(
        'db',
        (signal) => {
          signal.addEventListener('abort', () => aborted.push(name))
          return new Promise(() => {})
        },
        options,
      )
      .catch(() => {})
  hold('critical', { cancellable: true, tier: 'critical' })
  hold('waits itself', { cancellable: () => 0, tier: 'critical' })
  hold('throws', {
    cancellable: () => {
      throw new Error('no')
    },
    tier: 'critical',
  })
  clock.advance(300)
  let shed = 0
  for (let i = 0; i < 50; i++) {
    clock.advance(20)
    await atrion
      .run('db', () => {}, { tier: 'bulk' })
      .catch(({ limitedBy }) => (shed += limitedBy === 'occupancy' ? 1 : 0))
  }
  t.true(shed > 0)
  t.deepEqual(aborted, [])
})

test('an option that cannot be honoured is named', async (t) => {
  const atrion = create()
  for (const cancellable of ['yes', 1, {}]) {
    const error = await t.throwsAsync(
      atrion.run('r', () => {}, { cancellable }),
      { instanceOf: ConfigError },
    )
    t.is(error.field, 'cancellable')
  }
  for (const cancellable of [null, undefined, false, true]) {
    t.is(await atrion.run('r', () => 1, { cancellable }), 1)
  }
})
