// Threads that end in the middle of decisions, of recordings, and of stalls that the watchdog's own thread looks at.
import ava from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

// The watchdog and its thread are the native engine's.
const test = engine === 'native' ? ava : ava.skip

test('two hundred threads that are ended while they decide and record under the watchdog leave the process whole, which ends by itself', async (t) => {
  t.timeout(2 * PATIENCE_MS)
  const child = await runScript('_terminated.mjs', { limitMs: 2 * PATIENCE_MS })
  endedWell(t, child)
  t.is(child.stdout, 'ended 200, admitted true\n')
})
