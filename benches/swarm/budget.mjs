// The hard limit: agents in four processes spend budgets to their end; how far beyond it goes.
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'
import { PROCESSES } from './quota.mjs'

const PROVIDER = new URL('../../lab/provider/process.mjs', import.meta.url)
const NODE = new URL('./agents.node.mjs', import.meta.url)

/** Tokens of a stream's piece, and the time a token takes, ms. */
export const PIECE_TOKENS = 8
const TOKEN_MS = 25
/** Tokens that a call gives where its estimate is four times too low. */
const ASKED = 200

/**
 * @param {boolean} isLow estimates four times too low, in streams; else bounds that hold
 * @param {{ tokens: number, agents: number }} size the budget of all processes together, and their agents
 */
export async function runBudget(isLow, { tokens, agents }) {
  const provider = new WorkerProcess(PROVIDER)
  const nodes = Array.from({ length: PROCESSES }, () => new WorkerProcess(NODE))
  try {
    const url = await provider.ask('listen', {
      provider: 'openai',
      firstMs: 5,
      tokenMs: isLow ? TOKEN_MS : 1,
      pieceTokens: PIECE_TOKENS,
    })
    const settings = {
      url: `${url}/v1/chat/completions`,
      upstream: null,
      budget: { outputTokens: tokens / PROCESSES },
      // The estimate of a call that states no bound.
      estimate: isLow ? { outputTokens: ASKED / 4 } : undefined,
    }
    const group = {
      count: agents / PROCESSES,
      tier: 'normal',
      tenant: 'all',
      thinkMs: 0,
      maxTokens: ASKED,
      stream: isLow,
      headers: { 'x-mock-output-tokens': String(ASKED) },
    }
    const startedMs = performance.now()
    await Promise.all(nodes.map((node) => node.ask('start', { contestant: 'atrion', settings, groups: [group] })))
    await Promise.all(nodes.map((node) => node.ask('over')))
    const notes = await Promise.all(nodes.map((node) => node.ask('notes')))
    const { counts } = await provider.ask('counts')
    const units = notes.map(({ stats }) => stats.units.outputTokens)
    const used = units.reduce((sum, unit) => sum + unit.used, 0)
    return {
      limit: tokens,
      used,
      overspent: units.reduce((sum, unit) => sum + Math.max(0, unit.used - unit.limit), 0),
      /** Tokens that the provider had sent when all was over. */
      sent: counts.outputTokens,
      held: units.reduce((sum, unit) => sum + unit.held, 0),
      inFlight: counts.mostInFlight,
      /** One piece of each call that was under way. */
      allowed: isLow ? counts.mostInFlight * PIECE_TOKENS : 0,
      tookMs: performance.now() - startedMs,
    }
  } finally {
    await Promise.all([provider, ...nodes].map((worker) => worker.stop()))
  }
}
