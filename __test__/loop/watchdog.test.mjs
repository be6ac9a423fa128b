// The watchdog: stalls of the event loop are known exactly, to the process and to other threads.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { ConfigError } from 'atrion'
import ava from 'ava'
import { block } from '../_block.mjs'
import { endedWell, runCode } from '../_child.mjs'
import { create, engine, virtual } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'native' ? ava.serial : ava.skip
// No signal stops a process on Windows.
const onUnix = process.platform === 'win32' ? ava.skip : test
const turn = () => new Promise(setImmediate)

const platformName = async () => {
  const { readdirSync } = await import('node:fs')
  const name = readdirSync(new URL('../..', import.meta.url)).find((one) => /^atrion\..+\.node$/.test(one))
  return name.slice('atrion.'.length, -'.node'.length)
}

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
  // A collection of V8's own may fall into a block: not into every one.
  t.timeout(PATIENCE_MS)
  let blocked
  do blocked = await garbageOf(() => block(200))
  while (blocked.gcMs >= 0.5 * blocked.durationMs)
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

ava('another engine, and a custom clock, have none', async (t) => {
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
