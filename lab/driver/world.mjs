// The part of a run that a plant sees: time, the log, the controllers' decisions, and a place to schedule events.
import { ClosedClients, RetryingClients } from './clients.mjs'
import { EventHeap } from './heap.mjs'
import { OUTCOME, RequestLog } from './log.mjs'
import { PLANTS } from './plants.mjs'
import { stream } from './random.mjs'
import { TIERS } from './tiers.mjs'
import { RunClock } from './time.mjs'
import { flowsOf, tierDrawOf } from './traffic.mjs'

/**
 * @typedef {object} GiveUp clients that do not wait until the deadline
 * @property {number} afterMs
 * @property {'held' | 'forgotten' | 'cancelled'} work what becomes of theirs: it goes on and its permit ends with it, it goes on
 * though its permit has gone back, or it stops
 */

/** A request as a contestant sees it. */
class Asked {
  #log
  #i
  #flow

  constructor(world, i, queueAgeMs, whenGone) {
    this.#log = world.log
    this.#i = i
    this.#flow = world.flowOf(i)
    this.queueAgeMs = queueAgeMs
    this.nowMs = world.nowMs
    this.whenGone = whenGone
  }

  get route() {
    return this.#flow.route
  }

  get tier() {
    return TIERS[this.#log.tier[this.#i]]
  }

  /** Most contestants look at no key, and a text for each request is a good part of the work. */
  get key() {
    return this.#flow.key ?? `user-${this.#log.user[this.#i]}`
  }
}

export class World {
  log = new RequestLog()
  /** @type {EventHeap<{ target: { handle(i: number): void }, i: number }>} */
  heap = new EventHeap()
  clock
  seed
  plant
  flows
  #contestants
  #permits = []
  #goodWithinMs
  #giveUp
  #retrying = null
  #closed = new Map()
  #errors
  #processOf

  /** @param {{ scenario: object, contestants: object[], seed: number, clock?: RunClock, users: number }} options one contestant for each process */
  constructor({ scenario, contestants, seed, clock = new RunClock(), users }) {
    this.seed = `${scenario.name}/${seed}`
    this.clock = clock
    this.#contestants = contestants
    this.#goodWithinMs = scenario.plant.deadlineMs
    this.#giveUp = scenario.giveUp
    this.#errors = stream(`${this.seed}/errors`)
    this.#processOf = stream(`${this.seed}/processes`)
    this.flows = flowsOf(scenario, users)
    this.plant = new PLANTS[scenario.plant.kind](scenario.plant, this)
    if (scenario.retry !== undefined) this.#retrying = new RetryingClients(scenario, this, users)
    for (const flow of this.flows) {
      if (flow.clients === undefined) continue
      const name = `clients-${flow.index}`
      this.#closed.set(flow.index, new ClosedClients({ flow, world: this, tierOf: tierDrawOf(flow.mix), name }))
    }
  }

  get nowMs() {
    return this.clock.nowMs
  }

  /** Calls `target.handle(i)` at that time. */
  schedule(atMs, target, i) {
    this.heap.push(atMs, { target, i })
  }

  /** The flow that request i belongs to. */
  flowOf(i) {
    return this.flows[this.log.flow[i]]
  }

  /** Returns whether work that ends now ends in an error. @param {number} i */
  fails(i) {
    const rate = this.flowOf(i).errorRate
    return rate !== undefined && this.#errors() < rate(this.nowMs)
  }

  /** Sends one attempt into the plant, now. @returns {number} its index in the log */
  send({ tier, user, flow }, attempt, root) {
    const i = this.log.add(this.nowMs, tier, user, attempt, root, flow)
    const { process } = this.flows[flow]
    if (process !== undefined) this.log.process[i] = process
    else if (this.#contestants.length > 1)
      this.log.process[i] = Math.floor(this.#processOf() * this.#contestants.length)
    if (this.#giveUp !== undefined) {
      this.schedule(this.nowMs + this.#giveUp.afterMs, { handle: () => this.#hangUp(i) }, i)
    }
    this.plant.arrive(i)
    return i
  }

  /** A new request of a user. */
  request(request) {
    if (this.#retrying === null) this.send(request, 0, -1)
    else this.#retrying.request(request)
  }

  /** Asks the controller; the plant's `admitted` or `refused` is called now, or once it has made up its mind. */
  decide(i, queueAgeMs) {
    const answer = this.#contestants[this.log.process[i]].admit(new Asked(this, i, queueAgeMs, this.#whenGone(i)))
    if (answer instanceof Promise) answer.then((permit) => this.#decided(i, permit))
    else if (answer?.whenDecided !== undefined) answer.whenDecided((permit) => this.#decided(i, permit))
    else this.#decided(i, answer)
  }

  /** The functions to call when the client of a request that waits for a decision hangs up, by request. */
  #leaves = new Map()

  #whenGone(i) {
    return this.#giveUp && ((leave) => this.#leaves.set(i, leave))
  }

  #decided(i, permit) {
    if (this.#giveUp !== undefined) this.#leaves.delete(i)
    if (this.log.outcome[i] === OUTCOME.gaveUp) {
      permit?.end('ignored')
    } else if (permit === null) {
      this.plant.refused(i)
    } else {
      this.#permits[i] = permit
      this.plant.admitted(i)
    }
  }

  /** Request i was refused, and its client knows. */
  shed(i) {
    this.#answer(i, OUTCOME.shed)
  }

  /** The work of request i is done. */
  finish(i, succeeded) {
    const permit = this.#permits[i]
    // The permit went back when the client hung up.
    if (permit === undefined) return
    this.#permits[i] = undefined
    const hungUp = this.log.outcome[i] === OUTCOME.gaveUp
    permit.end(hungUp ? 'ignored' : succeeded ? 'success' : 'failure')
    if (!hungUp) this.#answer(i, succeeded ? OUTCOME.success : OUTCOME.failure)
  }

  /** The client of request i has waited long enough. */
  #hangUp(i) {
    const { log } = this
    if (log.outcome[i] !== OUTCOME.pending) return
    const permit = this.#permits[i]
    this.#answer(i, OUTCOME.gaveUp)
    if (permit === undefined) {
      this.#leaves.get(i)?.()
      this.#leaves.delete(i)
      return
    }
    // A handler that does not notice holds its permit until its work is done.
    if (this.#giveUp.work === 'held') return
    this.#permits[i] = undefined
    if (this.#giveUp.work === 'cancelled') this.plant.cancel(i)
    permit.end('ignored')
  }

  #answer(i, outcome) {
    const { log } = this
    log.outcome[i] = outcome
    log.endedMs[i] = this.nowMs
    const good = outcome === OUTCOME.success && this.nowMs - log.sentMs[i] <= this.#goodWithinMs
    if (good) log.served[log.root[i]] = 1
    this.#retrying?.answered(i, good)
    this.#closed.get(log.flow[i])?.answered(i)
  }
}
