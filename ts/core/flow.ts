/** Law of flow: a request passes if and only if V > R and the breaker is closed. */

import type { FlowDecision, Ohms, Request, RouteState, Timestamp, Volts } from './types.js'

export function createRequest(requestId: string, voltage: number, timestamp: number): Request {
  return { requestId, voltage: voltage as Volts, timestamp: timestamp as Timestamp }
}

/** Decides whether `route` carries `request`, and names the reason if it does not. */
export function decideFlow(request: Request, route: RouteState): FlowDecision {
  if (route.mode === 'CIRCUIT_BREAKER') return { type: 'REJECT', reason: 'CIRCUIT_OPEN' }
  if (request.voltage > route.resistance) return { type: 'PASS', routeId: route.routeId }
  return { type: 'REJECT', reason: 'INSUFFICIENT_VOLTAGE' }
}

/**
 * One of several routes, drawn with probability ∝ e^(−β·R): the path of least resistance, most of the time. Routes
 * with an open breaker are not considered; null when none is left.
 *
 * @param beta β, 1/Ω, default 1: 0 draws evenly, Infinity always takes the least resistance
 * @param random source of randomness in [0, 1), default Math.random
 */
export function selectRoute(
  routes: readonly RouteState[],
  beta = 1,
  random: () => number = Math.random,
): RouteState | null {
  const open = routes.filter((route) => route.mode !== 'CIRCUIT_BREAKER')
  const weights = softmaxWeights(
    open.map((route) => route.resistance),
    beta,
  )
  let remaining = random() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [i, route] of open.entries()) {
    remaining -= weights[i] ?? 0
    if (remaining < 0) return route
  }
  // Rounding, or a `random` that returned 1.
  return open.at(-1) ?? null
}

/** e^(−β·(R − R*)) with R* the favourite's: the same probabilities as e^(−β·R), which underflows beyond a few hundred Ω. */
function softmaxWeights(resistances: readonly Ohms[], beta: number): number[] {
  // A β that is no number expresses no preference.
  if (Number.isNaN(beta)) return resistances.map(() => 1)
  const favourite = beta < 0 ? Math.max(...resistances) : Math.min(...resistances)
  return resistances.map((resistance) => (resistance === favourite ? 1 : Math.exp(-beta * (resistance - favourite))))
}
