// The conditions that are the same for both runs: traffic, the dependency's death, the deploy, and how the servers are set up.
import { createRandom } from '../random.mjs'

export const SERVERS = ['A', 'B', 'C']

/** To all servers together, round robin. */
export const ARRIVALS_PER_SECOND = 240

/** The time that the dependency takes for an answer, ms. */
export const SERVICE_MS = { fastest: 5, slowest: 15 }

/** A server gives up on a call to the dependency after this, ms. A dead one refuses the connection at once. */
export const CALL_TIMEOUT_MS = 1000

/** Atrion as it comes: every number is its default, with sharing and without. */
export const ATRION = {}

/** The route of the dependency; the adapter in front of the handler has one of its own. */
export const ROUTE = 'pricing'
export const FRONT_ROUTE = 'GET /quote'

/**
 * The outcomes of a request. `good`: a price of the dependency. `fallback`: the list price, at once, because Atrion refused the
 * call. `wasted`: the list price too, but only after the call had been sent, and failed. `refused`: the adapter in front
 * answered 503.
 */
export const OUTCOMES = ['good', 'fallback', 'wasted', 'refused']

export const DEFAULT_SECONDS = 48
export const LEAST_SECONDS = 12

/**
 * When the dependency dies and comes back, and when each server is replaced by a new process, in ms from the start of a run;
 * each of the two runs takes half of the seconds.
 */
export function createPlan({ seconds = DEFAULT_SECONDS, seed = 1 } = {}) {
  const runMs = Math.round((seconds * 1000) / 2)
  const at = (share) => Math.round(runMs * share)
  return {
    seed,
    runMs,
    diesAtMs: at(1 / 6),
    replacedAtMs: SERVERS.map((_, i) => at(0.3 + 0.06 * i)),
    healedAtMs: at(2 / 3),
  }
}

/** Returns the state of the dependency at a time of the run. */
export const phaseAt = ({ diesAtMs, healedAtMs }, atMs) =>
  atMs < diesAtMs ? 'healthy' : atMs < healedAtMs ? 'dead' : 'healed'

/** Poisson arrivals, ms: the same seed gives the same requests at the same moments. */
export function createArrivals({ seed, runMs }) {
  const random = createRandom(seed)
  const gapMs = () => (-Math.log(1 - random()) * 1000) / ARRIVALS_PER_SECOND
  const arrivals = []
  for (let atMs = gapMs(); atMs < runMs; atMs += gapMs()) arrivals.push(atMs)
  return arrivals
}
