/** `route()` and `routeBatch()` over warm routes with the tuner on. */
import { Atrion } from 'atrion'

const ROUTES = 16
/** Ticks that take a route through its bootstrap and its tuner's warm-up. */
const WARM_TICKS = 200

/** Made once: it is the call that is measured, not the making of what it is given. */
const TELEMETRY = Array.from({ length: 8 }, (_, i) => ({ latencyMs: 50 + i, errorRate: 0.01, saturation: 0.3 }))

const namesOf = (count) => Array.from({ length: count }, (_, i) => `GET /route/${i}`)

const warm = (engine, names) => {
  const atrion = new Atrion({ engine, autoTuner: true })
  for (let i = 0; i < WARM_TICKS * names.length; i++) {
    atrion.route(names[i % names.length], TELEMETRY[i & 7])
  }
  for (const name of names) {
    if (atrion.getState(name).mode !== 'OPERATIONAL') throw new Error(`${name} is not warm`)
  }
  return atrion
}

const routing = (engine) => () => {
  const names = namesOf(ROUTES)
  const atrion = warm(engine, names)
  return {
    run: (n) => {
      let admitted = 0
      for (let i = 0; i < n; i++) {
        if (atrion.route(names[i & 15], TELEMETRY[i & 7]).allow) admitted += 1
      }
      if (admitted !== n) throw new Error(`${n - admitted} of ${n} calm requests were refused`)
    },
  }
}

const batching = (engine, count) => () => {
  const names = namesOf(count)
  const atrion = new Atrion({ engine, autoTuner: true })
  const samples = new Float64Array(count * 3)
  for (let i = 0; i < count; i++) samples.set([50 + (i & 7), 0.01, 0.3], i * 3)
  const out = new Float64Array(count)
  for (let i = 0; i < WARM_TICKS; i++) atrion.routeBatch(names, samples, out)
  return {
    callsPerRun: count,
    run: (n) => {
      for (let i = 0; i < n; i++) atrion.routeBatch(names, samples, out)
    },
  }
}

const FLEET_ROUTES = 1_000_000

/** @param call a method of a fleet's */
const fleet = (engine, call) => async () => {
  const { Fleet } = await import('atrion/fleet')
  let nowMs = 0
  const many = new Fleet(FLEET_ROUTES, { engine, clock: { now: () => (nowMs += 100) } })
  for (let i = 0; i < FLEET_ROUTES; i++) many.samples.set([50 + (i & 7), 0.01, 0.3], i * 3)
  for (let i = 0; i < 60; i++) many.tick()
  return {
    turn: () => {
      const startedAt = process.hrtime.bigint()
      many[call]()
      return { ns: Number(process.hrtime.bigint() - startedAt) / FLEET_ROUTES }
    },
  }
}

const METRIC_ROUTES = 10_000

const reading = (engine) => () => {
  const atrion = new Atrion({ engine })
  for (const name of namesOf(METRIC_ROUTES)) {
    atrion.acquire(name).release()
    atrion.acquire(name, { saturation: 9 })
  }
  let metrics
  return {
    callsPerRun: METRIC_ROUTES,
    run: (n) => {
      for (let i = 0; i < n; i++) metrics = atrion.metrics(metrics)
      if (metrics.size !== METRIC_ROUTES) throw new Error(`${metrics.size} of ${METRIC_ROUTES} routes were read`)
    },
  }
}

export const contestants = [
  ...['native', 'wasm'].map((engine) => ({
    id: `metrics-${engine}`,
    title: `Atrion: metrics() of ${METRIC_ROUTES.toLocaleString('en')} routes, a route, ${engine}`,
    prepare: reading(engine),
  })),
  ...['native', 'ts'].map((engine) => ({
    id: `route-${engine}`,
    title: `Atrion: route(), ${engine}`,
    prepare: routing(engine),
  })),
  ...[1, 64, 4096].map((count) => ({
    id: `batch-${count}`,
    title: `Atrion: routeBatch() a route, ${count} at once`,
    prepare: batching('native', count),
  })),
  ...['native', 'wasm'].flatMap((engine) =>
    [
      ['fleet', 'tick'],
      ['sweep', 'sweep'],
    ].map(([id, call]) => ({
      id: `${id}-${engine}`,
      title: `Atrion: Fleet.${call}() of ${FLEET_ROUTES.toLocaleString('en')} routes, a route, ${engine}`,
      kind: 'own',
      needs: 'atrion/fleet',
      prepare: fleet(engine, call),
    })),
  ),
  {
    id: 'route-p99',
    title: 'Atrion: route(), p99 of single decisions',
    kind: 'singles',
    prepare: () => {
      const names = namesOf(ROUTES)
      const atrion = warm('native', names)
      return {
        call: (i) => atrion.route(names[i & 15], TELEMETRY[i & 7]),
      }
    },
  },
]
