// Clients whose next request depends on the last answer: those that try again, and those that wait for an answer before
// they ask for more.
import { OUTCOME } from './log.mjs'
import { exponential, stream } from './random.mjs'

/**
 * A finite population whose members try again: after a refusal, an error, or silence until the deadline, up to
 * `retry.attempts` times, waiting `retry.backoffMs`·2^n with ±50 % jitter.
 */
export class RetryingClients {
  #world
  #retry
  #deadlineMs
  #busy
  #jitter
  #settled = []

  constructor(scenario, world, users) {
    this.#world = world
    this.#retry = scenario.retry
    this.#deadlineMs = scenario.plant.deadlineMs
    this.#busy = new Uint8Array(users)
    this.#jitter = stream(`${world.seed}/retries`)
  }

  /** A new request of a user; one with a request still open sends no second. */
  request(request) {
    if (this.#busy[request.user] === 1) return
    this.#busy[request.user] = 1
    this.#attempt(request, 0, -1)
  }

  #attempt(request, attempt, root) {
    // The timeout first: an answer within `send` must find it unsettled.
    const i = this.#world.log.length
    this.#world.schedule(this.#world.nowMs + this.#deadlineMs, { handle: () => this.answered(i, false) }, i)
    this.#world.send(request, attempt, root)
  }

  answered(i, good) {
    if (this.#settled[i] === true) return
    this.#settled[i] = true
    const { log } = this.#world
    const attempt = log.attempt[i]
    if (good || attempt === this.#retry.attempts) {
      this.#busy[log.user[i]] = 0
      return
    }
    const waitMs = this.#retry.backoffMs * 2 ** attempt * (0.5 + this.#jitter())
    const request = { tier: log.tier[i], user: log.user[i], flow: log.flow[i] }
    const again = { handle: () => this.#attempt(request, attempt + 1, log.root[i]) }
    this.#world.schedule(this.#world.nowMs + waitMs, again, i)
  }
}

/**
 * @typedef {object} ClosedFlow clients that ask again once they have their answer, whatever it is: what a benchmark tool does,
 * and a fixed number of workers
 * @property {number} clients how many; each is a user of its own
 * @property {number} thinkMs mean time from an answer to the next request, exponential
 * @property {number} [roundTripMs] the least time from an answer to the next request, default 1
 * @property {number} [afterRefusalMs] the least time from a refusal to the next request, default `roundTripMs`
 * @property {number} [fromS] when they begin, spread over one mean think time, default 0
 * @property {number} [toS] when they stop, default the end
 */

/** The clients of one closed flow. */
export class ClosedClients {
  #flow
  #world
  #tierOf
  #chance

  /** @param {{ flow: ClosedFlow, world: object, tierOf: (uniform: number) => number, name: string }} options */
  constructor({ flow, world, tierOf, name }) {
    this.#flow = flow
    this.#world = world
    this.#tierOf = tierOf
    this.#chance = stream(`${world.seed}/${name}`)
    for (let user = 0; user < flow.clients; user += 1) this.#later(user, (flow.fromS ?? 0) * 1000)
  }

  answered(i) {
    const { log, nowMs } = this.#world
    const { roundTripMs = 1, afterRefusalMs = roundTripMs, firstUser } = this.#flow
    this.#later(log.user[i] - firstUser, nowMs + (log.outcome[i] === OUTCOME.shed ? afterRefusalMs : roundTripMs))
  }

  #later(user, fromMs) {
    const atMs = fromMs + this.#flow.thinkMs * exponential(this.#chance)
    if (atMs >= this.#flow.toMs) return
    const ask = () => {
      const request = { tier: this.#tierOf(this.#chance()), user: this.#flow.firstUser + user, flow: this.#flow.index }
      this.#world.send(request, 0, -1)
    }
    this.#world.schedule(atMs, { handle: ask }, -1)
  }
}
