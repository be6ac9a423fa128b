// The grid: one plant in every proportion of servers, deadline, load and service law. A law that knows none of these may
// presume none.
import { flat } from '../driver/curve.mjs'

/** Servers. */
export const SERVERS = [1, 2, 4, 10, 50, 200]
/** Deadline ÷ mean service time. */
export const DEADLINES = [2, 3, 5, 10, 30, 1000]
/** Arrivals ÷ capacity. */
export const LOADS = [0.3, 0.6, 0.8, 1.2, 3]
export const LAWS = ['constant', 'exponential', 'bimodal', 'lognormal', 'uniform', 'erlang', 'hyperexponential']

/** Mean service time of every cell, ms. */
const SERVICE_MS = 50

const WARM_REQUESTS = 3000
const SCORED_REQUESTS = 6000
const WARM_S = 3
const SCORED_S = 3
/** The length of a growing queue, in deadlines, at which the warm-up ends, within this many requests. */
const WARM_DEADLINES = 1.5
const WARM_MOST_REQUESTS = 30_000
const QUICK = {
  servers: [1, 10, 200],
  deadlines: [2, 5, 30],
  loads: [0.6, 3],
  laws: ['constant', 'exponential', 'lognormal'],
}

/**
 * @typedef {object} Cell
 * @property {number} servers
 * @property {number} deadline in mean service times
 * @property {number} load
 * @property {string} law of the service times
 */

/** @param {boolean} quick a slice of the grid @returns {Cell[]} in the order of the record */
export function cellsOf(quick = false) {
  const axes = quick ? QUICK : { servers: SERVERS, deadlines: DEADLINES, loads: LOADS, laws: LAWS }
  return axes.laws.flatMap((law) =>
    axes.loads.flatMap((load) =>
      axes.servers.flatMap((servers) => axes.deadlines.map((deadline) => ({ servers, deadline, load, law }))),
    ),
  )
}

/** Identity of a cell in records and messages. @param {Cell} cell */
export const keyOf = ({ law, load, servers, deadline }) => `${law} load ${load} c ${servers} D/s ${deadline}`

/**
 * The cell as a scenario: cold start, a warm-up, then the scored window.
 * @param {Cell} cell
 */
export function scenarioOf({ servers, deadline, load, law }) {
  const deadlineMs = deadline * SERVICE_MS
  const perS = (load * servers * 1000) / SERVICE_MS
  let warmS = Math.max(WARM_S, WARM_REQUESTS / perS)
  if (load > 1) {
    const filledS = (WARM_DEADLINES * deadlineMs) / 1000 / (load - 1)
    warmS = Math.max(warmS, Math.min(filledS, WARM_MOST_REQUESTS / perS))
  }
  const durationS = warmS + Math.max(SCORED_S, SCORED_REQUESTS / perS)
  return {
    // The name seeds the run; the deadline is not in it, so that a row of cells sees the same arrivals and services.
    name: `grid/${law}/${load}/${servers}`,
    plant: { kind: 'pool', workers: servers, serviceMs: SERVICE_MS, service: law, deadlineMs },
    traffic: [{ load: flat(load) }],
    durationS,
    warmS,
  }
}
