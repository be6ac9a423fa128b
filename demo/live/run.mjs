// `npm run demo:live`: three nodes whose settings change while they run: a patch, a bad one that is taken back, a ban, and a store that dies.
import { execFileSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { cliOf } from '../../scripts/lib/cli.mjs'
import { INTERVAL_MS, NODES, REQUEST_EACH_MS, ROUTE, USERS } from './plan.mjs'

const USAGE = `Usage: npm run demo:live -- [options]

Three nodes, each a process of its own with requests and Studio, share a store that the demo starts: PostgreSQL where there is one, else
Redis. An operator patches a deadline on all of them, tries a patch that is bad on one, bans a user; then the store is killed, and comes back.
Everything runs on 127.0.0.1 and ends by itself within a minute. Exits with 1 when one of its checks fails.

  --store NAME   postgres or redis; default: postgres where there is one
  --help         this text
`

const { values } = cliOf(USAGE, { options: { store: { type: 'string' } } })

/** Returns whether PostgreSQL's commands are there. */
function hasPostgres() {
  try {
    execFileSync('initdb', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const kind = values.store ?? (hasPostgres() ? 'postgres' : 'redis')
if (kind !== 'postgres' && kind !== 'redis') {
  console.error(`demo: --store must be postgres or redis, got ${JSON.stringify(kind)}`)
  process.exit(2)
}

/** Starts the store; kills and revives it. */
async function startStore() {
  if (kind === 'postgres') {
    const { PostgresServer } = await import('../../__test__/_postgres/server.mjs')
    const server = await PostgresServer.start()
    return { url: server.url, kill: () => server.kill(), revive: () => server.run(), stop: () => server.stop() }
  }
  const { single } = await import('../../__test__/_redis/servers.mjs')
  const server = await single()
  return { url: server.url, kill: () => server.kill(), revive: () => server.restart(), stop: () => server.stop() }
}

const started = performance.now()
const say = (text) => console.log(`${((performance.now() - started) / 1_000).toFixed(1).padStart(5)} s  ${text}`)
const failures = []
const check = (holds, text) => {
  say(`${holds ? 'ok' : 'NOT OK'}: ${text}`)
  if (!holds) failures.push(text)
}
/** A time against its target, which a busy machine may miss: it is no check. */
const sayTime = (ms) => {
  const verdict = ms <= 2 * INTERVAL_MS ? 'met' : 'MISSED'
  say(`on all nodes after ${ms} ms, ${(ms / INTERVAL_MS).toFixed(1)} intervals (target: ≤ 2, ${verdict})`)
}

async function main() {
  const { WorkerProcess, stopAll } = await import('../../scripts/lib/worker-pool.mjs')
  const store = await startStore()
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await Promise.all([stopAll(), store.stop()])
      process.exit(130)
    })
  }
  const events = []
  const waiting = new Set()
  const nodes = NODES.map((name) => ({
    name,
    worker: new WorkerProcess(new URL('./node.mjs', import.meta.url), {
      args: [kind, store.url],
      on: {
        event: (event) => {
          events.push({ node: name, ...event })
          for (const look of waiting) look()
        },
      },
    }),
  }))
  const [a, b] = nodes
  /** Resolves with the events of all nodes of which each had one since; the time when the last one came. */
  const everywhere = (name, since, isMeant = () => true) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not every node reported '${name}' within 20 s`)), 20_000)
      const look = () => {
        const found = NODES.map((node) =>
          events.slice(since).find((event) => event.node === node && event.name === name && isMeant(event)),
        )
        if (found.includes(undefined)) return
        clearTimeout(late)
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  const takeAll = () => Promise.all(nodes.map(({ worker }) => worker.ask('take')))
  const sum = (taken, name) => taken.reduce((total, one) => total + one[name], 0)
  const worst = (taken) => Math.max(...taken.map(({ p99Us }) => p99Us))
  const statesOf = (path) => Promise.all(nodes.map(({ worker }) => worker.ask('state', { path })))

  try {
    const listening = await Promise.all(nodes.map(({ worker }) => worker.ask('listen')))
    say(
      `nodes ${NODES.join(', ')} over ${kind}, ${1_000 / REQUEST_EACH_MS} requests/s each of ${USERS} users, tier critical`,
    )
    for (const [i, { port }] of listening.entries()) say(`Studio of ${NODES[i]}: http://127.0.0.1:${port}/atrion`)
    await pause(3_000)
    check(sum(await takeAll(), 'shed') === 0, 'no request was refused so far')

    say("ana patches the deadline: 800 ms, 'the warehouse is slow today'")
    let since = events.length
    let from = Date.now()
    const reason = 'the warehouse is slow today'
    const first = await a.worker.ask('patch', {
      changes: { slo: { maxAcceptableLatencyMs: 800 } },
      author: 'ana',
      reason,
    })
    let last = Math.max(...(await everywhere('patch', since)).map(({ at }) => at))
    sayTime(last - from)
    const [, there] = await statesOf('slo.maxAcceptableLatencyMs')
    const { value, layers } = there.explained
    check(
      value === 800 && layers[0].author === 'ana',
      `B explains: ${value} ms by ${layers[0].author}, over ${layers[1].value} ms of the code`,
    )
    const stale = await b.worker.ask('patch', {
      base: 0,
      changes: { slo: { maxAcceptableLatencyMs: 100 } },
      author: 'ben',
    })
    check(
      stale.status === 'refused' && stale.conflict.since[0].author === 'ana',
      `ben's patch on an older version is refused: ${stale.conflict?.paths} was changed by ${stale.conflict?.since[0]?.author}`,
    )

    say(`ben closes ${ROUTE} by mistake, and tries it on A first`)
    await takeAll()
    since = events.length
    from = Date.now()
    const bad = await a.worker.ask('patch', {
      changes: { overrides: { [ROUTE]: 'open' } },
      author: 'ben',
      canary: { forMs: 10_000 },
    })
    const [{ at, evidence }] = await everywhere('rollback', since)
    check(
      bad.outcome === 'rolled_back',
      `taken back by itself after ${((at - from) / 1_000).toFixed(1)} s: ${evidence}`,
    )
    const [onA, onB, onC] = await takeAll()
    check(onA.shed > 0 && onB.shed + onC.shed === 0, `refused meanwhile: ${onA.shed} on A, none on B and C`)
    await pause(500)
    check(sum(await takeAll(), 'shed') === 0, 'and nothing since')

    say("B bans 'user 7'")
    since = events.length
    from = Date.now()
    await b.worker.ask('ban', { key: 'user 7', ttlMs: 600_000, reason: 'credential stuffing' })
    last = Math.max(...(await everywhere('ban', since)).map(({ at: reported }) => reported))
    sayTime(last - from)
    await takeAll()
    await pause(2_000)
    const calm = await takeAll()
    check(
      calm.every(({ banned }) => banned > 0),
      `refused in 2 s: ${sum(calm, 'banned')} requests of the user, ${sum(calm, 'shed')} of others`,
    )

    say(`${kind} dies`)
    since = events.length
    await store.kill()
    await everywhere('degraded', since)
    await takeAll()
    await pause(3_000)
    const alone = await takeAll()
    const degraded = events.slice(since).filter(({ name }) => name === 'degraded').length
    check(degraded === NODES.length, `each node reports it once: ${degraded} events`)
    check(
      sum(alone, 'good') > 0 && sum(alone, 'shed') === 0 && sum(alone, 'banned') > 0,
      `in 3 s without it ${sum(alone, 'good')} requests went through, ${sum(alone, 'shed')} were refused, the ban held`,
    )
    say(`p99 of a decision: ${worst(calm).toFixed(0)} µs with it, ${worst(alone).toFixed(0)} µs without`)
    const lost = await a.worker.ask('patch', { changes: { limits: { max: 5 } }, author: 'ana' })
    check(lost.status === 'failed', `a patch meanwhile is not half done: ${lost.error}`)

    say(`${kind} comes back`)
    await store.revive()
    await everywhere('restored', since)
    since = events.length
    const again = { changes: { slo: { maxAcceptableLatencyMs: 600 } }, author: 'ana', base: first.version }
    let result = await a.worker.ask('patch', again)
    if (result.status === 'refused') result = await a.worker.ask('patch', { ...again, base: result.conflict.version })
    await everywhere('patch', since, ({ version }) => version === result.version)
    const states = await statesOf('slo.maxAcceptableLatencyMs')
    check(
      states.every(({ version, explained }) => version === result.version && explained.value === 600),
      `all nodes are on version ${result.version}: ${states.map(({ explained }) => explained.value).join(', ')} ms`,
    )
    const asked = await Promise.all(nodes.map(({ worker }) => worker.ask('asks', { key: 'user 7' })))
    check(
      asked.every((limitedBy) => limitedBy === 'ban'),
      'the ban still holds on all of them',
    )
    await Promise.all(nodes.map(({ worker }) => worker.ask('close')))
    await Promise.all(nodes.map(({ worker }) => worker.end()))
  } finally {
    await stopAll()
    await store.stop()
  }
  say(failures.length === 0 ? 'every check holds' : `${failures.length} checks do not hold`)
  if (failures.length > 0) process.exitCode = 1
}

main().catch((error) => {
  console.error(`demo: ${error.message}`)
  process.exitCode = 1
})
