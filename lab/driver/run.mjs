// One run: one scenario, one contestant, one seed. Discrete events in virtual time, deterministic to the bit.

import { CpuPlant } from './cpu.mjs'
import { EventHeap } from './heap.mjs'
import { OUTCOME, RequestLog } from './log.mjs'
import { PoolPlant } from './pool.mjs'
import { stream } from './random.mjs'
import { TIERS } from './tiers.mjs'
import { flush, RunClock } from './time.mjs'
import { Traffic } from './traffic.mjs'

const DEFAULT_USERS = 10_000
/** After the last arrival the plant may work on for this many deadlines; what is then unanswered never was. */
const DRAIN_DEADLINES = 10

const PLANTS = { pool: PoolPlant, cpu: CpuPlant }

/**
 * Nominal capacity of a plant in requests a second.
 * @param {import('./pool.mjs').PoolSpec | import('./cpu.mjs').CpuSpec} plant
 */
export const capacityOf = (plant) => ((plant.workers ?? 1) * 1000) / plant.serviceMs

/**
 * How many requests a plant can work on at once, as a function of time.
 * @param {import('./pool.mjs').PoolSpec | import('./cpu.mjs').CpuSpec} plant
 * @returns {(tMs: number) => number}
 */
export function slotsOf({ workers = 1, workersShare }) {
  return workersShare === undefined ? () => workers : (tMs) => Math.round(workers * workersShare(tMs))
}

/** What a plant sees of the run: time, the log, the controller's decisions, and a place to schedule events. */
export class World {
  log = new RequestLog()
  clock = new RunClock()
  /** @type {EventHeap<{ target: { handle(i: number): void }, i: number }>} */
  heap = new EventHeap()
  seed
  plant
  #contestant
  #permits = []
  #deadlineMs
  #clients

  constructor({ scenario, contestant, seed }) {
    this.seed = `${scenario.name}/${seed}`
    this.#contestant = contestant
    this.#deadlineMs = scenario.plant.deadlineMs
    this.#clients = scenario.retry === undefined ? null : new RetryingClients(scenario, this)
    this.plant = new PLANTS[scenario.plant.kind](scenario.plant, this)
  }

  get nowMs() {
    return this.clock.nowMs
  }

  /** Calls `target.handle(i)` at that time. */
  schedule(atMs, target, i) {
    this.heap.push(atMs, { target, i })
  }

  /** Sends one attempt into the plant, now. @returns {number} its index in the log */
  send(tier, user, attempt, root) {
    const i = this.log.add(this.nowMs, tier, user, attempt, root)
    this.plant.arrive(i)
    return i
  }

  /** A new request of a user; a retrying client with one still open sends no second. */
  request({ tier, user }) {
    if (this.#clients === null) this.send(tier, user, 0, -1)
    else this.#clients.request(tier, user)
  }

  /** Asks the controller; the plant's `admitted` or `refused` is called now, or when a promise settles. */
  decide(i, queueAgeMs) {
    const tier = TIERS[this.log.tier[i]]
    const answer = this.#contestant.admit({ tier, key: `user-${this.log.user[i]}`, queueAgeMs, nowMs: this.nowMs })
    if (typeof answer?.then === 'function') answer.then((permit) => this.#decided(i, permit))
    else this.#decided(i, answer)
  }

  #decided(i, permit) {
    if (permit === null) {
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
    this.#permits[i] = undefined
    permit.end(succeeded ? 'success' : 'failure')
    this.#answer(i, succeeded ? OUTCOME.success : OUTCOME.failure)
  }

  #answer(i, outcome) {
    const { log } = this
    log.outcome[i] = outcome
    log.endedMs[i] = this.nowMs
    const good = outcome === OUTCOME.success && this.nowMs - log.sentMs[i] <= this.#deadlineMs
    if (good) log.served[log.root[i]] = 1
    this.#clients?.answered(i, good)
  }
}

/**
 * A finite population whose members try again: after a refusal, an error, or silence until the deadline, up to
 * `retry.attempts` times, waiting `retry.backoffMs`·2^n with ±50 % jitter.
 */
class RetryingClients {
  #world
  #retry
  #deadlineMs
  #busy
  #jitter
  #settled = []

  constructor(scenario, world) {
    this.#world = world
    this.#retry = scenario.retry
    this.#deadlineMs = scenario.plant.deadlineMs
    this.#busy = new Uint8Array(scenario.users ?? DEFAULT_USERS)
    this.#jitter = stream(`${world.seed}/retries`)
  }

  request(tier, user) {
    if (this.#busy[user] === 1) return
    this.#busy[user] = 1
    this.#attempt(tier, user, 0, -1)
  }

  #attempt(tier, user, attempt, root) {
    // The timeout first: an answer within `send` must find it unsettled.
    const i = this.#world.log.length
    this.#world.schedule(this.#world.nowMs + this.#deadlineMs, { handle: () => this.answered(i, false) }, i)
    this.#world.send(tier, user, attempt, root)
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
    const again = { handle: () => this.#attempt(log.tier[i], log.user[i], attempt + 1, log.root[i]) }
    this.#world.schedule(this.#world.nowMs + waitMs, again, i)
  }
}

/**
 * Runs a scenario against a contestant.
 * @param {object} scenario see lab/README.md
 * @param {{ create(options: object): object, needsTimers?: boolean }} entrant
 * @param {number} seed
 * @returns {Promise<{ log: RequestLog, settings: object, name: string, state?: object }>} `state`: what it says of itself
 */
export async function run(scenario, entrant, seed) {
  const capacityPerS = capacityOf(scenario.plant)
  const { deadlineMs } = scenario.plant
  const endMs = scenario.durationS * 1000
  let world
  const contestantClock = { now: () => world?.nowMs ?? 0 }
  // Timers must be faked before the contestant is made: some keep a reference, some start an interval.
  const clock = new RunClock()
  if (entrant.needsTimers === true) clock.install()
  try {
    const contestant = entrant.create({
      clock: contestantClock,
      deadlineMs,
      capacityPerS,
      plant: scenario.plant,
      serviceMs: scenario.plant.serviceMs,
      slotsAt: slotsOf(scenario.plant),
    })
    world = new World({ scenario, contestant, seed })
    world.clock = clock
    const traffic = new Traffic({
      flows: scenario.traffic,
      capacityPerS,
      users: scenario.users ?? DEFAULT_USERS,
      endMs,
      seed: world.seed,
    })
    await play(world, traffic, endMs + DRAIN_DEADLINES * deadlineMs, entrant.needsTimers === true)
    const state = contestant.inspect?.()
    contestant.close?.()
    return { log: world.log, settings: contestant.settings, name: contestant.name, state }
  } finally {
    clock.uninstall()
  }
}

/** @param {boolean} asynchronous whether promises may settle between events, and must be given the chance */
async function play(world, traffic, untilMs, asynchronous) {
  const { heap, clock } = world
  for (;;) {
    const arrivalMs = traffic.nextMs
    const nextMs = Math.min(arrivalMs, heap.nextMs)
    if (nextMs > untilMs || nextMs === Number.POSITIVE_INFINITY) return
    clock.advanceTo(nextMs)
    if (heap.nextMs <= arrivalMs) {
      const { target, i } = heap.pop()
      target.handle(i)
    } else {
      world.request(traffic.take())
    }
    if (asynchronous) await flush()
  }
}
