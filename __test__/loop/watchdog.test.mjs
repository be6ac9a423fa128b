// The watchdog: stalls of the event loop are known exactly, and are no evidence of the services that were called meanwhile.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { ConfigError } from 'atrion'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import { Agent, request } from 'undici'
import { endedWell, runCode } from '../_child.mjs'
import { create, engine, virtual } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'native' ? ava.serial : ava.skip
// No signal stops a process on Windows.
const onUnix = process.platform === 'win32' ? ava.skip : test

/** Does nothing else for so long, ms. */
const block = (ms) => {
  const startMs = performance.now()
  while (performance.now() - startMs < ms);
  return performance.now() - startMs
}

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

/** The stall that a block between two decisions is, and the block's own length, ms. */
const stallOf = async (atrion, ms) => {
  await sleep(1)
  atrion.acquire('r').release()
  const lengthMs = block(ms)
  atrion.acquire('r').release()
  return { lengthMs, ...atrion.metrics().loop.last }
}

test('the first decision after a stall knows its start and its length', async (t) => {
  const atrion = create({ watchdog: true })
  // Of several one is enough: between the block's clock and the decision's the machine may do other things.
  const errors = []
  for (let i = 0; i < 30 && !errors.some((ms) => ms <= 5); i++) {
    const beforeMs = Date.now()
    const { lengthMs, durationMs, startedAtMs, suspendedMs } = await stallOf(atrion, 200)
    t.is(suspendedMs, 0)
    errors.push(Math.max(Math.abs(durationMs - lengthMs), Math.abs(startedAtMs - beforeMs) - 5))
  }
  t.true(Math.min(...errors) <= 5, `off by ${errors} ms`)
})

test('a stall without a decision after it is known at the next poll, and is an event', async (t) => {
  t.timeout(PATIENCE_MS)
  const atrion = create()
  let lengthMs = Infinity
  // A busy machine may stop the loop for a while by itself, before the block.
  const seen = new Promise((resolve) => {
    atrion.on('stall', (stall) => stall.durationMs >= lengthMs - 5 && resolve(stall))
  })
  await sleep(1)
  lengthMs = block(120)
  // A report of a stall does not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  const { durationMs, suspendedMs } = await seen
  clearInterval(alive)
  t.is(suspendedMs, 0)
  const { stalls, stalledMs, longestMs, last } = atrion.metrics().loop
  t.true(stalls >= 1 && stalledMs >= durationMs && longestMs >= durationMs && last.durationMs > 0)
})

test('a loop that is idle, or busy without a block, does not stall', async (t) => {
  const atrion = create({ watchdog: true })
  /** The time that counted as stalls, and the longest that there may have been while the machine stopped the thread by itself, ms. */
  const round = async () => {
    await turn()
    let lastMs = performance.now()
    let mostMs = 0
    // A stall lies in two pauses that follow each other: one of them is at least half as long.
    const note = (expectedMs = 0) => {
      const pauseMs = performance.now() - lastMs - expectedMs
      if (pauseMs >= 25) mostMs += 2 * pauseMs
      lastMs = performance.now()
    }
    await turn()
    note()
    const { stalledMs } = atrion.metrics().loop
    await sleep(150)
    note(150)
    const endMs = performance.now() + 200
    while (performance.now() < endMs) {
      block(2)
      await turn()
      note()
    }
    return { stalledMs: atrion.metrics().loop.stalledMs - stalledMs, mostMs }
  }
  // Of several one is enough: while the loop sleeps, not every pause can be seen.
  const rounds = []
  do rounds.push(await round())
  while (rounds.length < 10 && rounds.at(-1).stalledMs > rounds.at(-1).mostMs)
  t.true(rounds.at(-1).stalledMs <= rounds.at(-1).mostMs, JSON.stringify(rounds))
})

test('a stall has the time that collections of garbage took of it', async (t) => {
  const atrion = create({ watchdog: true })
  await turn()
  const stalls = []
  atrion.on('stall', (stall) => stalls.push(stall))
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const garbageOf = async (work) => {
    const { length } = stalls
    work()
    atrion.acquire('r').release()
    while (stalls.length === length) await turn()
    return stalls.at(-1)
  }
  const { durationMs, gcMs } = await garbageOf(() => {
    const startMs = performance.now()
    while (performance.now() - startMs < 200) collect()
  })
  if (gcMs === undefined) {
    t.is(process.platform, 'win32')
    return
  }
  t.true(gcMs > 0.5 * durationMs && gcMs <= durationMs, `${gcMs} of ${durationMs}`)
  const blocked = await garbageOf(() => block(200))
  t.true(blocked.gcMs < 0.5 * blocked.durationMs, `${blocked.gcMs} of ${blocked.durationMs}`)
  t.true(atrion.metrics().loop.gcMs >= gcMs + blocked.gcMs)
})

