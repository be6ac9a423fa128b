// A process of agents: each asks, waits for its answer, and asks again. Started by `WorkerProcess`.
import { setMaxListeners } from 'node:events'
import { serve } from '../../scripts/lib/duties.mjs'
import { CONTESTANTS } from './contestants.mjs'

/** Resolves in a later turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

let contestant
let agents = []
const controller = new AbortController()
setMaxListeners(0, controller.signal)

const emptyNotes = () => ({ waitsMs: { high: [], normal: [] }, byTenant: {}, answers: 0, errors: {} })
let notes = emptyNotes()
/** Calls of interactive agents that are not sent yet count with the time that they have waited. */
const waiting = new Set()

const bodyOf = ({ maxTokens, stream }) =>
  JSON.stringify({
    model: 'mock',
    messages: [{ role: 'user', content: 'word '.repeat(40) }],
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  })

/** One agent; ends when the process is stopped, or its budget is spent. */
const live = async ({ tier, tenant, name, thinkMs, body, headers }) => {
  const init = {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'x-mock-agent': name, ...headers },
  }
  while (!controller.signal.aborted) {
    const call = { tier, askedMs: performance.now() }
    waiting.add(call)
    const onSent = () => {
      if (waiting.delete(call)) notes.waitsMs[tier].push(performance.now() - call.askedMs)
    }
    try {
      const response = await contestant.call({ tier, tenant, init, onSent, signal: controller.signal })
      await response.arrayBuffer()
      notes.answers += 1
      notes.byTenant[tenant] = (notes.byTenant[tenant] ?? 0) + 1
    } catch (error) {
      const name = error?.code ?? error?.name ?? 'unknown'
      notes.errors[name] = (notes.errors[name] ?? 0) + 1
      if (name === 'ATRION_BUDGET') return
      await turn()
    } finally {
      waiting.delete(call)
    }
    if (thinkMs > 0) await new Promise((resolve) => setTimeout(resolve, thinkMs * (0.5 + Math.random())))
  }
}

serve({
  /** Starts agents behind a contestant: `{ contestant, settings, groups: [{ count, tier, tenant, thinkMs, maxTokens, stream, headers }] }`. */
  start: async ({ contestant: name, settings, groups }) => {
    contestant = await CONTESTANTS[name](settings)
    agents = groups.flatMap(({ count, ...group }, index) =>
      Array.from({ length: count }, (_, i) =>
        live({ ...group, body: bodyOf(group), name: `${process.pid}-${index}-${i}` }),
      ),
    )
  },
  reset: () => {
    notes = emptyNotes()
  },
  /** Resolves when every agent has ended by itself. */
  over: async () => {
    await Promise.all(agents)
  },
  notes: () => {
    const nowMs = performance.now()
    const open = { high: [], normal: [] }
    for (const { tier, askedMs } of waiting) open[tier].push(nowMs - askedMs)
    return { ...notes, open, stats: contestant.stats(), cpuMs: process.cpuUsage().user / 1000 }
  },
  stop: async () => {
    controller.abort()
    await Promise.allSettled(agents)
    await contestant.end()
  },
})
