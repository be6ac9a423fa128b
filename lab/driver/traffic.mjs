import { exponential, stream } from './random.mjs'
import { DEFAULT_MIX } from './tiers.mjs'

/**
 * @typedef {object} Flow an open-loop stream of requests: Poisson, whatever the answers are
 * @property {import('./curve.mjs').Curve} load arrivals as a multiple of the plant's nominal capacity
 * @property {number[]} [mix] share of each tier, default 10/20/40/20/10 %
 */

/** The requests that users send, merged over all flows, in order of time. */
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
    this.#flows = flows.map((flow, i) => {
      let total = 0
      const cumulative = (flow.mix ?? DEFAULT_MIX).map((share) => {
        total += share
        return total
      })
      return {
        load: flow.load,
        maxPerMs: (flow.load.max * capacityPerS) / 1000,
        capacityPerMs: capacityPerS / 1000,
        cumulative: cumulative.map((sum) => sum / total),
        uniform: stream(`${seed}/flow-${i}`),
        endMs,
        nextMs: 0,
      }
    })
    for (const flow of this.#flows) advance(flow)
  }

  /** Intended send time of the next request, Infinity after the last. */
  get nextMs() {
    let next = Number.POSITIVE_INFINITY
    for (const flow of this.#flows) if (flow.nextMs < next) next = flow.nextMs
    return next
  }

  /** Takes the next request. @returns {{ tier: number, user: number }} */
  take() {
    let first = this.#flows[0]
    for (const flow of this.#flows) if (flow.nextMs < first.nextMs) first = flow
    advance(first)
    const u = this.#tierStream()
    let tier = 0
    while (u >= first.cumulative[tier] && tier < first.cumulative.length - 1) tier += 1
    return { tier, user: Math.floor(this.#keyStream() * this.#users) }
  }
}

/** Thinning: candidates at the highest rate, each kept with the share that the curve has of it. */
function advance(flow) {
  let t = flow.nextMs
  do {
    t += exponential(flow.uniform) / flow.maxPerMs
    if (t >= flow.endMs) {
      flow.nextMs = Number.POSITIVE_INFINITY
      return
    }
  } while (flow.uniform() * flow.maxPerMs >= flow.load(t) * flow.capacityPerMs)
  flow.nextMs = t
}
