// Culprits: where a few requests hold what all wait for, those are cancelled, and none besides.
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, isShedError } from 'atrion'
import ava from 'ava'
import { create, engine, turn, virtual } from '../_engine.mjs'
import { outcomeOf } from '../_room.mjs'
import { sourceOf } from '../_source.mjs'

const { AGED, AGED_MS, CancelQuota, culpritOf, QUOTA, WINDOW_MS } = await sourceOf('limiter/culprit.ts')

const test = engine === 'ts' ? ava.skip : ava.serial

/** Pseudo-random numbers in [0, 1) (mulberry32). */
const randomOf = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

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

/** Connections that are handed out in the order of arrival, in virtual time. */
class Pool {
  #free
  #queue = []

  constructor(connections) {
    this.#free = connections
  }

  acquire(take) {
    if (this.#free > 0) {
      this.#free -= 1
      take()
    } else this.#queue.push(take)
  }

  leave(take) {
    this.#queue = this.#queue.filter((one) => one !== take)
  }

  release() {
    const next = this.#queue.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}

const CONNECTIONS = 10
const SERVICE_MS = 5
const HELD_MS = 60_000
const RATE_PER_MS = 1

/** One of each thousand requests holds a connection for a minute; the counts of 20 s. */
const simulate = async (seed, cancellable) => {
  const random = randomOf(seed)
  const exponential = (mean) => -mean * Math.log(1 - random())
  const { atrion, clock } = virtual()
  const pool = new Pool(CONNECTIONS)
  const events = []
  const at = (ms, work) => {
    const dueMs = clock.now() + ms
    let i = events.length
    while (i > 0 && events[i - 1].dueMs < dueMs) i -= 1
    events.splice(i, 0, { dueMs, work })
  }
  let holder = 0
  const counts = { offered: 0, done: 0, innocents: 0, culprits: 0, all: 0, held: 0 }
  const startMs = clock.now()
  const isMeasured = () => clock.now() - startMs > 4000
  const call = () => {
    if (counts.all % 1000 === 0) holder = counts.all + Math.floor(random() * 1000)
    const isHolder = counts.all === holder
    counts.all += 1
    if (isHolder) counts.held += 1
    if (isMeasured()) counts.offered += 1
    const work = (signal) =>
      new Promise((resolve, reject) => {
        let holds = false
        const take = () => {
          holds = true
          at(isHolder ? HELD_MS : exponential(SERVICE_MS), () => {
            if (signal.aborted) return
            resolve()
            pool.release()
          })
        }
        signal.addEventListener('abort', () => {
          counts[isHolder ? 'culprits' : 'innocents'] += 1
          if (holds) pool.release()
          else pool.leave(take)
          reject(signal.reason)
        })
        pool.acquire(take)
      })
    atrion.run('db', work, { cancellable }).then(
      () => {
        if (isMeasured()) counts.done += 1
      },
      (error) => {
        if (!isShedError(error)) throw error
      },
    )
  }
  const arrive = () => {
    call()
    if (clock.now() - startMs < 20_000) at(exponential(1 / RATE_PER_MS), arrive)
  }
  arrive()
  for (let event = events.pop(); event !== undefined && event.dueMs - startMs < 20_000; event = events.pop()) {
    clock.set(event.dueMs)
    event.work()
    for (let i = 0; i < 6; i++) await undefined
  }
  return counts
}

test('a pool that one request in a thousand holds a place of serves nearly all, and loses none that is innocent', async (t) => {
  t.timeout(120_000)
  for (let seed = 1; seed <= 20; seed++) {
    const { offered, done, innocents, culprits, all } = await simulate(seed, true)
    t.is(innocents, 0, `seed ${seed}`)
    t.true(culprits > 3 && culprits <= QUOTA * all, `seed ${seed}: ${culprits} of ${all}`)
    t.true(done >= 0.95 * offered, `seed ${seed}: ${done} of ${offered}`)
  }
  const without = await simulate(1, false)
  t.is(without.culprits, 0)
  t.true(without.done < 0.5 * without.offered, `without: ${without.done} of ${without.offered}`)
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
