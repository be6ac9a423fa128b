// The stack of what blocks the main thread: it names the function, whatever blocks, and harms nothing of the host's.
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

// The watchdog and its thread are the native engine's.
const test = engine === 'native' ? ava.serial : ava.skip

/** The memory that the thread that looks writes to, of an instance that is made later: the state, 2 once there is a stack, and the stall it is of. */
const WITH_CELLS = `
  let cells
  let since
  const Own = globalThis.SharedArrayBuffer
  globalThis.SharedArrayBuffer = class extends Own {
    constructor(bytes) {
      super(bytes)
      if (bytes <= 8_000) return
      cells = new Int32Array(this, 0, 1)
      since = new Float64Array(this, 16, 1)
    }
  }`

/** Blocks by a function until a stall has a stack, and prints the stalls' stacks; `before` runs first. */
const blocking = (body, { options = '{ stack: true }', rounds = 30, before = '', after = '' } = {}) => `
  import { createHash, pbkdf2Sync } from 'node:crypto'
  import { readFileSync } from 'node:fs'
  import { Atrion } from 'atrion'
  ${WITH_CELLS}
  let thread
  let isThere = false
  process.once('worker', (worker) => {
    thread = worker.once('online', () => { isThere = true })
  })
  ${before}
  const atrion = new Atrion({ watchdog: ${options} })
  const stalls = []
  atrion.on('stall', (stall) => stalls.push(stall))
  let lastSince
  // Until the stack was taken, or longer than a busy machine keeps the thread that looks from looking.
  function isOver(startMs) {
    if (cells !== undefined && Atomics.load(cells, 0) === 2 && since[0] !== lastSince) return true
    return performance.now() - startMs > 1500
  }
  ${body}
  await new Promise(setImmediate)
  while (thread !== undefined && !isThere) await new Promise((resolve) => setTimeout(resolve, 5))
  for (let round = 0; round < ${rounds} && !stalls.some(({ stack }) => stack); round++) {
    lastSince = since?.[0]
    blocks(performance.now())
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  ${after}
  console.log(JSON.stringify(stalls.map(({ stack }) => stack ?? null)))
  atrion.metrics()`

const stacksOf = async (t, code, options) => {
  const result = await runCode(code, options)
  endedWell(t, result)
  t.is(result.stderr, '')
  return JSON.parse(result.stdout.trim().split('\n').at(-1)).filter((stack) => stack !== null)
}

for (const [name, body] of Object.entries({
  'a loop': 'function blocks(startMs) { while (!isOver(startMs)); }',
  'a regular expression': "function blocks() { return /^(a+)+$/.test('a'.repeat(25) + 'b') }",
  // The function makes the array, too: that blocks as well.
  'JSON.stringify': `
    function blocks(startMs) {
      const large = Array.from({ length: 200_000 }).fill({ text: 'x'.repeat(100), more: [1, 2, 3] })
      do JSON.stringify(large)
      while (!isOver(startMs))
    }`,
  'files that are read': `
    function blocks(startMs) { while (!isOver(startMs)) readFileSync('package.json') }`,
  'crypto within native code': "function blocks() { return pbkdf2Sync('a', 'b', 2_000_000, 64, 'sha512') }",
  'crypto in small steps': `
    function blocks(startMs) { while (!isOver(startMs)) createHash('sha256').update('a'.repeat(1e5)).digest('hex') }`,
})) {
  test(`a stall by ${name} has the stack that names the function`, async (t) => {
    t.timeout(PATIENCE_MS)
    const stacks = await stacksOf(t, blocking(body))
    t.is(stacks.length, 1)
    t.regex(stacks[0], /^at blocks \(.+:\d+:\d+\)$/m)
    t.true(
      stacks[0].split('\n').every((line) => /^at .+ \(.+:\d+:\d+\)$/.test(line)),
      stacks[0],
    )
  })
}

