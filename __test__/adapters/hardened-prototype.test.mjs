// Properties that a dependency gave Object.prototype are no options of an adapter, and no headers of a request.
import { Atrion } from 'atrion'
import { withAtrion } from 'atrion/fetch'
import { atrionUndici } from 'atrion/undici'
import ava from 'ava'
import { Agent, request } from 'undici'
import { ask, CALM, close, create } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { FRAMEWORKS } from '../_frameworks.mjs'

// Object.prototype is the process's: one after the other.
const test = engine === 'ts' ? ava.skip : ava.serial

const called = []
const note = (name, answer) => () => {
  called.push(name)
  return answer
}
const HOSTILE = {
  route: note('route', 'one for all'),
  tier: note('tier', 'critical'),
  key: note('key', 'one for all'),
  skip: note('skip', true),
  onShed: note('onShed', undefined),
  maxStreams: -1,
  maxWaitMs: -1,
  trustHeaders: true,
  propagate: true,
  signals: [note('signals', 1)],
  pressure: 5,
  'x-atrion-tier': 'critical',
  'x-atrion-voltage': '1e9',
  'access-control-request-method': 'GET',
  nothingOfOurs: 1,
}

const polluted = async (names, work, enumerable = true) => {
  for (const [name, value] of Object.entries(names)) {
    Object.defineProperty(Object.prototype, name, { value, enumerable, writable: true, configurable: true })
  }
  try {
    return await work()
  } finally {
    for (const name of Object.keys(names)) delete Object.prototype[name]
  }
}

/** Names that a framework itself takes from Object.prototype, and fails by. */
const BREAKS = { 'express 4': ['route'], 'express 5': ['route'] }

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: no option comes from Object.prototype`, async (t) => {
    for (const [polluting, value] of Object.entries(HOSTILE)) {
      if (BREAKS[name]?.includes(polluting)) continue
      called.length = 0
      const atrion = create()
      const tiers = []
      const { acquire } = atrion
      atrion.acquire = (routeId, options) => {
        tiers.push(options.tier, options.voltage, options.key)
        return acquire.call(atrion, routeId, options)
      }
      await polluted(
        { [polluting]: value },
        async () => {
          const server = await start(atrion, { ...CALM }, async () => 'good')
          t.is((await ask(server, '/a')).status, 200, polluting)
          atrion.override('GET /a', 'open')
          const shed = await ask(server, '/a')
          t.is(shed.status, 503, polluting)
          await close(server)
          // Hono itself reads every enumerable name.
        },
        name !== 'hono',
      )
      t.deepEqual(called, [], polluting)
      t.deepEqual([...new Set(tiers)], [undefined], polluting)
      t.deepEqual(
        atrion.getRoutes().filter((routeId) => routeId !== 'GET /a'),
        [],
        polluting,
      )
    }
  })
}

test('no option of withAtrion() comes from Object.prototype', async (t) => {
  for (const [polluting, value] of Object.entries({
    ...HOSTILE,
    state: note('state'),
    atrion: note('atrion'),
    retryAfterMs: 1e9,
  })) {
    called.length = 0
    const atrion = new Atrion({ engine })
    await polluted({ [polluting]: value }, async () => {
      const handle = withAtrion(async () => new Response('good'), polluting === 'atrion' ? {} : { atrion })
      t.is(await (await handle(new Request('http://host/'))).text(), 'good', polluting)
      atrion.override('GET *', 'open')
      if (polluting !== 'atrion') t.is((await handle(new Request('http://host/'))).status, 503, polluting)
    })
    t.deepEqual(called, [], polluting)
  }
})

test('no option of atrionUndici() comes from Object.prototype', async (t) => {
  const server = await FRAMEWORKS.http(create(), { ...CALM }, async () => 'good')
  const origin = `http://127.0.0.1:${server.address().port}`
  for (const polluting of ['route', 'tier', 'key', 'skip', 'propagate', 'nothingOfOurs']) {
    called.length = 0
    const atrion = new Atrion({ engine })
    const dispatcher = await polluted({ [polluting]: HOSTILE[polluting] }, () =>
      new Agent().compose(atrionUndici(atrion, {})),
    )
    t.is(await (await request(`${origin}/a`, { dispatcher })).body.text(), 'good')
    t.deepEqual(called, [], polluting)
    t.deepEqual(atrion.getRoutes(), [origin], polluting)
    await dispatcher.close()
  }
  await close(server)
})
