// The conditions that are the same for every queue: agents, their tasks, the provider's limits, its faults, the budget.
import { createRandom } from '../random.mjs'

/** Limits of the provider, a minute of its own. */
export const LIMITS = { requestsPerMinute: 60, tokensPerMinute: 90_000 }

/** Kinds of agents: how many, how important, how many tasks a minute of the provider's they get together, and how long answers are. */
export const KINDS = [
  { kind: 'chat', agents: 20, tier: 'high', tasksPerMinute: 20, maxTokens: 200, outputTokens: 120 },
  { kind: 'research', agents: 100, tier: 'normal', tasksPerMinute: 60, maxTokens: 2000, outputTokens: 900 },
  { kind: 'summaries', agents: 80, tier: 'low', tasksPerMinute: 70, maxTokens: 600, outputTokens: 400 },
]

/** Minutes of the provider's in a run, and the share of its length in which the provider fails. */
const MINUTES = 5
const FAULTS = [
  { kind: 'overload', from: 0.3, to: 0.38 },
  { kind: 'broken', from: 0.65, to: 0.72 },
]

export const DEFAULT_SECONDS = 50
export const LEAST_SECONDS = 3

/** Output tokens that all tasks together may use: a little less than the provider lets through. */
const BUDGET_A_MINUTE = 28_000

/** Tries of a task; after each that failed it waits for this, ms of the provider's. */
export const TRIES = 3
export const RETRY_MS = 2000

/** The plan of all three runs, which go side by side. */
export function createPlan({ seconds = DEFAULT_SECONDS, seed = 1 } = {}) {
  const runMs = Math.round(seconds * 1000)
  const minuteMs = runMs / MINUTES
  const random = createRandom(seed)
  const tasks = KINDS.flatMap(({ kind, agents, tier, tasksPerMinute, maxTokens, outputTokens }) => {
    const meanMs = minuteMs / tasksPerMinute
    const arrivals = []
    const nextMs = () => -Math.log(1 - random()) * meanMs
    for (let atMs = nextMs(); atMs < runMs; atMs += nextMs()) {
      const length = Math.round(outputTokens * (0.5 + random()))
      arrivals.push({
        atMs,
        kind,
        tier,
        agent: `${kind}-${Math.floor(random() * agents)}`,
        maxTokens,
        outputTokens: Math.min(length, maxTokens),
      })
    }
    return arrivals
  }).sort((a, b) => a.atMs - b.atMs)
  return {
    seed,
    runMs,
    minuteMs,
    scale: 60_000 / minuteMs,
    tasks,
    budget: BUDGET_A_MINUTE * MINUTES,
    faults: FAULTS.map(({ kind, from, to }) => ({ kind, fromMs: from * runMs, toMs: to * runMs })),
  }
}
