// The conditions that are the same for every guard: the shop, its dependency, the traffic, the deadline and what happens when.
import * as documented from '../../lab/contestants/settings.mjs'
import { createRandom } from '../random.mjs'

/** An answer after this is worth nothing to the client, ms. The one number that Atrion is given. */
export const DEADLINE_MS = 300

/** A client hangs up after this, ms. */
export const PATIENCE_MS = 2000

/**
 * The endpoints of the shop, most important first. `share` of arrivals; `cpuMs` is the thread's own work; `needsStock`: it asks the
 * dependency first.
 */
export const ENDPOINTS = [
  { route: 'POST /checkout', tier: 'critical', share: 0.1, cpuMs: 1, needsStock: true },
  { route: 'GET /catalog', tier: 'normal', share: 0.6, cpuMs: 1, needsStock: true },
  { route: 'GET /report', tier: 'bulk', share: 0.3, cpuMs: 5, needsStock: false },
]

/**
 * The dependency: so many workers, and an unbounded queue before them. A zombie is alive, slow, and wrong: some answers carry a seal
 * that does not match.
 */
export const DEPENDENCY = {
  healthy: { workers: 6, fastestMs: 60, slowestMs: 100, wrongShare: 0 },
  zombie: { workers: 6, fastestMs: 160, slowestMs: 280, wrongShare: 0.95 },
}

const stockShare = ENDPOINTS.reduce((sum, { share, needsStock }) => sum + (needsStock ? share : 0), 0)
const { workers, fastestMs, slowestMs } = DEPENDENCY.healthy

/** The capacity of the shop, requests a second: that of its dependency. Its thread can do somewhat more. */
export const CAPACITY_PER_S = (workers * 2000) / (fastestMs + slowestMs) / stockShare

/** Load in calm times and at the peak, ÷ capacity. */
export const CALM = 0.5
export const PEAK = 4

/** The guards of a call to the dependency, or of the shop as a whole. */
export const GUARDS = [
  { id: 'none', name: 'unprotected' },
  { id: 'opossum', name: 'opossum' },
  { id: 'cockatiel', name: 'cockatiel' },
  { id: 'atrion', name: 'Atrion' },
]

/**
 * opossum and cockatiel as the first example of their documentation sets them up, with a time limit equal to the deadline. Their waits
 * before a new attempt, 30 s and 10 s there, are longer than what is left of a run: 1 s here, in their favour.
 */
export const OPOSSUM = { timeout: DEADLINE_MS, ...documented.OPOSSUM, resetTimeout: 1000 }
export const COCKATIEL = { ...documented.COCKATIEL, halfOpenAfterMs: 1000, timeoutMs: DEADLINE_MS }
export const ATRION = { slo: { maxAcceptableLatencyMs: DEADLINE_MS } }

/** The outcomes of a request, as the client saw it. */
export const OUTCOMES = ['good', 'late', 'failed', 'hung up', 'refused']

export const DEFAULT_SECONDS = 48
export const LEAST_SECONDS = 12

/** Phases, each from this share of a run on. */
const PHASES = [
  ['calm', 0],
  ['rising', 1.5 / 12],
  ['peak', 3 / 12],
  ['calm again', 5 / 12],
  ['zombie', 6 / 12],
  ['healed', 9.5 / 12],
]

/** @returns {{ seed: number, runMs: number, phases: { name: string, fromMs: number, toMs: number }[] }} each of the four runs takes a quarter */
export function createPlan({ seconds = DEFAULT_SECONDS, seed = 1 } = {}) {
  const runMs = Math.round((seconds * 1000) / GUARDS.length)
  const phases = PHASES.map(([name, from], i) => ({
    name,
    fromMs: Math.round(runMs * from),
    toMs: Math.round(runMs * (PHASES[i + 1]?.[1] ?? 1)),
  }))
  return { seed, runMs, phases }
}

export const phaseOf = ({ phases }, name) => phases.find((phase) => phase.name === name)

/** The phase at a time of the run. */
export const phaseAt = ({ phases }, atMs) => phases.findLast(({ fromMs }) => atMs >= fromMs) ?? phases[0]

/** Load at a time of the run, ÷ capacity. */
export function loadAt(plan, atMs) {
  const { name, fromMs, toMs } = phaseAt(plan, atMs)
  if (name === 'peak') return PEAK
  return name === 'rising' ? CALM + ((PEAK - CALM) * (atMs - fromMs)) / (toMs - fromMs) : CALM
}

/** Sums of the endpoints' shares. */
const UP_TO = ENDPOINTS.map((_, i) => ENDPOINTS.slice(0, i + 1).reduce((sum, { share }) => sum + share, 0))

/** Poisson arrivals whose rate follows the load: the same seed gives the same requests at the same moments. */
export function createArrivals(plan) {
  const random = createRandom(plan.seed)
  const arrivals = []
  const most = PEAK * CAPACITY_PER_S
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - random()) * 1000) / most
    if (atMs >= plan.runMs) return arrivals
    const isTaken = random() < loadAt(plan, atMs) / PEAK
    const draw = random()
    if (!isTaken) continue
    const endpoint = UP_TO.findIndex((upTo) => draw < upTo)
    arrivals.push({ id: arrivals.length, atMs, endpoint: endpoint < 0 ? ENDPOINTS.length - 1 : endpoint })
  }
}