test('other threads see a stall while it lasts', async (t) => {
  t.timeout(PATIENCE_MS)
  const atrion = create({ watchdog: true })
  t.truthy(atrion.metrics().loop)
  const code = `
    const { workerData, parentPort } = require('node:worker_threads')
    const { blockedLoopsMs } = require(workerData.path)
    const seen = new Int32Array(workerData.seen)
    parentPort.postMessage('ready')
    const look = () => {
      const ms = Math.max(0, ...blockedLoopsMs())
      if (ms < 50) return setTimeout(look, 2)
      Atomics.store(seen, 0, Math.round(ms))
      Atomics.notify(seen, 0)
    }
    setTimeout(look, 2)`
  const seen = new SharedArrayBuffer(4)
  const path = new URL(`../../atrion.${await platformName()}.node`, import.meta.url).pathname
  const worker = new Worker(code, { eval: true, workerData: { path, seen } })
  await once(worker, 'message')
  // The loop is blocked until the other thread has seen that it is.
  Atomics.wait(new Int32Array(seen), 0, 0, PATIENCE_MS)
  t.true(new Int32Array(seen)[0] >= 50)
  await once(worker, 'exit')
})

const platformName = async () => {
  const { readdirSync } = await import('node:fs')
  const name = readdirSync(new URL('../..', import.meta.url)).find((one) => /^atrion\..+\.node$/.test(one))
  return name.slice('atrion.'.length, -'.node'.length)
}

/**
 * A service in another thread that answers in 10 ms, also while this one is blocked. `lastMs()` is when the newest answer left it, on the clock
 * that both threads have.
 */
const startService = async (t) => {
  const code = `
    const { parentPort } = require('node:worker_threads')
    const answer = (id) => parentPort.postMessage({ id, atNs: process.hrtime.bigint() })
    parentPort.on('message', (id) => setTimeout(answer, 10, id))`
  const worker = new Worker(code, { eval: true })
  t.teardown(() => worker.terminate())
  const open = new Map()
  let lastNs = 0n
  worker.on('message', ({ id, atNs }) => {
    lastNs = atNs
    open.get(id)('answer')
    open.delete(id)
  })
  let ids = 0
  const call = () =>
    new Promise((resolve) => {
      open.set(++ids, resolve)
      worker.postMessage(ids)
    })
  await call()
  return { call, lastNs: () => lastNs }
}

/**
 * The service is called by 80 at once, and the loop is blocked for longer than their time limit. `isFair` where every answer had left the service
 * before the loop went on, and the calls lost hardly more time than the block took: on a busy machine the service may be late, and this thread may
 * wait for a processor, which are other matters.
 */
const blockedRound = async (atrion, routeId, { call, lastNs }) => {
  const answered = []
  const work = () => {
    const answer = call()
    answered.push(answer)
    return answer
  }
  const startMs = performance.now()
  const calls = Array.from({ length: 80 }, () => atrion.run(routeId, work, { timeoutMs: 100 }).catch((e) => e))
  await turn()
  const blockedMs = block(150)
  const goesOnNs = process.hrtime.bigint()
  const answers = await Promise.all(calls)
  const besidesMs = performance.now() - startMs - blockedMs
  const { mode, failures } = atrion.stats(routeId)
  await Promise.all(answered)
  return { answers, mode, failures, isFair: answered.length === 80 && lastNs() < goesOnNs && besidesMs < 50 }
}

