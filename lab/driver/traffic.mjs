import { exponential, stream } from './random.mjs'
import { DEFAULT_MIX } from './tiers.mjs'

/**
 * @typedef {object} Flow an open-loop stream of requests: they come whatever the answers are
 * @property {string} [name] by which targets refer to it
 * @property {import('./curve.mjs').Curve} [load] Poisson arrivals as a multiple of the plant's nominal capacity
 * @property {Burst} [burst] arrivals all at once, instead of `load`
 * @property {number[]} [mix] share of each tier, default 10/20/40/20/10 %
 * @property {string} [route] default `GET /work`
 * @property {string} [key] the tenant that all of it belongs to; otherwise each user is a key
 * @property {number} [process] the process that all of it reaches; otherwise any
 * @property {number} [work] multiple of the plant's mean service time, default 1
 * @property {import('./curve.mjs').Curve} [errorRate] share of its work that ends in an error, default the plant's
 */

/**
 * @typedef {object} Burst
 * @property {number} count requests that come together
 * @property {number} everyS
 * @property {number} [fromS] the first, default 0
 * @property {number} [toS] none from here on, default the end
 * @property {number} [spreadMs] over how long they are spread evenly, default 0
 */

/**
 * The flows of a scenario, open and closed, with what they leave out filled in. Clients of a closed flow are users
 * beyond those of the open ones.
 */
export function flowsOf({ traffic, clients = [], plant, durationS }, users) {
  let nextUser = users
  return [...traffic, ...clients].map((flow, index) => {
    const firstUser = flow.clients === undefined ? 0 : nextUser
    if (flow.clients !== undefined) nextUser += flow.clients
    return {
      ...flow,
      index,
      firstUser,
      work: flow.work ?? 1,
      route: flow.route ?? 'GET /work',
      errorRate: flow.errorRate ?? plant.errorRate,
      toMs: (flow.toS ?? durationS) * 1000,
    }
  })
}

/** @param {number[]} [mix] @returns {(uniform: number) => number} the tier that a uniform number draws */
export function tierDrawOf(mix = DEFAULT_MIX) {
  let total = 0
  const sums = mix.map((share) => {
    total += share
    return total
  })
  const cumulative = sums.map((sum) => sum / total)
  return (u) => {
    let tier = 0
    while (u >= cumulative[tier] && tier < cumulative.length - 1) tier += 1
    return tier
  }
}

/** The requests that users send, merged over all open flows, in order of time. */
export class Traffic {
  #flows
  #tierStream
  #keyStream
  #users

  /**
   * @param {{ flows: Flow[], capacityPerS: number, users: number, endMs: number, seed: string }} options
   */
  constructor({ flows, capacityPerS, users, endMs, seed }) {
    this.#users = users
    this.#tierStream = stream(`${seed}/tiers`)
    this.#keyStream = stream(`${seed}/keys`)
    this.#flows = flows.map((flow, index) => ({
      index,
      tierOf: tierDrawOf(flow.mix),
      next: flow.burst === undefined ? thinned(flow, capacityPerS, `${seed}/flow-${index}`) : burstly(flow.burst),
      endMs,
      nextMs: 0,
    }))
    for (const flow of this.#flows) advance(flow)
  }

  /** Intended send time of the next request, Infinity after the last. */
  get nextMs() {
    let next = Number.POSITIVE_INFINITY
    for (const flow of this.#flows) if (flow.nextMs < next) next = flow.nextMs
    return next
  }

  /** Takes the next request. @returns {{ tier: number, user: number, flow: number }} */
  take() {
    let first = this.#flows[0]
    for (const flow of this.#flows) if (flow.nextMs < first.nextMs) first = flow
    advance(first)
    const tier = first.tierOf(this.#tierStream())
    return { tier, user: Math.floor(this.#keyStream() * this.#users), flow: first.index }
  }
}

function advance(flow) {
  flow.nextMs = flow.next(flow.nextMs, flow.endMs)
  if (flow.nextMs >= flow.endMs) flow.nextMs = Number.POSITIVE_INFINITY
}

/** Thinning: candidates at the highest rate, each kept with the share that the curve has of it. */
function thinned({ load }, capacityPerS, name) {
  const uniform = stream(name)
  const maxPerMs = (load.max * capacityPerS) / 1000
  const capacityPerMs = capacityPerS / 1000
  return (fromMs, endMs) => {
    let t = fromMs
    do {
      t += exponential(uniform) / maxPerMs
      if (t >= endMs) return Number.POSITIVE_INFINITY
    } while (uniform() * maxPerMs >= load(t) * capacityPerMs)
    return t
  }
}

function burstly({ count, everyS, fromS = 0, toS = Number.POSITIVE_INFINITY, spreadMs = 0 }) {
  let sent = 0
  return () => {
    const burst = Math.floor(sent / count)
    const atMs = (fromS + burst * everyS) * 1000
    const within = (sent % count) * (spreadMs / count)
    sent += 1
    return atMs < toS * 1000 ? atMs + within : Number.POSITIVE_INFINITY
  }
}
