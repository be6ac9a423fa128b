// The watchdog: stalls of the event loop are no evidence of the services that were called meanwhile.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import { Agent, request } from 'undici'
import { block } from '../_block.mjs'
import { create, engine, virtual } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'native' ? ava.serial : ava.skip
const turn = () => new Promise(setImmediate)

// The first two come first: after many stalls of late none excuses an answer.
test('an answer that waited in the loop counts with its service time, and what it took is kept beside', async (t) => {
  const atrion = create({ watchdog: true })
  /** The time that a call took, ms. */
  const call = async () => {
    const startMs = performance.now()
    await atrion.run('api', () => sleep(10))
    return performance.now() - startMs
  }
  let usualMs = 0
  let longestMs = 0
  let isExcused = false
  // Of several one is enough: on a busy machine an answer may be there before the block, and stalls may be common.
  for (let round = 0; round < 10 && !isExcused; round++) {
    for (let i = 0; i < 40; i++) usualMs = Math.max(usualMs, await call())
    longestMs = Math.max(longestMs, usualMs)
    const before = atrion.stats('api')
    const pending = call()
    await turn()
    const blockedMs = block(200)
    const tookMs = await pending
    const { excused, excusedMs } = atrion.stats('api')
    const ms = excusedMs - before.excusedMs
    longestMs = Math.max(longestMs, tookMs - ms)
    isExcused = excused === before.excused + 1 && ms >= blockedMs - usualMs
    t.true(ms < tookMs, `${ms} of ${tookMs}`)
  }
  t.true(isExcused)
  const { excused, excusedMs, p99Ms } = atrion.stats('api')
  // A quantile is within a quarter of itself.
  t.true(p99Ms <= 1.25 * longestMs, `${p99Ms} ms, where without stalls none took longer than ${longestMs}`)
  const [row] = [...atrion.metrics()]
  t.is(row.excused, excused)
  t.is(row.excusedMs, excusedMs)
})

/** A server in a thread of its own, which answers while the loop of the tests is blocked. */
const SERVER = `
const { parentPort } = require('node:worker_threads')
const server = require('node:http').createServer((_req, res) => res.end('ok'))
server.listen(0, () => parentPort.postMessage(server.address().port))
`

test('answers to undici that waited in the loop are excused', async (t) => {
  const server = new Worker(SERVER, { eval: true })
  t.teardown(() => server.terminate())
  const [port] = await once(server, 'message')
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.destroy())
  // Of several one is enough: a busy machine may stop the server during the block, or the test before it.
  let excusedMs = 0
  for (let i = 0; i < 10 && excusedMs === 0; i++) {
    // A new instance each time: after many stalls of late none excuses an answer.
    const atrion = create({ watchdog: true })
    const guarded = dispatcher.compose(atrionUndici(atrion, { route: () => 'api' }))
    const call = async () => (await request(`http://localhost:${port}`, { dispatcher: guarded })).body.text()
    for (let j = 0; j < 30; j++) t.is(await call(), 'ok')
    const pending = call()
    await turn()
    block(300)
    t.is(await pending, 'ok')
    ;({ excusedMs } = atrion.stats('api'))
  }
  t.true(excusedMs > 0)
})

/** Cells that this thread shares with the service's: whether it answers now, and its answers. */
const [ANSWERS, ANSWERED] = [0, 1]

/** A service in another thread that answers while this one is blocked, and then alone. */
const startService = async (t) => {
  const cells = new Int32Array(new SharedArrayBuffer(8))
  const code = `
    const { parentPort, workerData: cells } = require('node:worker_threads')
    parentPort.on('message', (id) => {
      Atomics.wait(cells, ${ANSWERS}, 0)
      parentPort.postMessage(id)
      Atomics.add(cells, ${ANSWERED}, 1)
    })`
  const worker = new Worker(code, { eval: true, workerData: cells })
  t.teardown(() => worker.terminate())
  await once(worker, 'online')
  const open = new Map()
  worker.on('message', (id) => {
    open.get(id)('answer')
    open.delete(id)
  })
  let ids = 0
  const call = () =>
    new Promise((resolve) => {
      open.set(++ids, resolve)
      worker.postMessage(ids)
    })
  /** Blocks this thread for so long, ms, and until that many calls have been answered; returns the time it took, ms. */
  const blockWhileAnswering = (calls, ms) => {
    const startMs = performance.now()
    Atomics.store(cells, ANSWERS, 1)
    Atomics.notify(cells, ANSWERS)
    while (Atomics.load(cells, ANSWERED) < calls || performance.now() - startMs < ms);
    Atomics.store(cells, ANSWERS, 0)
    Atomics.store(cells, ANSWERED, 0)
    return performance.now() - startMs
  }
  return { call, blockWhileAnswering }
}

/**
 * The service is called by 80 at once, and answers while the loop is blocked for longer than their time limit. `isFair` where the calls lost hardly
 * more time than the block took, and the block was one: on a busy machine this thread, or the whole process, may wait for a processor, which is another
 * matter. `stalls`: those of the loop, as they are reported.
 */
