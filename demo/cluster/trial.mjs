// One run: a dependency that dies and comes back, three servers that are replaced meanwhile, and the planned traffic. Everything
// noted, nothing judged.
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { nowMs } from '../http.mjs'
import { play } from '../play.mjs'
import { SERVERS } from './plan.mjs'

const moduleOf = (name) => new URL(`./${name}.mjs`, import.meta.url)

/** @param redisUrl where the servers share what they suffer; undefined: nowhere */
export async function runTrial(plan, redisUrl, onSecond) {
  const notes = { records: [], breakers: [], generations: [], healedAtMs: undefined, engine: undefined }
  let startedAt = Number.POSITIVE_INFINITY
  const now = () => nowMs() - startedAt

  let dependency = new WorkerProcess(moduleOf('dependency'))
  const dependencyPort = await dependency.ask('listen')

  /** Starts a process of a server. */
  const launch = async (server, generation) => {
    const worker = new WorkerProcess(moduleOf('server'), {
      args: [String(dependencyPort), redisUrl ?? ''],
      on: {
        breaker: ({ at, isOpen }) => notes.breakers.push({ atMs: at - startedAt, server, generation, isOpen }),
      },
    })
    const { port, engine } = await worker.ask('listen')
    notes.engine = engine
    return { worker, server, generation, port }
  }
  const close = async ({ worker }) => {
    await worker.ask('close')
    await worker.end()
  }
  const backends = await Promise.all(SERVERS.map((server) => launch(server, 1)))
  const load = new WorkerProcess(moduleOf('load'), {
    args: [JSON.stringify(plan)],
    on: { records: (records) => notes.records.push(...records) },
  })
  const route = () =>
    load.ask(
      'replace',
      backends.map(({ server, generation, port }) => ({ server, generation, port })),
    )
  await route()
  /** A rolling deploy: the new process serves before the old one, drained, ends. */
  const replace = async (i) => {
    const old = backends[i]
    backends[i] = await launch(old.server, old.generation + 1)
    notes.generations.push({ server: old.server, generation: old.generation + 1, atMs: now() })
    await route()
    await close(old)
  }
  const revive = async () => {
    dependency = new WorkerProcess(moduleOf('dependency'))
    await dependency.ask('listen', { port: dependencyPort })
    notes.healedAtMs = now()
  }

  await play({
    load,
    runMs: plan.runMs,
    scripts: [
      [
        { atMs: plan.diesAtMs, do: () => dependency.stop() },
        { atMs: plan.healedAtMs, do: revive },
      ],
      plan.replacedAtMs.map((atMs, i) => ({ atMs, do: () => replace(i) })),
    ],
    onSecond: (second) => onSecond(second, notes),
    onStart: (at) => {
      startedAt = at
      for (const { server, generation } of backends) notes.generations.push({ server, generation, atMs: 0 })
    },
  })
  await Promise.all(backends.map(close))
  await Promise.all([load, dependency].map((worker) => worker.end()))
  notes.records.sort((a, b) => a.atMs - b.atMs)
  return notes
}