test('without the wish there is none, and no thread', async (t) => {
  t.timeout(PATIENCE_MS)
  const before = "let threads = 0; process.on('worker', () => threads++)"
  const after = "if (threads > 0) throw new Error(threads + ' threads')"
  const body = 'function blocks(startMs) { while (!isOver(startMs)); }'
  t.deepEqual(await stacksOf(t, blocking(body, { options: 'true', rounds: 2, before, after })), [])
})

test('many instances have one thread, and each the stack', async (t) => {
  t.timeout(PATIENCE_MS)
  const before = "let threads = 0; process.on('worker', () => threads++)"
  const after = `
    if (threads !== 1) throw new Error(threads + ' threads')
    for (let i = 0; i < 100 && others.some((stacks) => !stacks.some(Boolean)); i++) await new Promise((resolve) => setTimeout(resolve, 10))
    if (others.some((stacks) => !stacks.some(Boolean))) throw new Error('one has none')
    if (more.some((one) => one.metrics().loop === undefined)) throw new Error('no loop')`
  const body = `
    const others = []
    const more = Array.from({ length: 5 }, () => {
      const one = new Atrion({ watchdog: { stack: true } })
      const stacks = []
      others.push(stacks)
      one.on('stall', ({ stack }) => stacks.push(stack))
      return one
    })
    function blocks(startMs) { while (!isOver(startMs)); }`
  t.is((await stacksOf(t, blocking(body, { before, after }))).length, 1)
})

test('nothing of the host runs, is read or changes meanwhile', async (t) => {
  t.timeout(PATIENCE_MS)
  const before = `
    const seen = []
    Error.prepareStackTrace = () => { seen.push('prepareStackTrace'); return '' }
    for (const name of ['uncaughtException', 'unhandledRejection', 'uncaughtExceptionMonitor']) process.on(name, () => seen.push(name))
    const names = Reflect.ownKeys(globalThis).length`
  const body = `
    function blocks(startMs) {
      let ran = 0
      queueMicrotask(() => ran++)
      process.nextTick(() => ran++)
      while (!isOver(startMs));
      if (ran > 0) seen.push('a microtask')
    }`
  const after = `
    if (names !== Reflect.ownKeys(globalThis).length) seen.push('a global')
    try { (0, eval)('1'); seen.push('eval') } catch {}
    if (seen.length > 0) throw new Error(seen.join())`
  const nodeOptions = ['--disallow-code-generation-from-strings']
  t.is((await stacksOf(t, blocking(body, { before, after }), { nodeOptions })).length, 1)
})

