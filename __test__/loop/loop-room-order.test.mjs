// The waiting room as a data structure, against a naive model of its rules.
import test from 'ava'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { Room, SCAN } = await sourceOf('limiter/room.ts')

const nobodyHolds = () => 0
const itemsOf = (room, held = nobodyHolds, rate = 0, mayWaitMs = 100) => {
  const items = []
  for (let entry = room.next(held, rate, mayWaitMs); entry; entry = room.next(held, rate, mayWaitMs)) {
    items.push(entry.item)
    room.remove(entry)
  }
  return items
}

test('an empty room has no next entry, expires nothing and yields nothing', (t) => {
  const room = new Room(4)
  t.is(room.next(nobodyHolds, 1, 1), undefined)
  t.is(room.expire(Number.MAX_VALUE), undefined)
  t.is(room.yielding(4, -1, nobodyHolds), undefined)
  t.deepEqual([room.size, room.isFull, room.earliestMs], [0, false, Infinity])
})

test('the highest tier goes first, the oldest within it', (t) => {
  const room = new Room(10)
  for (const [item, tier] of ['b0', 'n2', 'c4', 'b1', 'c4', 'n2'].map((name, i) => [`${name}.${i}`, Number(name[1])])) {
    room.push(item, tier, -1, 100)
  }
  t.deepEqual(itemsOf(room), ['c4.2', 'c4.4', 'n2.1', 'n2.5', 'b1.3', 'b0.0'])
})

test('within a tier, the key that holds the fewest permits goes first; one without a key stands between none and two', (t) => {
  const room = new Room(10)
  const held = (id) => [0, 1, 2, 3][id]
  for (const id of [3, 2, 1, -1, 0]) room.push(id, 2, id, 100)
  t.deepEqual(itemsOf(room, held), [0, 1, -1, 2, 3])
  room.push('many', 4, 3, 100)
  room.push('none', 2, 0, 100)
  t.deepEqual(itemsOf(room, held), ['many', 'none'], 'the tier decides before the key')
})

test('keys are compared near the front only', (t) => {
  const room = new Room(1000)
  for (let i = 0; i < SCAN + 10; i++) room.push(i, 2, i === SCAN + 5 ? 0 : 1, 100)
  t.is(room.next((id) => id, 0, 100).item, 0)
})

test('a queue that is longer than can be served is served from its young end, until it is half as long', (t) => {
  const room = new Room(1000)
  for (let i = 0; i < 11; i++) room.push(i, 2, -1, 1000)
  const next = () => room.next(nobodyHolds, 0.1, 100)
  const serve = () => {
    const entry = next()
    room.remove(entry)
    return entry.item
  }
  t.is(serve(), 10, '11 at 0.1 a ms take 110 ms')
  t.deepEqual([serve(), serve(), serve(), serve(), serve()], [9, 8, 7, 6, 5])
  t.is(serve(), 0, '5 take 50 ms: half of what turned it')
  for (let i = 11; i < 17; i++) room.push(i, 2, -1, 1000)
  t.is(serve(), 1, '10 are not longer than may wait')
})

test('the next of one tier leaves the order of the others as it is', (t) => {
  const room = new Room(1000)
  for (let i = 0; i < 8; i++) room.push(i, 1, -1, 1000)
  t.is(room.next(nobodyHolds, 0.001, 100, 2), undefined, 'none of that tier waits')
  t.is(room.next(nobodyHolds, 0.1, 100).item, 0, '8 at 0.1 a ms are not longer than may wait')
  room.push('high', 3, -1, 1000)
  t.is(room.next(nobodyHolds, 0.001, 100, 1).item, 7)
  t.is(room.next(nobodyHolds, 0.001, 100).item, 'high')
})

test('requests that can no longer meet their deadline are found by time, also after the deadline changed', (t) => {
  const room = new Room(10)
  const [late, soon, middle] = [300, 100, 200].map((at) => room.push(at, 2, -1, at))
  t.is(room.earliestMs, 100)
  t.is(room.expire(99), undefined)
  t.is(room.expire(100), soon)
  room.reschedule(late, 150)
  room.reschedule(soon, 1)
  t.is(room.earliestMs, 150, 'one that has left stays out')
  t.is(room.expire(250), late)
  t.is(room.expire(250), middle)
  t.is(room.size, 0)
  t.false(room.remove(middle))
})

test('in a full room the lowest tier gives way, from the far end of its queue', (t) => {
  const room = new Room(4)
  for (const [item, tier] of [
    ['n', 2],
    ['b1', 0],
    ['b2', 0],
    ['c', 4],
  ]) {
    room.push(item, tier, -1, 100)
  }
  t.true(room.isFull)
  t.is(room.yielding(1, -1, nobodyHolds).item, 'b2', 'the youngest of the lowest tier')
  t.is(room.yielding(0, -1, nobodyHolds), undefined, 'a newcomer of that tier is younger still')
  for (const entry of [...room.entries()].filter(({ tier }) => tier === 0)) room.remove(entry)
  t.is(room.yielding(1, -1, nobodyHolds), undefined, 'none is below it')
})

