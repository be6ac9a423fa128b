// Memory after a workload against memory after the same workload before: what stays is what leaked. The margins are for
// the allocator, which gives pages back when it likes; a leak of 100 bytes a route would be 95 MiB here, one of 100 bytes
// a lease 9.5 MiB.
import test from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const HEAP_MARGIN_MIB = 4
const RSS_MARGIN_MIB = 24

test('memory is flat: 100,000 leases, 1,000,000 routes through a table of 1,000, and all the rest', async (t) => {
  t.timeout(PATIENCE_MS + 10_000)
  const end = await runScript('_leaks.mjs', { nodeOptions: ['--expose-gc'] })
  endedWell(t, end)
  const { growth, routes } = JSON.parse(end.stdout)
  t.is(routes, 1000)
  t.true(Object.keys(growth).length >= 7)
  for (const [workload, { rssMiB, heapMiB }] of Object.entries(growth)) {
    t.true(heapMiB < HEAP_MARGIN_MIB, `${workload}: the heap grew by ${heapMiB.toFixed(1)} MiB`)
    t.true(rssMiB < RSS_MARGIN_MIB, `${workload}: the process grew by ${rssMiB.toFixed(1)} MiB`)
  }
})
