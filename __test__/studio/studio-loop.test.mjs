// Studio's view of the event loop is the watchdog's, and its trail has the requests that were cancelled for what they held.
import { setTimeout as sleep } from 'node:timers/promises'
import { isShedError } from 'atrion'
import { atrionStudio } from 'atrion/studio'
import ava from 'ava'
import { block } from '../_block.mjs'
import { create, engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { serve, writerOf } from './_studio.mjs'

const test = engine === 'native' ? ava.serial : ava.skip

const start = async (t, atrion) => {
  const studio = atrionStudio(atrion, { authorize: () => ({ role: 'write', name: 'dana' }) })
  const server = await serve(t, studio)
  const { viewer } = await writerOf(t, server)
  return viewer
}

test('each stall that the watchdog knows is a block of the loop, those between two samples as well', async (t) => {
  t.timeout(PATIENCE_MS)
  const atrion = create({ watchdog: true })
  const viewer = await start(t, atrion)
  await viewer.until(({ process }) => process !== undefined)
  // Time in which a busy machine lets nothing of the process run is no stall: blocked again until there were three.
  let stalls = 0
  atrion.on('stall', ({ durationMs }) => {
    if (durationMs >= 100) stalls += 1
  })
  while (stalls < 3) {
    block(120)
    await sleep(1)
  }
  t.true(atrion.metrics().loop.stalls >= stalls)
  const { process } = await viewer.until(({ process }) => process.blocks >= 3)
  t.true(process.longestBlockMs >= 100, `${process.longestBlockMs}`)
})

test('a request that was cancelled for what it held is in the trail', async (t) => {
  t.timeout(PATIENCE_MS)
  const atrion = create()
  const viewer = await start(t, atrion)
  atrion.setRouteProfile('GET /report', { limits: { max: 1, initial: 1 } })
  for (let i = 0; i < 3000; i++) atrion.acquire('GET /report').release()
  const held = atrion.run(
    'GET /report',
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    { cancellable: true, tier: 'bulk' },
  )
  let isHeld = true
  const ended = held.catch((error) => error).finally(() => (isHeld = false))
  while (isHeld) {
    atrion.acquire('GET /report', { tier: 'critical' }).release()
    await sleep(5)
  }
  t.true(isShedError(await ended))
  const { audit } = await viewer.until(({ audit }) => audit.length > 0)
  t.is(audit[0].by, 'culprits')
  t.regex(audit[0].text, /^Request of GET \/report, bulk, after \d+ ms cancelled: it held 1 while others waited$/)
  t.false(audit[0].canUndo)
})