test('of a name no more is shown than where it is from: bounded, on one line, without queries and data', async (t) => {
  t.timeout(PATIENCE_MS)
  const body = `
    const deep = (n, run) => (n > 0 ? deep(n - 1, run) : run())
    const named = { ['x'.repeat(1000) + '\\nat forged (secret.js:1:1)']: (run) => run() }
    const [one] = Object.values(named)
    const spins = (0, eval)('(function spins(isOver, startMs) { while (!isOver(startMs)); })\\n//# sourceURL=https://host/a.js?token=secret#secret')
    const { through } = await import('data:text/javascript,export const through = (run) => { "a secret"; return run() }')
    function blocks(startMs) { deep(100, () => through(() => one(() => spins(isOver, startMs)))) }`
  const [stack] = await stacksOf(t, blocking(body))
  t.notRegex(stack, /a secret|token|secret#|^at forged/m)
  t.regex(stack, /^at spins \(https:\/\/host\/a\.js:\d+:\d+\)/m)
  t.regex(stack, /^at through \((?:data:…|<anonymous>):\d+:\d+\)$/m)
  t.true(stack.split('\n').length <= 32)
  t.true(stack.split('\n').every((line) => line.length < 600))
})

test('a process that ends while its thread asks ends as it would, and prints nothing', async (t) => {
  t.timeout(PATIENCE_MS)
  for (const [end, code] of [
    ['process.exit(3)', 3],
    ['process.exitCode = 4', 4],
    ['thread.terminate(); process.exit(5)', 5],
    ['await thread.terminate(); process.exitCode = 6', 6],
    [
      "process.once('SIGTERM', () => process.exit(7)); process.kill(process.pid, 'SIGTERM'); await new Promise((resolve) => setTimeout(resolve, 60_000))",
      7,
    ],
  ]) {
    const result = await runCode(`
      import { Atrion } from 'atrion'
      ${WITH_CELLS}
      let thread
      process.on('worker', (worker) => { thread = worker })
      const atrion = new Atrion({ watchdog: { stack: true } })
      await new Promise(setImmediate)
      const blocks = () => {
        const startMs = performance.now()
        while (Atomics.load(cells, 0) === 0 && performance.now() - startMs < 500);
        return Atomics.load(cells, 0) !== 0
      }
      // It is asked within this loop, and is answered already where the machine is busy.
      for (let round = 0; round < 40 && !blocks(); round++) await new Promise((resolve) => setTimeout(resolve, 10))
      if (Atomics.load(cells, 0) === 0) throw new Error('it was never asked')
      ${end}
      atrion.metrics()`)
    t.false(result.hung, end)
    t.is(result.code, code, `${end}: ${result.stderr}`)
    t.is(result.stderr, '')
    t.is(result.stdout, '')
  }
})

test('a debugger that pauses on all exceptions is not stopped', async (t) => {
  t.timeout(PATIENCE_MS)
  const before = `
    import { Worker } from 'node:worker_threads'
    import { once } from 'node:events'
    const debugger_ = new Worker(\`
      const { Session } = require('node:inspector')
      const { parentPort } = require('node:worker_threads')
      const session = new Session()
      session.connectToMainThread()
      let paused = 0
      session.on('Debugger.paused', () => { paused++; session.post('Debugger.resume') })
      session.post('Debugger.enable')
      session.post('Debugger.setPauseOnExceptions', { state: 'all' }, () => parentPort.postMessage('ready'))
      parentPort.on('message', () => { session.disconnect(); parentPort.postMessage(paused); parentPort.close() })\`, { eval: true, execArgv: [] })
    await once(debugger_, 'message')`
  const after = `
    debugger_.postMessage('end')
    const [paused] = await once(debugger_, 'message')
    if (paused > 0) throw new Error('it was stopped ' + paused + ' times')`
  const body = 'function blocks(startMs) { while (!isOver(startMs)); }'
  t.is((await stacksOf(t, blocking(body, { before, after }))).length, 1)
})

test('without an inspector, where none may be used, and in worker threads stalls come without a stack', async (t) => {
  t.timeout(PATIENCE_MS)
  const body = 'function blocks(startMs) { while (!isOver(startMs)); }'
  const before = `
    let threads = 0; process.on('worker', () => threads++)
    Object.defineProperty(process.features, 'inspector', { value: false })`
  const after =
    "if (threads > 0 || stalls.length === 0) throw new Error(threads + ' threads, ' + stalls.length + ' stalls')"
  const mayNot = "process.permission = { has: (scope) => scope !== 'inspector' }"
  for (const first of [before, before.replace(/Object.*/, mayNot)]) {
    t.deepEqual(await stacksOf(t, blocking(body, { rounds: 2, before: first, after })), [])
  }
  // In a worker thread the main thread's stack is not what blocks.
  const code = `
    import { Worker } from 'node:worker_threads'
    import { once } from 'node:events'
    const worker = new Worker(\`
      const { Atrion } = require('atrion')
      const atrion = new Atrion({ watchdog: { stack: true } })
      const stalls = []
      atrion.on('stall', ({ stack }) => stalls.push(stack ?? null))
      const block = () => { const endMs = performance.now() + 400; while (performance.now() < endMs); }
      let rounds = 0
      const next = () => {
        if (++rounds > 4 && stalls.length > 0) return require('node:worker_threads').parentPort.postMessage(stalls)
        block()
        setTimeout(next, 50)
      }
      next()
      atrion.metrics()\`, { eval: true, execArgv: [] })
    const [stalls] = await once(worker, 'message')
    await worker.terminate()
    console.log(JSON.stringify(stalls))`
  t.deepEqual(await stacksOf(t, code), [])
})
