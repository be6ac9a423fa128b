// The provider's limit: how much of it is used, how many calls it refuses, who waits for how long, and whether tenants get the same.
import { setTimeout as pause } from 'node:timers/promises'
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { quantileOf } from '../lib/statistics.mjs'

export const PROCESSES = 4
const PROVIDER = new URL('../../lab/provider/process.mjs', import.meta.url)
const NODE = new URL('./agents.node.mjs', import.meta.url)

/** A minute of the provider's lasts this long: 60 s ÷ 10. */
export const MINUTE_MS = 6000
export const SCALE = 60_000 / MINUTE_MS
/** Calls a minute. */
export const LIMIT = 600
const TENANTS = 8
/** Of the agents, the share that a person waits for; together they ask for less than half of the limit. */
const INTERACTIVE_AGENTS = 0.1
const INTERACTIVE_SHARE = 0.4

/** Share of the limit below which its first filling counts as used. A pace may keep some of it for good. */
const EMPTY = 0.25

/** Jain's index of fairness: 1 where all get the same, 1 ÷ n where one gets all. */
export const jainOf = (amounts) => {
  const sum = amounts.reduce((total, amount) => total + amount, 0)
  const squares = amounts.reduce((total, amount) => total + amount * amount, 0)
  return (sum * sum) / (amounts.length * squares)
}

/** Batch agents of eight tenants with equal rights and very different numbers of agents, and interactive ones that ask now and then. */
const groupsOf = (agents) => {
  const interactive = Math.round((agents * INTERACTIVE_AGENTS) / PROCESSES)
  const batch = agents - interactive * PROCESSES
  const weights = Array.from({ length: TENANTS }, (_, i) => i + 1)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const groups = weights.map((weight, i) => ({
    count: Math.max(1, Math.round((batch * weight) / total / PROCESSES)),
    tier: 'normal',
    tenant: `tenant-${i}`,
    thinkMs: 0,
    maxTokens: 60,
  }))
  const perMs = (LIMIT * INTERACTIVE_SHARE) / MINUTE_MS
  return [
    ...groups,
    { count: interactive, tier: 'high', tenant: 'people', thinkMs: (interactive * PROCESSES) / perMs, maxTokens: 60 },
  ]
}

/** Runs one contestant; figures. */
export async function runQuota(name, { agents, warmUpMs, seconds }) {
  const provider = new WorkerProcess(PROVIDER)
  const nodes = Array.from({ length: PROCESSES }, () => new WorkerProcess(NODE))
  try {
    const limits = { requestsPerMinute: LIMIT, tokensPerMinute: LIMIT * 1000, minuteMs: MINUTE_MS }
    const url = await provider.ask('listen', { provider: 'openai', limits, firstMs: 50, tokenMs: 1 })
    const settings = {
      url: `${url}/v1/chat/completions`,
      upstream: { provider: 'openai' },
      part: LIMIT / PROCESSES,
      minuteMs: MINUTE_MS,
      concurrency: agents / PROCESSES,
    }
    await Promise.all(nodes.map((node) => node.ask('start', { contestant: name, settings, groups: groupsOf(agents) })))
    // The bucket is full at first: what is measured begins when that has been used, or when it is not going to be.
    const untilMs = performance.now() + warmUpMs
    while (performance.now() < untilMs && (await provider.ask('counts')).remaining > EMPTY) await pause(100)
    await Promise.all(nodes.map((node) => node.ask('reset')))
    const first = await provider.ask('counts')
    await pause(1000 * seconds)
    const last = await provider.ask('counts')
    // By the provider's own clock: processes that are busy answer late.
    const tookMs = last.nowMs - first.nowMs
    const ok = last.counts.ok - first.counts.ok
    const quota = last.counts.quota - first.counts.quota
    const notes = await Promise.all(nodes.map((node) => node.ask('notes')))
    await Promise.all(nodes.map((node) => node.ask('stop')))
    const waits = notes.flatMap(({ waitsMs, open }) => [...waitsMs.high, ...open.high]).sort((a, b) => a - b)
    const byTenant = Array.from({ length: TENANTS }, (_, i) =>
      notes.reduce((sum, { byTenant: counted }) => sum + (counted[`tenant-${i}`] ?? 0), 0),
    )
    return {
      name,
      // The rest of the first filling at the beginning counts as available.
      used: ok / ((LIMIT * tookMs) / MINUTE_MS + LIMIT * first.remaining),
      refused: quota / (quota + ok),
      calls: ok,
      interactiveP95Ms: waits.length > 0 ? quantileOf(waits, 0.95) : undefined,
      jain: jainOf(byTenant),
      cpuMs: (last.cpu.user - first.cpu.user) / 1000,
    }
  } finally {
    await Promise.all([provider, ...nodes].map((worker) => worker.stop()))
  }
}