test('a block that time limits run out in opens no breaker, and does without a watchdog', async (t) => {
  t.timeout(PATIENCE_MS)
  const service = await startService(t)
  const watched = create({ watchdog: true })
  for (let round = 0, seen = 0; seen < 10; round++) {
    const { answers, mode, failures, isFair } = await blockedRound(watched, `db ${round}`, service)
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

test('a route that could complete nothing while the loop was blocked was not silent', async (t) => {
  const rounds = { true: 'OPERATIONAL', false: 'CIRCUIT_BREAKER' }
  for (const watchdog of [true, false]) {
    const atrion = create({ watchdog, slo: { maxAcceptableLatencyMs: 50 } })
    for (let i = 0; i < 200; i++) await atrion.run('db', () => turn())
    const open = Array.from({ length: 20 }, () => atrion.run('db', () => sleep(5), { tier: 'critical' }))
    await turn()
    block(400)
    // Before anything else: the first decision after the block.
    atrion.acquire('db', { tier: 'critical' }).release('ignored')
    const { mode } = atrion.stats('db')
    await Promise.all(open)
    t.is(mode === 'CIRCUIT_BREAKER', rounds[watchdog] === 'CIRCUIT_BREAKER', `watchdog: ${watchdog}: ${mode}`)
  }
})

onUnix('a machine that is suspended for a while reports no stall of it', async (t) => {
  t.timeout(PATIENCE_MS)
  const code = `
    import { execFile } from 'node:child_process'
    import { Atrion } from 'atrion'
    const atrion = new Atrion({ watchdog: true })
    const stalls = []
    let measured
    const alive = setInterval(() => {}, 1000)
    atrion.on('stall', (stall) => {
      stalls.push(stall)
      if (measured === undefined || stall.startedAtMs + stall.durationMs + stall.suspendedMs < measured.endMs - 1000) return
      console.log(JSON.stringify({ stalls, ...measured }))
      clearInterval(alive)
    })
    setTimeout(() => {
      // Another process stops this one, in the middle of a block, and lets it go on after 3 s.
      const stop = 'sleep 0.3; kill -STOP ' + process.pid + '; sleep 3; kill -CONT ' + process.pid
      execFile('sh', ['-c', stop]).unref()
      const startMs = performance.now()
      let last = startMs
      let longest = 0
      while (longest < 2500) {
        const now = performance.now()
        longest = Math.max(longest, now - last)
        last = now
      }
      measured = { blockedMs: performance.now() - startMs, stoppedMs: longest, endMs: Date.now() }
    }, 20)`
  const result = await runCode(code)
  endedWell(t, result)
  const { stalls, blockedMs, stoppedMs } = JSON.parse(result.stdout)
  // The block is one stall; of the time in which the process was stopped most is no part of it, however busy the machine is.
  const { durationMs, suspendedMs } = stalls.at(-1)
  t.true(suspendedMs >= stoppedMs / 2, result.stdout)
  t.true(durationMs <= blockedMs - stoppedMs / 2, result.stdout)
  t.true(durationMs + suspendedMs >= blockedMs - 5, result.stdout)
})

test('threads come and go with their loops, and the process ends by itself', async (t) => {
  t.timeout(PATIENCE_MS)
  const code = `
    import { Worker } from 'node:worker_threads'
    import { once } from 'node:events'
    const source = \`
      import('atrion').then(({ Atrion }) => {
        const atrion = new Atrion({ watchdog: true })
        atrion.on('stall', () => {})
        const end = Date.now() + 60
        while (Date.now() < end);
        return atrion.run('r', async () => {})
      }).then(() => process.exit(0))\`
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 4 }, () => new Worker(source, { eval: true }))
      await Promise.all(workers.map((worker) => once(worker, 'exit')))
    }
    const { Atrion } = await import('atrion')
    const atrion = new Atrion({ watchdog: true })
    await atrion.run('r', async () => {})
    console.log(atrion.metrics().loop !== undefined)`
  const result = await runCode(code)
  endedWell(t, result)
  t.is(result.stdout.trim(), 'true')
})

test('without a wish it begins with the first run, and never where it is refused', async (t) => {
  const code = `
    import { Atrion } from 'atrion'
    const refused = new Atrion({ watchdog: false })
    refused.on('stall', () => {})
    await refused.run('r', async () => {})
    const atrion = new Atrion()
    const before = atrion.metrics().loop
    await atrion.run('r', async () => {})
    console.log(refused.metrics().loop, before, typeof atrion.metrics().loop.stalls)`
  const result = await runCode(code)
  endedWell(t, result)
  t.is(result.stdout.trim(), 'undefined undefined number')
})

ava('another engine, and a clock of one’s own, have none', async (t) => {
  const atrion = engine === 'native' ? create({ engine: 'wasm', watchdog: true }) : create({ watchdog: true })
  t.is(atrion.engine === 'ts' ? undefined : atrion.metrics().loop, undefined)
  if (engine !== 'ts') {
    t.is(await atrion.run('r', () => sleep(1, 'answer')), 'answer')
    const world = virtual({ watchdog: true })
    t.is(await world.atrion.run('r', async () => 1), 1)
    t.is(world.atrion.metrics().loop, undefined)
    t.is(world.atrion.stats('r').excused, 0)
  }
})

ava('options that cannot be honoured are named', (t) => {
  for (const [watchdog, field] of [
    ['yes', 'watchdog'],
    [1, 'watchdog'],
    [{ stallMs: 49 }, 'watchdog.stallMs'],
    [{ stallMs: Number.NaN }, 'watchdog.stallMs'],
    [{ stallMs: 60_001 }, 'watchdog.stallMs'],
    [{ stall: 100 }, 'watchdog.stall'],
    [{ stack: 1 }, 'watchdog.stack'],
  ]) {
    const error = t.throws(() => create({ watchdog }), { instanceOf: ConfigError })
    t.is(error.field, field)
  }
  create({ watchdog: null })
  create({ watchdog: { stallMs: 500 } })
})
