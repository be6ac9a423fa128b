// Profiles: what is slow for a health check is fast for a report, and a route may have numbers of its own.
import { Atrion } from 'atrion'

const atrion = new Atrion()
atrion.setRouteProfile('GET /health', 'LIGHT') // 10 ms expected, scars twice as deep
atrion.setRouteProfile('POST /reports', 'HEAVY') // 5 s expected, scars half as deep
atrion.setRouteProfile('POST /pay', { scarFactor: 2 }) // 2 Ω a wound instead of 5: refused later

const routes = ['GET /health', 'GET /orders', 'POST /reports', 'POST /pay']
for (const routeId of routes) for (let tick = 0; tick < 20; tick += 1) atrion.route(routeId, { latencyMs: 300 })

console.log('The same 300 ms, twenty times:')
for (const routeId of routes) {
  const { resistance, mode, scarTissue } = atrion.getState(routeId)
  console.log(`${routeId.padEnd(14)} R=${resistance.toFixed(1)}Ω S=${scarTissue.toFixed(1)}Ω ${mode}`)
}

// One call may be judged by another profile than the route's.
const { resistance } = atrion.route('GET /orders', { latencyMs: 300 }, { profile: 'EXTREME' })
console.log(`GET /orders, this once as EXTREME: R=${resistance.toFixed(1)}Ω`)
