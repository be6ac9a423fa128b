// One run: the plan's tasks through one queue, to a provider in a process of its own.

import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { CONTESTANTS, Spent } from '../../benches/swarm/contestants.mjs'
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { LIMITS, RETRY_MS, TRIES } from './plan.mjs'

const PROVIDER = new URL('../../lab/provider/process.mjs', import.meta.url)
/** Calls at once, for the queues that do not find that out. */
const CONCURRENCY = 20

/** The notes of a run. */
const createNotes = () => ({ done: [], failed: [], spent: 0, waits: [], waiting: new Set(), refused: 0 })

/** A task of an agent, tried again where it failed; the orchestrator hands it on by itself. */
async function perform(task, { queue, notes, plan, ending, now }) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-mock-output-tokens': String(task.outputTokens) },
    body: JSON.stringify({
      model: 'mock',
      max_tokens: task.maxTokens,
      messages: [{ role: 'user', content: `A task of ${task.kind}: ${'word '.repeat(100)}` }],
    }),
  }
  const askedMs = now()
  const wait = { tier: task.tier, askedMs }
  notes.waiting.add(wait)
  const onSent = () => {
    // Queues without budgets: their caller counts, and looks once more before each call.
    if (!queue.hasBudget && notes.spent >= plan.budget) throw new Spent('the budget is spent')
    if (notes.waiting.delete(wait)) notes.waits.push({ tier: task.tier, ms: now() - askedMs })
  }
  try {
    for (let tries = 1; !ending.signal.aborted; tries++) {
      try {
        const response = await queue.call({ tier: task.tier, tenant: task.kind, init, onSent, signal: ending.signal })
        const body = await response.json()
        if (response.ok) {
          notes.spent += body.usage.completion_tokens
          notes.done.push({ kind: task.kind, ms: now() - askedMs })
          return
        }
      } catch (error) {
        if (error?.code === 'ATRION_BUDGET' || error instanceof Spent) {
          notes.refused += 1
          break
        }
        if (ending.signal.aborted) return
      }
      if (tries === TRIES) break
      await pause(RETRY_MS / plan.scale, undefined, { signal: ending.signal }).catch(() => {})
    }
    notes.failed.push(task.kind)
  } finally {
    notes.waiting.delete(wait)
  }
}

/** Calls that are under way at the end have so long to end, ms. */
const ENDING_MS = 2000

/**
 * @param {'atrion' | 'p-queue' | 'bottleneck'} name
 * @param {(tick: { atMs: number, notes: object, counts: object, queue: object }) => void} onTick about three times a minute of the provider's
 */
export async function runTrial(name, plan, onTick) {
  const provider = new WorkerProcess(PROVIDER)
  const ending = new AbortController()
  setMaxListeners(0, ending.signal)
  let queue
  try {
    const limits = { ...LIMITS, minuteMs: plan.minuteMs }
    const url = await provider.ask('listen', {
      provider: 'openai',
      limits,
      firstMs: 600 / plan.scale,
      tokenMs: 3 / plan.scale,
    })
    queue = await CONTESTANTS[name]({
      url: `${url}/v1/chat/completions`,
      budget: { outputTokens: plan.budget },
      upstream: { provider: 'openai' },
      route: 'provider',
      part: LIMITS.requestsPerMinute,
      minuteMs: plan.minuteMs,
      concurrency: CONCURRENCY,
    })
    const startedMs = performance.now()
    const now = () => performance.now() - startedMs
    const notes = createNotes()
    const context = { queue, notes, plan, ending, now }
    const work = []
    const timers = plan.tasks.map((task) => setTimeout(() => work.push(perform(task, context)), task.atMs))
    for (const { kind, fromMs, toMs } of plan.faults) {
      timers.push(setTimeout(() => provider.ask('fail', { kind }), fromMs))
      timers.push(setTimeout(() => provider.ask('fail', { kind: undefined }), toMs))
    }
    const tickMs = plan.minuteMs / 3
    for (let atMs = tickMs; atMs <= plan.runMs; atMs += tickMs) {
      await pause(Math.max(0, atMs - now()))
      onTick({ atMs, notes, counts: (await provider.ask('counts')).counts, queue })
    }
    const { counts } = await provider.ask('counts')
    const open = [...notes.waiting].map(({ tier, askedMs }) => ({ tier, ms: now() - askedMs }))
    for (const timer of timers) clearTimeout(timer)
    ending.abort()
    // Calls under way end; those that wait in a queue of another's may do so for many minutes, and are counted as they are.
    await Promise.race([Promise.allSettled(work), pause(ENDING_MS)])
    return {
      name,
      counts,
      waits: [...notes.waits, ...open],
      done: notes.done,
      failed: notes.failed,
      refused: notes.refused,
    }
  } finally {
    ending.abort()
    await queue?.end()
    await provider.stop()
  }
}
