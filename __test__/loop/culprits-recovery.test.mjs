// The time until throughput is back after a request has taken a lock, or a connection of a busy pool, for a minute, in virtual time.
import ava from 'ava'
import { engine } from '../_engine.mjs'
import { PoolWorld } from './_pool.mjs'

const test = engine === 'ts' ? ava.skip : ava.serial

const HELD_MS = 60_000
/** Throughput is that of a window of so many ms. */
const WINDOW_MS = 100
const SEEDS = 20

/**
 * One request holds a connection from `lockedMs` on.
 *
 * @returns the time from then on until throughput is 95 % of what is offered again, ms, and the innocents that were cancelled
 */
const recovery = async (seed, connections, serviceMs, utilization) => {
  const world = new PoolWorld(seed, connections)
  const perMs = (utilization * connections) / serviceMs
  // A cancellation has been saved up for by then.
  const comesMs = 1500 / perMs + world.random() * 500
  const endMs = comesMs + 3000
  const doneMs = []
  let [hasCome, lockedMs, cancelledMs, innocents] = [false, Number.NaN, Number.NaN, 0]
  await world.run(1 / perMs, endMs, () => {
    const isHolder = !hasCome && world.nowMs >= comesMs
    if (isHolder) hasCome = true
    world.call({
      cancellable: true,
      endOf: () => {
        const { nowMs } = world
        if (isHolder) lockedMs = nowMs
        return nowMs + (isHolder ? HELD_MS : world.exponential(serviceMs))
      },
      onCancel: () => {
        if (isHolder) cancelledMs = world.nowMs
        else innocents += 1
      },
      onEnd: () => doneMs.push(world.nowMs),
    })
  })
  const isServed = (fromMs) =>
    doneMs.filter((ms) => ms >= fromMs && ms < fromMs + WINDOW_MS).length >= 0.95 * perMs * WINDOW_MS
  let servedMs = cancelledMs
  while (servedMs < endMs - WINDOW_MS && !isServed(servedMs)) servedMs += 5
  return { backMs: servedMs - lockedMs, innocents }
}

for (const [connections, serviceMs, utilization] of [
  [1, 1, 0.5],
  [1, 2, 0.7],
  [2, 2, 0.7],
  [4, 5, 0.85],
  [10, 5, 0.95],
  [4, 10, 0.85],
  [10, 10, 0.95],
]) {
  test(`throughput is back in 500 ms: ${connections} connections, ${serviceMs} ms of service, ${utilization} in use`, async (t) => {
    t.timeout(120_000)
    const all = []
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { backMs, innocents } = await recovery(seed, connections, serviceMs, utilization)
      t.is(innocents, 0, `seed ${seed}`)
      t.true(backMs <= 500, `seed ${seed}: ${backMs} ms`)
      all.push(backMs)
    }
    t.log(`median ${Math.round(all.sort((a, b) => a - b)[SEEDS / 2])} ms, at most ${Math.round(all.at(-1))} ms`)
  })
}
