/** The same calls on engine 'wasm', whose crossing is cheaper than Node's and whose clock is JavaScript's. */
import { Atrion } from 'atrion'

const ROUTE = 'GET /checkout'
const ROUTES = 16
/** Ticks that take a route through its bootstrap and its tuner's warm-up. */
const WARM_TICKS = 200

const TELEMETRY = Array.from({ length: 8 }, (_, i) => ({ latencyMs: 50 + i, errorRate: 0.01, saturation: 0.3 }))

const create = (isTimed, engine) => {
  let nowMs = 1_000_000
  // A clock that costs nothing shows what the engine costs.
  return new Atrion({ engine, ...(isTimed ? {} : { clock: { now: () => (nowMs += 0.001) } }) })
}

const routing = (engine, isTimed) => () => {
  const names = Array.from({ length: ROUTES }, (_, i) => `GET /route/${i}`)
  const atrion = create(isTimed, engine)
  for (let i = 0; i < WARM_TICKS * ROUTES; i++) atrion.route(names[i % ROUTES], TELEMETRY[i & 7])
  return {
    run: (n) => {
      let admitted = 0
      for (let i = 0; i < n; i++) if (atrion.route(names[i & 15], TELEMETRY[i & 7]).allow) admitted += 1
      if (isTimed && admitted !== n) throw new Error(`${n - admitted} of ${n} calm requests were refused`)
    },
  }
}

const acquiring = (engine, isTimed) => () => {
  const atrion = create(isTimed, engine)
  return {
    run: (n) => {
      for (let i = 0; i < n; i++) {
        const permit = atrion.acquire(ROUTE)
        if (!permit.allow) throw new Error('an idle route refused')
        permit.release()
      }
    },
  }
}

export const contestants = [
  { id: 'route-wasm', title: 'Atrion: route(), wasm', prepare: routing('wasm', true) },
  { id: 'acquire-wasm', title: 'Atrion: acquire() + release(), wasm', prepare: acquiring('wasm', true) },
  { id: 'acquire-free-native', title: '… native, time given', prepare: acquiring('native', false) },
  { id: 'acquire-free-wasm', title: '… wasm, time given', prepare: acquiring('wasm', false) },
]