const blockedRound = async (atrion, routeId, { call, blockWhileAnswering }, stalls = []) => {
  const answered = []
  const work = () => {
    const answer = call()
    answered.push(answer)
    return answer
  }
  stalls.length = 0
  const startMs = performance.now()
  const calls = Array.from({ length: 80 }, () => atrion.run(routeId, work, { timeoutMs: 100 }).catch((e) => e))
  await turn()
  const blockedMs = blockWhileAnswering(answered.length, 150)
  const answers = await Promise.all(calls)
  const besidesMs = performance.now() - startMs - blockedMs
  const { mode, failures } = atrion.stats(routeId)
  await Promise.all(answered)
  const stalledMs = stalls.reduce((sum, { durationMs, suspendedMs }) => sum + durationMs - suspendedMs, 0)
  const isFair = answered.length === 80 && besidesMs < 50 && stalledMs > blockedMs - 50
  return { answers, mode, failures, isFair }
}

test('a block that time limits run out in opens no breaker, and does without a watchdog', async (t) => {
  t.timeout(PATIENCE_MS)
  const service = await startService(t)
  const watched = create({ watchdog: true })
  const stalls = []
  watched.on('stall', (stall) => stalls.push(stall))
  for (let round = 0, seen = 0; seen < 10; round++) {
    const { answers, mode, failures, isFair } = await blockedRound(watched, `db ${round}`, service, stalls)
    if (!isFair) continue
    seen += 1
    t.not(mode, 'CIRCUIT_BREAKER')
    t.deepEqual(new Set(answers), new Set(['answer']))
    t.is(failures, 0)
  }
  const { mode, answers } = await blockedRound(create({ watchdog: false }), 'db', service)
  t.is(mode, 'CIRCUIT_BREAKER')
  t.true(answers.some(({ name }) => name === 'TimeoutError'))
})

test('time limits of the work itself that run out in a block say nothing of the route', async (t) => {
  const work = () =>
    new Promise((resolve, reject) => {
      setTimeout(reject, 100, Object.assign(new Error('query read timeout'), { code: 'ETIMEDOUT' }))
      setTimeout(resolve, 110)
    })
  for (const [watchdog, failures] of [
    [true, 0],
    [false, 40],
  ]) {
    const atrion = create({ watchdog })
    const calls = Array.from({ length: 40 }, () => atrion.run('db', work).catch((error) => error.code))
    await turn()
    block(200)
    t.deepEqual(new Set(await Promise.all(calls)), new Set(['ETIMEDOUT']))
    t.is(atrion.stats('db').failures, failures)
  }
})

test('a failure that is no time limit counts, and so does a time limit without a stall', async (t) => {
  const atrion = create({ watchdog: true })
  const fails = atrion.run('db', () => sleep(10).then(() => Promise.reject(new Error('no such table')))).catch(() => {})
  await turn()
  block(100)
  await fails
  t.is(atrion.stats('db').failures, 1)
  await atrion.run('slow', () => new Promise(() => {}), { timeoutMs: 30 }).catch(() => {})
  t.is(atrion.stats('slow').failures, 1)
})

test('work that blocks the loop itself is not excused', async (t) => {
  const atrion = create({ watchdog: true })
  for (let i = 0; i < 30; i++) await atrion.run('warm', () => sleep(2))
  await atrion.run('sync', () => block(120))
  await atrion.run('async', async () => block(120))
  t.true(atrion.stats('sync').p50Ms >= 90 && atrion.stats('async').p50Ms >= 90)
  t.is(atrion.stats('sync').excused + atrion.stats('async').excused, 0)
})

test('a loop that is blocked for most of the time is what is short: its queue counts', async (t) => {
  const atrion = create({ watchdog: true })
  for (let i = 0; i < 30; i++) await atrion.run('api', () => sleep(2))
  for (let i = 0; i < 40; i++) {
    const pending = atrion.run('api', () => sleep(2))
    await turn()
    block(60)
    await pending
  }
  const { excused, p99Ms } = atrion.stats('api')
  t.true(excused < 30, `${excused} of 40`)
  t.true(p99Ms >= 50, `${p99Ms}`)
})

const answer = () => {
  let resolve
  const promise = new Promise((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** The mode of a route at the first decision after a block in which none of its requests could be completed. */
const modeAfter = async ({ atrion, passes, blocks }) => {
  for (let i = 0; i < 200; i++) {
    await atrion.run('db', () => {
      passes()
      return turn()
    })
  }
  // Answered after the block: a busy machine may take longer for a turn than any time that is set here.
  const { promise, resolve } = answer()
  const open = Array.from({ length: 20 }, () => atrion.run('db', () => promise, { tier: 'critical' }))
  await turn()
  blocks()
  // Before anything else: the first decision after the block.
  atrion.acquire('db', { tier: 'critical' }).release('ignored')
  const { mode } = atrion.stats('db')
  resolve()
  await Promise.all(open)
  return mode
}

test('a route that could complete nothing while the loop was blocked was not silent', async (t) => {
  const slo = { maxAcceptableLatencyMs: 50 }
  const watched = await modeAfter({
    atrion: create({ watchdog: true, slo }),
    passes: () => {},
    blocks: () => block(400),
  })
  t.not(watched, 'CIRCUIT_BREAKER')
  // The same time by a clock that no loop's block explains.
  const { atrion, clock } = virtual({ slo })
  const unexplained = await modeAfter({ atrion, passes: () => clock.advance(1), blocks: () => clock.advance(400) })
  t.is(unexplained, 'CIRCUIT_BREAKER')
})
