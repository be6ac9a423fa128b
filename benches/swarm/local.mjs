// The cost of a lease in one process: reserving and settling three levels deep, calls as a whole beside the queues, and memory.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Atrion } from 'atrion'
import Bottleneck from 'bottleneck'
import PQueue from 'p-queue'
import { sourceOf } from '../../__test__/_source.mjs'
import { summaryOf } from '../lib/statistics.mjs'

const ROUNDS = 9
/** A call of bottleneck waits for a timer or two. */
const BOTTLENECK_CALLS = 100

/** Nanoseconds a call: the median of rounds, and their minimum, which shows what a machine is capable of that is busy with other things. */
const timed = async (calls, run) => {
  const rounds = []
  await run(calls)
  for (let i = 0; i < ROUNDS; i++) {
    const startedAt = process.hrtime.bigint()
    await run(calls)
    rounds.push(Number(process.hrtime.bigint() - startedAt) / calls)
  }
  const { median, min } = summaryOf(rounds)
  return { median, min }
}

/** A tree three levels deep with limits at each, and one unit or three. */
const treeOf = async (units) => {
  const { BudgetTree } = await sourceOf('swarm/budget.ts')
  const tree = new BudgetTree(units)
  const root = tree.addNode(-1)
  const child = tree.addNode(root)
  const leaf = tree.addNode(child)
  for (const node of [root, child, leaf])
    for (let unit = 0; unit < units; unit++) tree.setLimit(node, unit, 2 ** 50, 0.8)
  const needs = new Float64Array(64)
  for (let unit = 0; unit < units; unit++) needs[unit] = 1000 + unit
  return { tree, leaf, needs, units }
}

/** A map's set, get and delete of one key: what is usual for a table in JavaScript. */
const mapOnce = (calls) => {
  const map = new Map([['other', 0]])
  let sum = 0
  for (let i = 0; i < calls; i++) {
    const key = `key${i & 1023}`
    map.set(key, i)
    sum += map.get(key)
    map.delete(key)
  }
  return sum
}

export async function runLocal({ calls }) {
  const { tree, leaf, needs, units } = await treeOf(3)
  const reserveAndSettle = await timed(calls, (n) => {
    for (let i = 0; i < n; i++) tree.settle(tree.reserve(leaf, needs, units), 0)
  })
  const map = await timed(calls, mapOnce)

  const atrion = new Atrion()
  const limits = { outputTokens: 1e15, inputTokens: 1e15, requests: 1e15 }
  const root = atrion.createSwarm('root', { budget: limits })
  const swarm = root.child('child', { budget: limits }).child('leaf', { budget: limits })
  const estimate = { inputTokens: 10, outputTokens: 10 }
  const work = (lease) => {
    lease.used(estimate)
  }
  const few = Math.max(1000, Math.round(calls / 50))
  const run = await timed(few, async (n) => {
    for (let i = 0; i < n; i++) await swarm.run(estimate, work)
  })
  const queue = new PQueue({ concurrency: 10 })
  const pQueue = await timed(few, async (n) => {
    for (let i = 0; i < n; i++) await queue.add(async () => {})
  })
  const limiter = new Bottleneck({ maxConcurrent: 10 })
  const bottleneck = await timed(BOTTLENECK_CALLS, async (n) => {
    for (let i = 0; i < n; i++) await limiter.schedule(async () => {})
  })
  await atrion.disconnect()
  return { reserveAndSettle, map, run, pQueue, bottleneck }
}

const MIB = 1_048_576

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

const heapMib = () => {
  collect()
  collect()
  return process.memoryUsage().heapUsed / MIB
}

/** The heap is looked at after each of so many parts of the leases. */
const PARTS = 20

/**
 * The heap over so many leases by `run()`, each reported and settled, a sample after each part of them. Ends early after `mostSeconds`, with what was
 * done by then. @param {(line: string) => void} progress
 */
export async function runMemory({ leases, mostSeconds = 900, progress = () => {} }) {
  const atrion = new Atrion()
  const root = atrion.createSwarm('memory', { budget: { outputTokens: 1e15, requests: 1e15 } })
  const swarm = root.child('child').child('leaf')
  const estimate = { outputTokens: 10, model: 'm', agent: 'a' }
  const some = async (count) => {
    for (let left = count; left > 0; left -= 1000) {
      await Promise.all(
        Array.from({ length: Math.min(1000, left) }, () =>
          swarm.run(estimate, (lease) => {
            lease.used({ outputTokens: 5 })
          }),
        ),
      )
    }
  }
  await some(Math.min(100_000, leases / 10))
  const samplesMib = [heapMib()]
  const cpuBefore = process.cpuUsage()
  const startedMs = performance.now()
  let done = 0
  for (const part = Math.ceil(leases / PARTS); done < leases; ) {
    const count = Math.min(part, leases - done)
    await some(count)
    done += count
    samplesMib.push(heapMib())
    progress(`${done.toLocaleString('en')} leases, heap ${samplesMib.at(-1).toFixed(2)} MiB`)
    if (performance.now() - startedMs > 1000 * mostSeconds) break
  }
  const tookMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpuBefore)
  const { held, used } = root.stats().units.outputTokens
  await atrion.disconnect()
  const [beforeMib] = samplesMib
  const afterMib = samplesMib.at(-1)
  return {
    ...{ leases: done, beforeMib, afterMib, mostMib: Math.max(...samplesMib), grewMib: afterMib - beforeMib },
    ...{ samplesMib, held, used, tookMs, cpuMs: (user + system) / 1000 },
  }
}
