// The time for which requests are overtaken, and those that are slow by nature, which are spared.
import { isShedError } from 'atrion'
import ava from 'ava'
import { engine, randomOf, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'
import { Pool } from './_pool.mjs'

const { Race, Tail } = await sourceOf('limiter/overtaken.ts')
const { agedOf } = await sourceOf('limiter/culprit-group.ts')
const { AGED_MS, culpritOf } = await sourceOf('limiter/culprit.ts')

const test = engine === 'ts' ? ava.skip : ava.serial

ava('a request is overtaken from the first end of a later one on', (t) => {
  fc.assert(
    fc.property(fc.array(fc.record({ pick: fc.nat(9), ends: fc.boolean(), leaves: fc.boolean() })), (steps) => {
      const race = new Race()
      const running = []
      let [order, nowMs] = [0, 0]
      for (const { pick, ends, leaves } of steps) {
        // They are in the order in which they began.
        t.deepEqual(
          Array.from(race, (one) => one.order),
          running.map((one) => one.order),
        )
        t.is(race.size, running.length)
        t.is(race.oldest, running[0])
        if (!ends || running.length === 0) {
          const one = { order: order++, overtakenAtMs: Number.NaN, sinceMs: undefined }
          running.push(one)
          race.begin(one)
          continue
        }
        const [one] = running.splice(pick % running.length, 1)
        if (leaves) {
          race.leave(one)
          continue
        }
        // Ends that follow one another evenly all count in full.
        nowMs += 1
        for (const other of running) if (other.order < one.order) other.sinceMs ??= nowMs
        t.is(race.end(one, nowMs), one.sinceMs === undefined ? 0 : nowMs - one.sinceMs)
        for (const other of running) t.is(race.heldMs(other), other.sinceMs === undefined ? 0 : nowMs - other.sinceMs)
      }
    }),
  )
})

ava('a time in which nothing ends is no evidence', (t) => {
  const race = new Race()
  const of = (order) => ({ order, overtakenAtMs: Number.NaN })
  const held = of(0)
  race.begin(held)
  let nowMs = 0
  const endOne = (order) => {
    const one = of(order)
    race.begin(one)
    race.end(one, nowMs)
  }
  for (let i = 1; i <= 100; i++) {
    nowMs += 1
    endOne(i)
  }
  t.is(race.heldMs(held), 99)
  nowMs += 60_000
  endOne(101)
  t.is(race.heldMs(held), 99 + 8)
})

ava('after a time without requests a stand-still is no evidence either', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.double({ min: 1e3, max: 1e8, noNaN: true }), (ends, idleMs) => {
      const race = new Race()
      const of = (order) => ({ order, overtakenAtMs: Number.NaN })
      let [order, nowMs] = [0, 0]
      const endOne = () => {
        const one = of(order++)
        race.begin(one)
        race.end(one, nowMs)
      }
      for (let i = 0; i < 600; i++) {
        nowMs += 1
        endOne()
      }
      nowMs += idleMs
      for (let i = 0; i < ends; i++) {
        endOne()
        nowMs += 1
      }
      const held = of(order++)
      race.begin(held)
      endOne()
      nowMs += 60_000
      endOne()
      t.true(race.heldMs(held) <= 8 * 2, `${race.heldMs(held)}`)
    }),
  )
})

ava('ends of one moment leave a pace, and what comes after them counts', (t) => {
  const race = new Race()
  const held = { order: 0, overtakenAtMs: Number.NaN }
  race.begin(held)
  for (let order = 1; order <= 1000; order++) {
    const one = { order, overtakenAtMs: Number.NaN }
    race.begin(one)
    race.end(one, Math.max(0, order - 100))
  }
  t.true(race.heldMs(held) > 800 && race.heldMs(held) <= 900, `${race.heldMs(held)}`)
})

ava("a share that is no number is none, and a promise's rejection is no one's", (t) => {
  const rejected = Promise.reject(new Error('share'))
  const given = [
    Number.NaN,
    -1,
    '1',
    1n,
    null,
    undefined,
    // It would end the process.
    rejected,
  ]
  for (const share of given) t.is(agedOf({ one: { tier: undefined, share: () => share }, admittedMs: 0 }, 1).share, 0)
  const throws = () => {
    throw new Error('share')
  }
  t.is(agedOf({ one: { tier: undefined, share: throws }, admittedMs: 0 }, 1).share, 0)
})

