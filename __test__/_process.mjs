// A thread that shares the process's engine: takes commands, and reports what it sees.
import { parentPort } from 'node:worker_threads'
import { Atrion } from 'atrion'

const atrion = new Atrion({ scope: 'process', maxRoutes: 256 })
const permits = []

const acts = {
  route: ({ routeId, telemetry, times }) => {
    for (let i = 0; i < times; i++) atrion.route(routeId, telemetry)
  },
  routes: ({ count }) => {
    for (let i = 0; i < count; i++) atrion.route(`flood ${i}`, { latencyMs: 1 })
  },
  acquire: ({ routeId, times }) => {
    for (let i = 0; i < times; i++) permits.push(atrion.acquire(routeId, { tier: 'critical' }))
  },
  release: () => {
    for (const permit of permits.splice(0)) permit.release()
  },
  state: ({ routeId }) => atrion.getState(routeId),
  routeIds: () => atrion.getRoutes(),
}

parentPort.on('message', ({ act, ...what }) => parentPort.postMessage(acts[act](what)))
