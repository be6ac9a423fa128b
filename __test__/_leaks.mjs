// Grows or does not: each workload runs once to warm up and once more to be measured, after a collection each.
import { Atrion } from 'atrion'
import { BAD, CALM } from './_engine.mjs'

const MIB = 2 ** 20

/** Finalizers run between turns of the event loop, and a collection may take several to free a chain of objects. */
const settle = async () => {
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const footprint = async () => {
  await settle()
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  return { rss, heap: heapUsed + external + arrayBuffers }
}

const growthOf = async (workload) => {
  await workload()
  const before = await footprint()
  await workload()
  const after = await footprint()
  return { rssMiB: (after.rss - before.rss) / MIB, heapMiB: (after.heap - before.heap) / MIB }
}

const atrion = new Atrion({ maxRoutes: 1000 })
let names = 0

const leases = async () => {
  const outcomes = ['completed', 'failed', 'timeout', 'aborted']
  for (let i = 0; i < 100_000; i++) {
    const abortController = i % 3 === 0 ? new AbortController() : undefined
    const lease = await atrion.startTask(`route ${i % 500}`, { abortController, metadata: { i } })
    await lease.release(outcomes[i % 4])
  }
}

const routes = async () => {
  for (let i = 0; i < 1_000_000; i++) atrion.route(`GET /a/rather/long/name/${names++}`, i % 2 === 0 ? BAD : CALM)
}

const decisions = async () => {
  for (let i = 0; i < 1_000_000; i++) atrion.route('route', i % 2 === 0 ? BAD : CALM, i % 40)
}

const noise = async () => {
  for (let i = 0; i < 300_000; i++) atrion.route(`noise ${i % 3000}`, { latencyMs: Number.NaN })
}

const profiles = async () => {
  for (let i = 1; i <= 50_000; i++) {
    atrion.setRouteProfile('route', { scarFactor: i / 10 })
    atrion.route('route', CALM, { profile: { baselineLatencyMs: i } })
  }
}

const snapshots = async () => {
  for (let i = 0; i < 100; i++) atrion.restore(atrion.snapshot())
}

const instances = async () => {
  for (let i = 0; i < 500; i++) {
    new Atrion({ observer: { onUpdate() {} } }).route('route', CALM)
    if (i % 50 === 0) await settle()
  }
}

const workloads = { leases, routes, decisions, noise, profiles, snapshots, instances }
const growth = {}
for (const [name, workload] of Object.entries(workloads)) growth[name] = await growthOf(workload)
console.log(JSON.stringify({ growth, routes: atrion.getRoutes().length }))