ava(
  'the tail of a route: 13 means of an exponential, more of a heavier one; a slow-down stretches it; few say nothing',
  (t) => {
    const random = randomOf(3)
    const exponential = () => -Math.log(1 - random())
    const leastOf = (draw, count = 4000) => {
      const tail = new Tail()
      for (let i = 0; i < count; i++) tail.end(draw(i))
      t.is(tail.ended, count)
      return tail.leastMs
    }
    for (const meanMs of [0.5, 5, 500]) {
      const means = leastOf(() => meanMs * exponential()) / meanMs
      t.true(means > 9 && means < 22, `${means}`)
      const uniform = leastOf(() => 2 * meanMs * random()) / meanMs
      t.true(uniform >= 2 && uniform < 4, `${uniform}`)
      // One in a hundred takes a hundred times as long.
      const misses = leastOf(() => meanMs * (random() < 0.01 ? 100 : 1)) / meanMs
      t.true(misses > 100, `${misses}`)
      const slower = leastOf((i) => (i < 3900 ? 1 : 10) * meanMs * exponential()) / meanMs
      t.true(slower > 60, `${slower}`)
    }
    // One in a thousand is no usual one.
    t.true(leastOf((i) => (i % 1000 === 999 ? 1e6 : 1)) < 100)
    for (const draw of [() => 0, () => Number.NaN, () => Number.POSITIVE_INFINITY, () => -1])
      t.is(leastOf(draw), Number.NaN)
    t.is(leastOf(exponential, 200), Number.NaN)
  },
)

ava('a candidate with a time of its own is measured by that', (t) => {
  const random = randomOf(4)
  for (let round = 0; round < 2000; round++) {
    const candidates = Array.from({ length: Math.floor(random() * 8) }, () => ({
      ageMs: random() * 200,
      share: random(),
      tier: Math.floor(random() * 5),
      heldMs: random() * 200,
      leastMs: random() * 200,
    }))
    const wanting = Math.floor(random() * 5)
    const culprit = culpritOf(candidates, wanting, random() * 1000, random() * 1000)
    const eligible = candidates.filter(
      ({ ageMs, heldMs, leastMs, share, tier }) =>
        ageMs >= AGED_MS && heldMs >= leastMs && share > 0 && tier <= wanting,
    )
    t.is(culprit === undefined, eligible.length === 0)
    if (culprit === undefined) continue
    t.true(eligible.every(({ ageMs, share }) => ageMs * share <= culprit.ageMs * culprit.share))
    t.true(eligible.includes(culprit))
  }
})

/** A pool of two routes, one of which is slow by nature; the requests that were cancelled. */
const cancelledIn = async (seed, { connections, serviceMs, slowMs, slowShare, utilization, isOwnRoute }) => {
  const random = randomOf(seed)
  const { atrion, clock } = virtual()
  for (const name of ['fast', 'slow']) atrion.setRouteProfile(name, { pool: 'connections' })
  const pool = new Pool(connections)
  const events = []
  const at = (dueMs, work) => {
    let i = events.length
    while (i > 0 && events[i - 1].dueMs < dueMs) i -= 1
    events.splice(i, 0, { dueMs, work })
  }
  const exponential = (mean) => -mean * Math.log(1 - random())
  const perMs = (utilization * connections) / (serviceMs + slowShare * slowMs)
  const counts = { all: 0, cancelled: 0, refused: 0 }
  const call = () => {
    const isSlow = random() < slowShare
    counts.all += 1
    const tookMs = isSlow ? slowMs * (0.5 + random()) : exponential(serviceMs)
    const work = (signal) =>
      new Promise((resolve, reject) => {
        let hasPlace = false
        const take = () => {
          hasPlace = true
          at(clock.now() + tookMs, () => {
            if (signal.aborted) return
            resolve()
            pool.release()
          })
        }
        signal.addEventListener('abort', () => {
          counts.cancelled += 1
          if (hasPlace) pool.release()
          else pool.leave(take)
          reject(signal.reason)
        })
        pool.acquire(take)
      })
    atrion.run(isSlow && isOwnRoute ? 'slow' : 'fast', work, { cancellable: true }).catch((error) => {
      if (!isShedError(error)) throw error
      counts.refused += 1
    })
  }
  const arrive = () => {
    call()
    if (counts.all < 5000) at(clock.now() + exponential(1 / perMs), arrive)
  }
  arrive()
  for (let event = events.pop(); event !== undefined && counts.all < 5000; event = events.pop()) {
    clock.set(event.dueMs)
    event.work()
    for (let i = 0; i < 6; i++) await undefined
  }
  return counts
}

test('requests that are slow by nature are no culprits: of a slow route, and those that miss a cache', async (t) => {
  t.timeout(120_000)
  for (const plant of [
    { connections: 4, serviceMs: 10, slowMs: 500, slowShare: 0.01, isOwnRoute: true },
    { connections: 10, serviceMs: 5, slowMs: 1000, slowShare: 0.001, isOwnRoute: true },
    { connections: 8, serviceMs: 4, slowMs: 100, slowShare: 0.02, isOwnRoute: false },
  ]) {
    for (const utilization of [0.8, 1.1]) {
      for (let seed = 1; seed <= 2; seed++) {
        const { all, cancelled } = await cancelledIn(seed, { ...plant, utilization })
        t.true(all >= 5000)
        t.is(cancelled, 0, `seed ${seed}, ${utilization}: ${JSON.stringify(plant)}`)
      }
    }
  }
})
