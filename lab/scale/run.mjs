/**
 * Simulates what sharing costs one node of a fleet of 10, 100 and 1000: real instances and the real sync loop, and a store that passes on the reports of nodes
 * that do not exist. `node lab/scale/run.mjs`
 */
import { Atrion } from 'atrion'

const ROUTES = 100
/** The share of a node's routes that change in an interval. */
const CHANGED = 0.1
const INTERVAL_MS = 100
const ROUNDS = 30
/** A report of a route in the stores' formats, bytes: see docs/guide/postgres.md and the body of a row there. */
const bytesOf = (routeId) =>
  JSON.stringify([routeId, Math.random() * 100, Math.random() / 100, 1234, 64.123456789, 1795700000000000, 12]).length

class Fleet {
  name = 'Fleet'
  intervalMs = INTERVAL_MS
  listeners = new Map()
  sent = 0
  async connect() {}
  async disconnect() {}
  async getVector() {
    return null
  }
  async updateVector(routeId) {
    this.sent += bytesOf(routeId)
  }
  async deleteVector() {}
  async listRoutes() {
    return []
  }
  subscribe(routeId, onChange) {
    this.listeners.set(routeId, onChange)
    return () => this.listeners.delete(routeId)
  }
}

console.log('nodes   reports/interval   bytes in/s   bytes out/s   CPU ms/s')
for (const nodes of [10, 100, 1000]) {
  const provider = new Fleet()
  const atrion = new Atrion({ provider })
  await atrion.connect()
  const names = Array.from({ length: ROUTES }, (_, n) => `GET /api/v1/items/${n}`)
  for (const name of names) for (let n = 0; n < 30; n++) atrion.route(name, { latencyMs: 100 })
  await atrion.flush()
  const before = provider.sent
  let received = 0
  let reports = 0
  const startedAt = process.cpuUsage()
  for (let round = 0; round < ROUNDS; round++) {
    for (let node = 1; node < nodes; node++) {
      for (let n = 0; n < ROUTES * CHANGED; n++) {
        const routeId = names[(node * 7 + round * 13 + n) % ROUTES]
        received += bytesOf(routeId)
        reports += 1
        provider.listeners.get(routeId)(
          { scar: n, momentumScalar: 0, lastTick: round, resistance: 10 + n },
          { node: `${node}`, requests: 10 },
        )
      }
    }
    for (let n = 0; n < ROUTES * CHANGED; n++) atrion.route(names[(round * 13 + n) % ROUTES], { latencyMs: 100 })
    await atrion.flush()
  }
  const { user, system } = process.cpuUsage(startedAt)
  const perS = 1000 / INTERVAL_MS / ROUNDS
  const cells = [
    nodes,
    reports / ROUNDS,
    received * perS,
    (provider.sent - before) * perS,
    ((user + system) / 1000) * perS,
  ]
  console.log(cells.map((cell) => String(Math.round(cell)).padStart(12)).join(' '))
  await atrion.disconnect()
}
