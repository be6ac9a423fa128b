// The shop's clients, a thread of their own, so that a blocked shop does not hold up its load: a steady mix, and in an overload five times the exports that can be done.
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

const TICK_MS = 20
const TIERS = ['critical', 'high', 'normal', 'normal', 'low', 'bulk']
const TENANTS = 10

/** Requests per second by route. */
const CALM = {
  'GET /home': 30,
  'GET /search': 20,
  'GET /products/:id': 30,
  'GET /export': 20,
  'GET /reports': 2,
  'POST /checkout': 10,
  'GET /orders': 40,
}
const OVERLOAD = { ...CALM, 'GET /export': 400 }

let rates = CALM
const owed = new Map()
const agent = new Agent({ keepAlive: true, maxSockets: 600 })

parentPort.on('message', (incident) => {
  rates = incident === 'overload' ? OVERLOAD : CALM
})

function send(route) {
  const [method, pattern] = route.split(' ')
  const pick = Math.floor(Math.random() * 1_000)
  const tenant = route === 'GET /orders' ? `&tenant=tenant-${pick % TENANTS}` : ''
  const path = `${pattern.replace(':id', String(pick))}?tier=${TIERS[pick % TIERS.length]}${tenant}`
  const outgoing = request({ agent, host: '127.0.0.1', port: workerData.port, path, method }, (response) =>
    response.resume(),
  )
  outgoing.on('error', () => {})
  outgoing.end()
}

let lastMs = performance.now()
setInterval(() => {
  const nowMs = performance.now()
  // After a pause of the machine's nothing is made up for.
  const seconds = Math.min(nowMs - lastMs, 5 * TICK_MS) / 1_000
  lastMs = nowMs
  for (const [route, perS] of Object.entries(rates)) {
    const due = (owed.get(route) ?? Math.random()) + perS * seconds
    for (let i = 1; i <= due; i++) send(route)
    owed.set(route, due % 1)
  }
}, TICK_MS)
