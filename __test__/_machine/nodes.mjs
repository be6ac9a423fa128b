// Processes, threads and workers of one machine that share, each as what answers tasks.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { until } from '../_patience.mjs'

const NODE = fileURLToPath(new URL('node.mjs', import.meta.url))
const PRIMARY = fileURLToPath(new URL('primary.mjs', import.meta.url))
export const VECTOR = { scar: 12.5, momentumScalar: 0.25, lastTick: 7, resistance: 33 }

/** A folder for the sockets of a machine, which ends with the test. */
export const folderOf = (t) => {
  const path = mkdtempSync(join(tmpdir(), 'atrion-machine-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A port that answers messages, as a function of a task. */
const asked = (port, post, prefix = '') => {
  let last = 0
  const waiting = new Map()
  port.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    if (error === undefined) resolve?.(result)
    else reject?.(new Error(error))
  })
  return (task, given = {}) =>
    new Promise((resolve, reject) => {
      const id = `${prefix}${++last}`
      waiting.set(id, { resolve, reject })
      post({ id, task, ...given })
    })
}

/** A process of node.mjs. */
export const processOf = (t, settings) => {
  const child = fork(NODE, { env: { ...process.env, ATRION_TEST_MACHINE: JSON.stringify(settings) } })
  t.teardown(() => child.kill('SIGKILL'))
  return {
    child,
    kill: () => child.kill('SIGKILL'),
    ask: asked(child, (message) => child.connected && child.send(message)),
  }
}

/** A worker thread of node.mjs. */
export const threadOf = (t, settings) => {
  const worker = new Worker(NODE, { workerData: settings })
  t.teardown(() => worker.terminate())
  return { kill: () => worker.terminate(), ask: asked(worker, (message) => worker.postMessage(message)) }
}

/** Workers of one primary of node:cluster. */
export const workersOf = (t, settings, count) => {
  const env = { ...process.env, ATRION_TEST_MACHINE: JSON.stringify(settings) }
  const primary = fork(PRIMARY, [String(count)], { env })
  t.teardown(() => primary.kill('SIGKILL'))
  return Array.from({ length: count }, (_, n) => ({
    ask: asked(primary, (message) => primary.send(message), `${n} `),
    kill: () => primary.send({ id: `${n} 0`, task: 'kill' }),
  }))
}

/** The one node that is the hub, once there is one. */
export const hubOf = async (nodes) => {
  let hub
  await until(async () => {
    const stats = await Promise.all(nodes.map(({ ask }) => ask('stats')))
    const hubs = nodes.filter((_, n) => stats[n].isHub === 1)
    hub = hubs[0]
    return hubs.length === 1
  }, 'one hub')
  return hub
}

/** A route that is hurt on one node, felt by all others. */
export const feelAll = async (t, nodes, hurt, route) => {
  const felt = Promise.all(nodes.filter((node) => node !== hurt).map(({ ask }) => ask('feel', { route })))
  await hurt.ask('hurt', { route })
  for (const ms of await felt) t.true(ms > 0)
}
