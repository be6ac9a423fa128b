// Threads of JavaScript that end in the middle while threads of the addon run: the process lives, and ends by itself.
import test from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { single } from '../_redis/servers.mjs'

const THREADS = 48

test('many workers terminated during a round of their sync loops affect no other', async (t) => {
  t.timeout(PATIENCE_MS)
  const server = await single()
  t.teardown(() => server.stop())
  const redis = JSON.stringify({ host: '127.0.0.1', port: server.port })
  const end = await runScript('_redis/terminated.mjs', { args: [String(THREADS), redis] })
  endedWell(t, end)
  t.deepEqual(JSON.parse(end.stdout), { ended: THREADS })
})
