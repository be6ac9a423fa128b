// One run: a dependency that dies and comes back, three servers that are replaced meanwhile, and the planned traffic. Everything
// noted, nothing judged.
import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from '../http.mjs'
import { Part } from '../processes.mjs'
import { SERVERS } from './plan.mjs'

/** Time for the processes to get to their first timer, ms. */
const LEAD_MS = 300

/** @param redisUrl where the servers share what they suffer; undefined: nowhere */
export async function runTrial(plan, redisUrl, onSecond) {
  const notes = { records: [], breakers: [], generations: [], healedAtMs: undefined, engine: undefined }
  let startedAt = Number.POSITIVE_INFINITY
  const now = () => nowMs() - startedAt

  let dependency = new Part('./cluster/dependency.mjs', ['0'])
  const { port: dependencyPort, pid } = await dependency.when('ready')

  /** Starts a process of a server. */
  const launch = async (server, generation) => {
    const part = new Part('./cluster/server.mjs', [String(dependencyPort), redisUrl ?? ''], {
      breaker: ({ at, isOpen }) => notes.breakers.push({ atMs: at - startedAt, server, generation, isOpen }),
    })
    const { port, engine } = await part.when('ready')
    notes.engine = engine
    return { part, server, generation, port }
  }
  const backends = await Promise.all(SERVERS.map((server) => launch(server, 1)))
  const load = new Part('./cluster/load.mjs', [JSON.stringify(plan)], {
    records: ({ records }) => notes.records.push(...records),
  })
  await load.when('ready')
  const tell = () => {
    const list = backends.map(({ server, generation, port }) => ({ server, generation, port }))
    load.send({ type: 'backends', backends: list })
  }
  const stop = async ({ part }) => {
    const stopped = part.last('stopped')
    part.send({ type: 'stop' })
    await stopped
  }
  /** A rolling deploy: the new process serves before the old one, drained, ends. */
  const replace = async (i) => {
    const old = backends[i]
    backends[i] = await launch(old.server, old.generation + 1)
    notes.generations.push({ server: old.server, generation: old.generation + 1, atMs: now() })
    const left = load.when('left')
    tell()
    await left
    await stop(old)
  }
  tell()

  startedAt = nowMs() + LEAD_MS
  for (const { server, generation } of backends) notes.generations.push({ server, generation, atMs: 0 })
  const done = load.last('done')
  load.send({ type: 'start', startedAt })
  const until = (atMs) => sleep(Math.max(0, startedAt + atMs - nowMs()))
  const illness = async () => {
    await until(plan.diesAtMs)
    process.kill(pid, 'SIGKILL')
    await until(plan.healedAtMs)
    dependency = new Part('./cluster/dependency.mjs', [String(dependencyPort)])
    await dependency.when('ready')
    notes.healedAtMs = now()
  }
  const deploy = async () => {
    for (const [i, atMs] of plan.replacedAtMs.entries()) {
      await until(atMs)
      await replace(i)
    }
  }
  const watch = async () => {
    for (let second = 1; second * 1000 <= plan.runMs; second += 1) {
      await until(second * 1000)
      onSecond(second, notes)
    }
  }
  await Promise.all([done, illness(), deploy(), watch()])
  await Promise.all(backends.map(stop))
  dependency.kill()
  notes.records.sort((a, b) => a.atMs - b.atMs)
  return notes
}
