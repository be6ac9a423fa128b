// Prints what the shop refuses, from a thread of its own: it reads the states in shared memory, also while the shop's event loop stands still.
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { StreamReader } from 'atrion'

const STDOUT = 1
/** A limit from which there is none to speak of. */
const NO_LIMIT = 10_000
const { buffer, everyMs } = workerData
const reader = new StreamReader(buffer)
/** Requests that were refused by the last line, by route. */
const seen = new Map()

const lineOf = ({ routeId, mode, resistance, inFlight, limit, shed }) => {
  const room = limit < NO_LIMIT ? `${inFlight} of ${Math.round(limit)}` : `${inFlight}`
  const state = mode === 'CIRCUIT_BREAKER' ? ', breaker open' : ''
  return `          ${routeId}: ${shed - (seen.get(routeId) ?? 0)} refused, R ${resistance.toFixed(0)} Ω, ${room} in flight${state}\n`
}

setInterval(() => {
  const { routes } = reader.read()
  for (const route of routes) {
    if (route.shed <= (seen.get(route.routeId) ?? 0)) continue
    try {
      writeSync(STDOUT, lineOf(route))
    } catch {} // a terminal that reads slowly, or is gone: the next line says it
    seen.set(route.routeId, route.shed)
  }
}, everyMs)
