// The conditions that are the same for both runs: traffic, timeline, the dependency's failure, and the set-up of each guard.
import { OPOSSUM } from '../../lab/contestants/settings.mjs'
import { createRandom } from '../random.mjs'

/** Classes of requests, most important first. `share` of arrivals, `voltage` in V (Atrion alone knows of it). */
export const CLASSES = [
  { name: 'checkout', share: 0.2, voltage: 150 },
  { name: 'browse', share: 0.5, voltage: 80 },
  { name: 'export', share: 0.3, voltage: 40 },
]

/** The outcomes of a request, as the client saw it. Only `refused` never reached the dependency. */
export const OUTCOMES = ['good', 'late', 'wrong', 'timeout', 'refused']

export const ARRIVALS_PER_SECOND = 120

/** A right answer after this is worth nothing to the client, ms. */
export const DEADLINE_MS = 300

/** Either guard gives up on a call to the dependency after this, ms. */
export const CALL_TIMEOUT_MS = 3000

/** Sockets from the service to the dependency: what `saturation` is a share of. */
export const POOL_SIZE = 512

/**
 * The dependency. A zombie is alive (its health check answers at once), slow (few workers, each slower, and a queue
 * before them that is unbounded) and wrong (a share of its answers carries a seal that does not match).
 */
export const DEPENDENCY = {
  healthy: { workers: 16, fastestMs: 8, slowestMs: 16, wrongShare: 0 },
  zombie: { workers: 4, fastestMs: 80, slowestMs: 120, wrongShare: 0.3 },
}

/**
 * A static health check and opossum. The timeout and the threshold are those of opossum's README. Its resetTimeout there
 * is 30,000 ms, longer than what is left of a run: 5,000 ms here, in the breaker's favour.
 */
export const CLASSIC = {
  healthCheck: { everyMs: 1000, timeoutMs: 500, failuresToLeave: 2, successesToReturn: 2 },
  breaker: { timeout: CALL_TIMEOUT_MS, ...OPOSSUM, resetTimeout: 5000 },
}

/**
 * Atrion's open loop. The objective is the service's own. A tick a request makes about 120 ticks a second here, more
 * than the defaults have in mind: each leaves less of a scar, and the scar fades within seconds. Under lasting trauma S
 * settles where it fades as fast as it grows, at 120 × scarFactor ÷ decayRate = 240 Ω: above every voltage, so that in
 * the end no request is sent to a zombie, and near enough that all are back seconds after it healed. Below minFloor no
 * breaker opens: voltage decides who flows.
 */
export const ATRION = {
  slo: { baselineLatencyMs: 50, maxAcceptableLatencyMs: DEADLINE_MS, targetErrorRate: 0.05 },
  config: { scarFactor: 2, decayRate: 1 },
  autoTuner: { minFloor: 200 },
}

/** Time over which the service measures its telemetry, ms. */
export const WINDOW_MS = 500

export const DEFAULT_SECONDS = 50
export const LEAST_SECONDS = 6

/**
 * When the dependency falls ill and when it heals, in ms from the start of a run; each of the two runs takes half of the
 * seconds. `breaker` replaces settings of the classic breaker.
 */
export function createPlan({ seconds = DEFAULT_SECONDS, seed = 1, breaker = {} } = {}) {
  const runMs = Math.round((seconds * 1000) / 2)
  const illAtMs = Math.round(runMs * 0.2)
  const healedAtMs = Math.round(runMs * 0.6)
  return { seed, runMs, illAtMs, healedAtMs, breaker: { ...CLASSIC.breaker, ...breaker } }
}

/** Returns the state of the dependency at a time of the run. */
export const phaseAt = ({ illAtMs, healedAtMs }, atMs) =>
  atMs < illAtMs ? 'healthy' : atMs < healedAtMs ? 'zombie' : 'healed'

/** Poisson arrivals: the same seed gives the same requests at the same moments. */
export function createArrivals({ seed, runMs }) {
  const random = createRandom(seed)
  const arrivals = []
  const gapMs = () => (-Math.log(1 - random()) * 1000) / ARRIVALS_PER_SECOND
  for (let atMs = gapMs(); atMs < runMs; atMs += gapMs()) {
    const draw = random()
    const bound = CLASSES.map((_, i) => CLASSES.slice(0, i + 1).reduce((sum, { share }) => sum + share, 0))
    const index = bound.findIndex((upTo) => draw < upTo)
    arrivals.push({
      id: arrivals.length,
      atMs,
      class: CLASSES[Math.max(index, 0)].name,
      items: 20 + Math.floor(random() * 60),
    })
  }
  return arrivals
}
