// Exercises the package inside a runtime and reports; the caller judges the report.
import { Atrion, VirtualClock } from 'atrion'
import { withAtrion } from 'atrion/fetch'
import GOLDEN from './golden.mjs'
import { vectorsOf } from './worlds.mjs'

const create = (options) => new Atrion({ engine: 'wasm', ...options })

/** The names of the vectors that came out otherwise. */
const differences = (vectors) =>
  Object.entries(vectors).flatMap(([kind, worlds]) =>
    worlds.flatMap((world, i) =>
      JSON.stringify(world) === JSON.stringify(GOLDEN[kind][i]) ? [] : [`${kind} ${world.seed}`],
    ),
  )

const routed = () => {
  const atrion = new Atrion()
  const decision = atrion.route('GET /', { latencyMs: 80 })
  return { engine: atrion.engine, decision }
}

const permits = () => {
  const atrion = new Atrion()
  const permit = atrion.acquire('GET /', { tier: 'high', key: 'me' })
  const during = atrion.stats('GET /').inFlight
  permit.release()
  return { allow: permit.allow, during, after: atrion.stats('GET /').inFlight }
}

const leases = async () => {
  const clock = new VirtualClock(0)
  const atrion = create({ clock })
  const lease = await atrion.startTask('job', { profile: 'STANDARD' })
  const during = atrion.stats('job').inFlight
  await lease.release('failed')
  return { during, after: atrion.stats('job').inFlight, scar: atrion.getState('job').scarTissue }
}

const ran = () => new Atrion().run('r', (signal) => (signal.aborted ? 'aborted' : 'ran'))
const ranBlindly = () => new Atrion().run('r', () => 'ran')

const fetched = async () => {
  const handler = withAtrion((request) => new Response(`${request.method} done`), { atrion: new Atrion(), route: 'r' })
  const response = await handler(new Request('http://example.test/'))
  return `${response.status} ${await response.text()}`
}

/** Permits that are out while a body is, after it was read, and after another was cancelled. */
const streamed = async () => {
  const atrion = new Atrion()
  const handler = withAtrion(
    () => {
      let left = 3
      const pull = (controller) =>
        left-- > 0 ? controller.enqueue(new TextEncoder().encode('part ')) : controller.close()
      return new Response(new ReadableStream({ pull }), { status: 203, headers: { 'x-kind': 'streamed' } })
    },
    { atrion, route: 'r' },
  )
  const out = () => atrion.stats('r').inFlight
  /** Reads the value again for a few turns: the end of a body is reported in a microtask of its own. */
  const settled = async () => {
    for (let turn = 0; turn < 20 && out() > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
    return out()
  }
  const ask = () => handler(new Request('http://example.test/'))
  const response = await ask()
  const during = out()
  const text = await response.text()
  const report = `${response.status} ${response.headers.get('x-kind')} ${text}`
  const read = await settled()
  const reader = (await ask()).body.getReader()
  await reader.read()
  await reader.cancel()
  return { report, during, read, cancelled: await settled(), failures: atrion.stats('r').failures }
}

/** The golden worlds, fewer of them where `share` is below 1. */
export const check = async ({ share = 1 } = {}) => {
  const some = (worlds) => worlds.slice(0, Math.max(1, Math.ceil(worlds.length * share)))
  const plan = Object.fromEntries(
    Object.entries(GOLDEN).map(([kind, worlds]) => [
      kind,
      some(worlds).map(({ digest: _, samples: __, ...world }) => world),
    ]),
  )
  const startedAt = performance.now()
  const first = routed()
  const firstDecisionMs = performance.now() - startedAt
  return {
    ...first,
    firstDecisionMs,
    permits: permits(),
    leases: await leases(),
    ran: [await ran(), await ranBlindly()],
    fetched: await fetched(),
    streamed: await streamed(),
    worlds: Object.values(plan).flat().length,
    differences: differences(vectorsOf(create, plan)),
  }
}
