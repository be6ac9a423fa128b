// The mock provider as a process of its own, for benchmarks and demos: started by `WorkerProcess`.
import { serve } from '../../scripts/lib/duties.mjs'
import { MockProvider } from './server.mjs'

let provider

serve({
  /** Starts the provider by its settings; resolves to its address. */
  listen: async (settings) => {
    provider = await new MockProvider(settings).listen()
    return provider.url
  },
  fail: ({ kind }) => provider.fail(kind),
  reset: () => provider.reset(),
  counts: () => ({
    counts: provider.counts,
    remaining: provider.remaining,
    byAgent: provider.byAgent,
    cpu: process.cpuUsage(),
    nowMs: performance.now(),
  }),
})