test('the oldest gives way when the youngest go first, also to a newcomer of its own tier', (t) => {
  const room = new Room(20)
  for (let i = 0; i < 20; i++) room.push(i, 2, -1, 100)
  room.next(nobodyHolds, 0.01, 100)
  t.is(room.yielding(2, -1, nobodyHolds).item, 0)
})

test('a key that fills the room gives way to one that does not', (t) => {
  const room = new Room(100)
  for (let i = 0; i < 99; i++) room.push(`flood ${i}`, 2, 7, 100)
  room.push('quiet', 2, 8, 100)
  t.is(room.yielding(2, 9, nobodyHolds).item, 'flood 98')
  t.is(room.yielding(2, 7, nobodyHolds), undefined)
  t.is(room.yielding(4, 7, nobodyHolds).item, 'flood 98')
})

/** The rules, stated with arrays. */
class Model {
  entries = []
  young = [false, false, false, false, false]

  next(held, rate, mayWaitMs) {
    for (let tier = 4; tier >= 0; tier--) {
      const lane = this.entries.filter((entry) => entry.tier === tier)
      if (lane.length === 0) {
        this.young[tier] = false
        continue
      }
      const serveMs = rate > 0 ? lane.length / rate : 0
      this.young[tier] = serveMs > mayWaitMs * (this.young[tier] ? 0.5 : 1)
      const front = (this.young[tier] ? lane.toReversed() : lane).slice(0, SCAN)
      const holds = ({ keyId }) => (keyId < 0 ? 1 : held(keyId))
      const fewest = Math.min(...front.map(holds))
      return front.find((entry) => holds(entry) === fewest)
    }
    return undefined
  }

  take(entry) {
    this.entries = this.entries.filter((other) => other !== entry)
    if (!this.entries.some(({ tier }) => tier === entry.tier)) this.young[entry.tier] = false
  }
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('push'),
      tier: fc.nat(4),
      keyId: fc.integer({ min: -1, max: 5 }),
      waits: fc.nat(200),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('next'), rate: fc.constantFrom(0, 0.02, 0.5), keeps: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove'), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reschedule'), which: fc.nat(50), waits: fc.nat(200) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.nat(60) }) },
)

test('random sequences: the order, the bounds and the times are those of the model', (t) => {
  const seen = { admitted: 0, expired: 0, yielded: 0, youngFirst: 0 }
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 60, maxLength: 160 }),
      fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }),
      (steps, holds) => {
        const held = (id) => holds[id]
        const room = new Room(12)
        const model = new Model()
        let now = 0
        const drop = (expected) => model.take(model.entries.find(({ item }) => item === expected.item))
        for (const [i, each] of steps.entries()) {
          if (each.do === 'push') {
            if (room.isFull) {
              const victim = room.yielding(each.tier, each.keyId, held)
              const lowest = Math.min(...model.entries.map(({ tier }) => tier))
              if (victim === undefined) {
                if (each.tier > lowest) throw new Error('a higher tier gave way to a lower')
                continue
              }
              if (victim.tier !== lowest || victim.tier > each.tier) throw new Error('not the lowest tier gave way')
              room.remove(victim)
              drop(victim)
              seen.yielded++
            }
            const entry = room.push(i, each.tier, each.keyId, now + each.waits)
            model.entries.push({ item: i, tier: each.tier, keyId: each.keyId, at: now + each.waits, entry })
          } else if (each.do === 'next') {
            const [entry, expected] = [room.next(held, each.rate, 100), model.next(held, each.rate, 100)]
            if (entry?.item !== expected?.item) throw new Error(`${entry?.item} is next, and not ${expected?.item}`)
            if (entry && model.young[entry.tier]) seen.youngFirst++
            if (entry && !each.keeps) {
              room.remove(entry)
              drop(entry)
              seen.admitted++
            }
          } else if (each.do === 'pass') {
            now += each.ms
            for (let entry = room.expire(now); entry; entry = room.expire(now)) {
              const known = model.entries.find(({ item }) => item === entry.item)
              if (known === undefined || known.at > now) throw new Error('expired too early')
              model.take(known)
              seen.expired++
            }
            if (model.entries.some(({ at }) => at <= now)) throw new Error('expired too late')
          } else {
            const known = model.entries[each.which]
            if (known === undefined) continue
            if (each.do === 'remove') {
              if (!room.remove(known.entry) || room.remove(known.entry)) throw new Error('removed other than once')
              model.take(known)
            } else {
              known.at = now + each.waits
              room.reschedule(known.entry, known.at)
            }
          }
          if (room.size !== model.entries.length || room.size > room.capacity) throw new Error(`${room.size} are in it`)
          const earliest = Math.min(...model.entries.map(({ at }) => at))
          if (room.earliestMs !== earliest) throw new Error(`first at ${room.earliestMs}, and not ${earliest}`)
        }
        const order = [...model.entries].sort((a, b) => b.tier - a.tier || a.item - b.item).map(({ item }) => item)
        if (String([...room.entries()].map(({ item }) => item)) !== String(order))
          throw new Error('entries in disorder')
      },
    ),
    { numRuns: 500, seed: 9 },
  )
  t.true(
    Object.values(seen).every((n) => n > 100),
    JSON.stringify(seen),
  )
})
