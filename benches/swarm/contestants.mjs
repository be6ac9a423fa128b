// The queues that agents stand in: Atrion, p-queue, bottleneck. Each lets calls through to a provider and keeps its limit as well as it can.
import { setTimeout as pause } from 'node:timers/promises'

/** Waits that queues without knowledge of quota make after a 429, as its answer asks. */
const waitOf = (response) =>
  Number(response.headers.get('retry-after-ms')) || 1000 * Number(response.headers.get('retry-after')) || 1000

/** Thrown by `onSent` where a caller's own count says that the budget is spent. */
export class Spent extends Error {}

/** Sends until the answer is none of quota: the usual way of those that cannot know the quota. */
const persistently = async (send, signal) => {
  for (;;) {
    const response = await send(signal)
    if (response.status !== 429) return response
    await response.arrayBuffer()
    await pause(waitOf(response), undefined, { signal })
  }
}

const LONGEST_CALL_MS = 60_000
const NO_BUDGET = { requests: Number.MAX_SAFE_INTEGER / 2 }

/** Atrion: nothing of the limits is configured; `fetch` of a swarm. */
const atrion = async ({ url, budget, upstream, estimate, route }) => {
  const [{ Atrion }, { swarmFetch }] = await Promise.all([import('atrion'), import('atrion/upstream')])
  const instance = new Atrion()
  // Calls take as long as a provider takes: the deadline of a route is of no use here, its breaker is.
  if (route !== undefined) instance.setRouteProfile(route, { slo: { maxAcceptableLatencyMs: LONGEST_CALL_MS } })
  const swarm = instance.createSwarm('agents', { budget: budget ?? NO_BUDGET, upstream, route })
  // Agents that estimate for themselves, where the settings say so.
  const caller =
    estimate === undefined
      ? swarm
      : { run: (given, work, options) => swarm.run({ ...given, maxTokens: undefined, ...estimate }, work, options) }
  const fetches = new Map()
  const fetchOf = (tier, tenant) => {
    const name = `${tier} ${tenant}`
    if (!fetches.has(name)) fetches.set(name, swarmFetch(caller, { tier, key: tenant, maxRetries: 1000, fetch: timed }))
    return fetches.get(name)
  }
  /** Tells a call when it is sent. */
  const timed = (input, { onSent, ...init }) => {
    onSent()
    return fetch(input, init)
  }
  return {
    hasBudget: budget !== undefined,
    call: ({ tier, tenant, init, onSent, signal }) => fetchOf(tier, tenant)(url, { ...init, onSent, signal }),
    stats: () => swarm.stats(),
    end: () => instance.disconnect(),
  }
}

const PRIORITIES = { high: 1, normal: 0, low: -1 }

/** p-queue with the process's part of the limit, which it has to be given. */
const pQueue = async ({ url, part, minuteMs, concurrency }) => {
  const { default: PQueue } = await import('p-queue')
  const queue = new PQueue({ concurrency, intervalCap: part, interval: minuteMs, carryoverIntervalCount: true })
  return {
    call: ({ tier, init, onSent, signal }) =>
      queue.add(
        () =>
          persistently((abort) => {
            onSent()
            return fetch(url, { ...init, signal: abort })
          }, signal),
        { priority: PRIORITIES[tier], signal },
      ),
    stats: () => ({}),
    end: () => queue.clear(),
  }
}

/** Bottleneck with the process's part of the limit, spread evenly. */
const bottleneck = async ({ url, part, minuteMs, concurrency }) => {
  const { default: Bottleneck } = await import('bottleneck')
  const limiter = new Bottleneck({ maxConcurrent: concurrency, minTime: minuteMs / part })
  return {
    call: ({ tier, init, onSent, signal }) =>
      limiter.schedule({ priority: 5 - PRIORITIES[tier] }, () =>
        persistently((abort) => {
          onSent()
          return fetch(url, { ...init, signal: abort })
        }, signal),
      ),
    stats: () => ({}),
    end: () => limiter.stop({ dropWaitingJobs: true }).catch(() => {}),
  }
}

export const CONTESTANTS = { atrion, 'p-queue': pQueue, bottleneck }
