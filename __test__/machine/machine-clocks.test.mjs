// The system's clock is set while processes of a machine share: what expires does in its time, and all that one changes the others learn.
import anyTest from 'ava'
import { feelAll, folderOf, hubOf, processOf, VECTOR } from '../_machine/nodes.mjs'
import { sourceOf } from '../_source.mjs'

const { Replica } = await sourceOf('providers/machine/replica.ts')

const test = process.platform === 'win32' ? anyTest.skip : anyTest

const HOUR_MS = 3_600_000
const YEAR_MS = 366 * 24 * HOUR_MS
/** So long that no test lasts as long; an hour of the clock is longer. */
const LONG_MS = 1_800_000
const SHORT_MS = 1_500

for (const [whose, how, stepMs] of [
  ['the machine', 'back by an hour', -HOUR_MS],
  ['the machine', 'ahead by an hour', HOUR_MS],
  ['the machine', 'ahead by three years', 3 * YEAR_MS],
  ['the hub alone', 'ahead by an hour', HOUR_MS],
]) {
  test.serial(`the clock of ${whose} is set ${how}`, async (t) => {
    const settings = { path: folderOf(t), name: 'clocks' }
    let nodes = Array.from({ length: 3 }, () => processOf(t, settings))
    await Promise.all(nodes.map(({ ask }) => ask('connect')))
    const all = (task, given) => Promise.all(nodes.map(({ ask }) => ask(task, given)))
    const long = { reason: 'long', key: 'long' }
    const short = { reason: 'short', key: 'short' }
    const given = async ({ ask }, { reason, key }, ttlMs) => {
      t.is(await ask('patch', { reason, ttlMs }), 'applied')
      await ask('ban', { key, ttlMs })
    }
    await given(nodes[0], long, LONG_MS)
    await all('knows', long)
    await given(nodes[0], short, SHORT_MS)
    await nodes[0].ask('update', { route: 'before', vector: VECTOR })
    const hub = await hubOf(nodes)
    const stepped = whose === 'the machine' ? nodes : [hub]
    await Promise.all(stepped.map(({ ask }) => ask('set', { ms: stepMs })))
    // One that starts now knows the system's clock alone.
    const late = processOf(t, { ...settings, aheadMs: stepMs })
    await late.ask('connect')
    nodes.push(late)
    await all('knows', long)
    t.deepEqual(await late.ask('get', { route: 'before' }), VECTOR)
    await all('ends', short)
    const holds = async (what) => {
      const isPatched = await all('isPatched', long)
      const isBanned = await all('isBanned', long)
      t.true(isPatched.every(Boolean) && isBanned.every(Boolean), what)
    }
    await holds('after the step')
    await feelAll(t, nodes, late, 'of the late one')
    await feelAll(t, nodes, nodes[1], 'of an early one')
    for (const [n, { ask }] of nodes.entries()) await ask('update', { route: `after ${n}`, vector: VECTOR })
    for (const { ask } of nodes) {
      for (const n of nodes.keys()) t.deepEqual(await ask('get', { route: `after ${n}` }), VECTOR)
    }
    // The next hub goes on with the same clock, also where it is the one that came late.
    for (const survivor of [undefined, late]) {
      const gone = survivor === undefined ? [await hubOf(nodes)] : nodes.filter((node) => node !== survivor)
      await Promise.all(gone.map(({ kill }) => kill()))
      nodes = nodes.filter((node) => !gone.includes(node))
      if (!nodes.includes(late)) break
      await hubOf(nodes)
      await holds('under the next hub')
    }
    const again = { reason: 'again', key: 'again' }
    const last = processOf(t, { ...settings, aheadMs: stepMs })
    await last.ask('connect')
    nodes.push(last)
    await given(nodes[0], again, SHORT_MS)
    await all('ends', again)
    await holds('of one that starts then')
  })
}

/** A replica of a process that starts while the system's clock is so far ahead. */
const startedAt = (aheadMs, node) => {
  const { now } = Date
  Date.now = () => now() + aheadMs
  try {
    return new Replica(100, node)
  } finally {
    Date.now = now
  }
}

const passAll = (from, to) => {
  for (const part of from.everything()) to.merge(part)
}

test.serial(
  'a machine without a battery sets its clock by years once the first process runs: the next ones go by that process',
  (t) => {
    const DAY_MS = 86_400_000
    // The names decide nothing, though the second one starts within the same millisecond.
    const names = [
      ['a', 'b'],
      ['b', 'a'],
    ]
    for (const [days, [first, second]] of [0, 1, 400, 9000, Date.now() / DAY_MS].flatMap((days) =>
      names.map((pair) => [days, pair]),
    )) {
      const hub = startedAt(-days * DAY_MS, first)
      const late = startedAt(0, second)
      passAll(late, hub)
      passAll(hub, late)
      t.deepEqual([hub.clock.read()[0], late.clock.read()[0]], [first, first])
      const behindMs = Date.now() - late.clock.nowMs() - days * DAY_MS
      t.true(Math.abs(behindMs) < 60_000, `${behindMs} ms after ${days} days`)
      const apartMs = late.clock.nowMs() - hub.clock.nowMs()
      t.true(Math.abs(apartMs) < 60_000, `${apartMs} ms apart after ${days} days`)
      // The late one is the hub next.
      const routes = [{ routeId: 'after', vector: VECTOR, stamp: late.nextStamp(), node: second }]
      t.is(hub.merge({ kind: 'merge', routes }).routes.length, 1)
    }
  },
)

test.serial('a reading that is damaged, and one that is years ahead, leave the clock as it is', (t) => {
  const { clock } = new Replica(100, 'z')
  const unixMs = Date.now()
  for (const given of [
    ...[undefined, null, 1, 'clock', {}, [], ['a'], ['a', unixMs], [1, unixMs, 0], ['a', `${unixMs}`, 0]],
    ...[Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER, 1e300, -1, -1e300].map((ms) => ['a', ms, 0]),
    ...[Number.NaN, Number.POSITIVE_INFINITY, null, -1, '0'].map((beganMs) => ['a', unixMs + 3_600_000, beganMs]),
    ['a'.repeat(65), unixMs + 3_600_000, 0],
  ])
    clock.learn(given)
  t.is(clock.read()[0], 'z')
  t.true(Math.abs(clock.nowMs() - Date.now()) < 60_000)
})
