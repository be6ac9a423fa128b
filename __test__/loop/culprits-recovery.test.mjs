// The time until throughput is back after a request has taken a lock, or a connection of a busy pool, for a minute, in virtual time.
import { isShedError } from 'atrion'
import ava from 'ava'
import { engine, randomOf, virtual } from '../_engine.mjs'
import { Pool } from './_pool.mjs'

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
  const random = randomOf(seed)
  const exponential = (mean) => -mean * Math.log(1 - random())
  const { atrion, clock } = virtual()
  const pool = new Pool(connections)
  const events = []
  const startMs = clock.now()
  const at = (dueMs, work) => {
    let i = events.length
    while (i > 0 && events[i - 1].dueMs < dueMs) i -= 1
    events.splice(i, 0, { dueMs, work })
  }
  const perMs = (utilization * connections) / serviceMs
  // A cancellation has been saved up for by then.
  const comesMs = 1500 / perMs + random() * 500
  const endMs = comesMs + 3000
  const doneMs = []
  let [hasCome, lockedMs, cancelledMs, innocents] = [false, Number.NaN, Number.NaN, 0]
  const nowMs = () => clock.now() - startMs
  const call = () => {
    const isHolder = !hasCome && nowMs() >= comesMs
    if (isHolder) hasCome = true
    const work = (signal) =>
      new Promise((resolve, reject) => {
        let hasPlace = false
        const take = () => {
          hasPlace = true
          if (isHolder) lockedMs = nowMs()
          at(clock.now() + (isHolder ? HELD_MS : exponential(serviceMs)), () => {
            if (signal.aborted) return
            resolve()
            pool.release()
          })
        }
        signal.addEventListener('abort', () => {
          if (isHolder) cancelledMs = nowMs()
          else innocents += 1
          if (hasPlace) pool.release()
          else pool.leave(take)
          reject(signal.reason)
        })
        pool.acquire(take)
      })
    atrion.run('db', work, { cancellable: true }).then(
      () => doneMs.push(nowMs()),
      (error) => {
        if (!isShedError(error)) throw error
      },
    )
  }
  const arrive = () => {
    call()
    if (nowMs() < endMs) at(clock.now() + exponential(1 / perMs), arrive)
  }
  arrive()
  for (let event = events.pop(); event !== undefined && event.dueMs - startMs < endMs; event = events.pop()) {
    clock.set(event.dueMs)
    event.work()
    for (let i = 0; i < 6; i++) await undefined
  }
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
