// The code may change its settings where patches have taken all the room for different pools or laws: the patches give way, and the code's hold.
import test from 'ava'
import { create } from '../_engine.mjs'
import { patch } from './_cluster.mjs'

/** Most pools of an instance. */
const MOST = 1_024

/** Puts routes into pools of their own. */
const fill = (atrion, from, to) => {
  for (let n = from; n < to; n++) atrion.setRouteProfile(`code ${n}`, { pool: `code ${n}` })
}
const turn = () => new Promise((resolve) => setImmediate(resolve))
const poolOf = (atrion, routeId) => atrion.config.explain(`routes.${routeId}.pool`)

test('the code has as much room under patches as without, and as little gives way as is needed', async (t) => {
  const atrion = create()
  const refused = []
  atrion.on('patch_refused', (event) => refused.push(event))
  fill(atrion, 0, MOST - 50)
  const routes = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`patched ${n}`, { pool: `patched ${n}` }]))
  await patch(atrion, { routes }, { layer: 'node', reason: 'many' })
  await patch(atrion, { slo: { maxAcceptableLatencyMs: 700 } }, { layer: 'node', reason: 'one' })
  t.notThrows(() => fill(atrion, MOST - 50, MOST - 2))
  t.notThrows(() => atrion.configure({ limits: { max: 777 } }))
  await turn()
  t.is(poolOf(atrion, `code ${MOST - 3}`).value, `code ${MOST - 3}`)
  t.true(poolOf(atrion, 'patched 1').layers[0].isSetAside)
  t.is(atrion.config.explain('slo.maxAcceptableLatencyMs').value, 700)
  t.deepEqual(
    refused.map(({ reason }) => reason),
    ['many'],
  )
  // All of the room is the code's, and no more.
  t.notThrows(() => fill(atrion, MOST - 2, MOST))
  t.throws(() => atrion.setRouteProfile('one too many', { pool: 'one too many' }), { code: 'ATRION_CONFIG' })
  t.is(poolOf(atrion, 'code 0').value, 'code 0')
})
