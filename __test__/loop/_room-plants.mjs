// Random plants behind the waiting room, in virtual time: every timer that the room sets fires at its own time, and whatever an event
// settles is settled before the next one.
import { getEventListeners } from 'node:events'
import { EventHeap, exponential, Fifo, SERVICE_LAWS, stream } from 'atrion/simulation'
import { flush } from '../../lab/driver/time.mjs'
import { virtual } from '../_engine.mjs'
import fc from '../_random.mjs'

export const TIERS = ['bulk', 'low', 'normal', 'high', 'critical']
const BULK = 0
/** Share of the places that is reserved for bulk, where any is. */
const RESERVED = 0.25

/** A plant, what is offered to it, and what its requests ask for. */
export const plants = fc.record({
  seed: fc.nat(1e6),
  servers: fc.integer({ min: 1, max: 12 }),
  serviceMs: fc.constantFrom(3, 20, 150),
  service: fc.constantFrom('constant', 'exponential', 'lognormal', 'bimodal'),
  /** The deadline, in services. */
  deadline: fc.constantFrom(3, 6, 20, 100),
  load: fc.constantFrom(0.7, 1.2, 2, 5),
  /** Requests that come at once, and how often, in deadlines; 0: none do. */
  burst: fc.constantFrom(0, 0, 10, 60),
  /** The longest wait, in deadlines. */
  maxWait: fc.constantFrom(0.1, 0.5, 1, Number.POSITIVE_INFINITY),
  /** The share of requests whose clients leave while they wait. */
  leaves: fc.constantFrom(0, 0.2),
  routes: fc.constantFrom(1, 1, 2),
  isReserved: fc.boolean(),
  keys: fc.constantFrom(0, 6),
})

/** Timers that fire when the simulation says so. */
class Timers {
  #heap = new EventHeap()
  #real = { setTimeout, clearTimeout }
  live = 0

  constructor(clock) {
    globalThis.setTimeout = (run, delayMs) => {
      const timer = { run, isLive: true }
      this.live += 1
      this.#heap.push(clock.now() + delayMs, timer)
      return timer
    }
    globalThis.clearTimeout = (timer) => this.#end(timer)
  }

  #end(timer) {
    if (timer?.isLive) this.live -= 1
    if (timer) timer.isLive = false
  }

  get nextMs() {
    return this.#heap.nextMs
  }

  fire() {
    const timer = this.#heap.pop()
    if (!timer.isLive) return
    this.#end(timer)
    timer.run()
  }

  restore() {
    Object.assign(globalThis, this.#real)
  }
}

/**
 * Offers `count` requests to a plant.
 *
 * @param plan one of {@link plants}
 * @param hasBounds whether as many places as servers are allowed, neither more nor fewer
 * @param inspect called after each event with the requests that wait and those in flight
 * @returns each request { tier, atMs, answeredMs, answers, permit, reason, endedMs }, and stats of the end
 */
export const offerToRoom = async (plan, count, hasBounds, inspect) => {
  const { servers, serviceMs, load, routes } = plan
  const deadlineMs = plan.deadline * serviceMs
  const { atrion, clock } = virtual({
    slo: { maxAcceptableLatencyMs: deadlineMs },
    keySecret: 'the same in every run',
  })
  const names = Array.from({ length: routes }, (_, i) => `route ${i}`)
  for (const name of names) {
    atrion.setRouteProfile(name, {
      ...(routes > 1 && { pool: 'all' }),
      ...(plan.isReserved && { reserve: { bulk: RESERVED } }),
      ...(hasBounds && { limits: { min: servers, max: servers, initial: servers } }),
    })
  }
  const chance = stream(`room ${plan.seed}`)
  const drawn = stream(`services ${plan.seed}`)
  const events = new EventHeap()
  const queue = new Fifo()
  const [waiting, inFlight, requests] = [new Set(), new Set(), []]
  let busy = 0
  const work = () => {
    while (busy < servers && queue.length > 0) {
      const request = queue.shift()
      busy += 1
      const takesMs = serviceMs * SERVICE_LAWS[plan.service](drawn)
      events.push(clock.now() + takesMs, () => {
        busy -= 1
        inFlight.delete(request)
        request.endedMs = clock.now()
        request.permit.release('success')
        work()
      })
    }
  }
  const settle = (request, answer) => {
    Object.assign(request, answer, { answeredMs: clock.now() })
    request.answers += 1
    waiting.delete(request)
    if (!request.permit?.allow) return
    inFlight.add(request)
    queue.push(request)
    work()
  }
  const enter = () => {
    const tier = Math.floor(chance() * TIERS.length)
    const controller = new AbortController()
    const { signal } = controller
    const route = names[Math.floor(chance() * routes)]
    const request = { route, tier, signal, atMs: clock.now(), answers: 0, permit: undefined, reason: undefined }
    requests.push(request)
    waiting.add(request)
    const maxWaitMs = plan.maxWait * deadlineMs
    const key = plan.keys > 0 ? `key ${Math.floor(chance() * plan.keys)}` : undefined
    atrion.enter(route, { tier: TIERS[tier], key, maxWaitMs, signal }).then(
      (permit) => settle(request, { permit }),
      (reason) => settle(request, { reason }),
    )
    if (chance() < plan.leaves) {
      events.push(clock.now() + chance() * deadlineMs, () => {
        if (waiting.has(request)) controller.abort(request)
      })
    }
  }
  const perMs = (servers * load) / serviceMs
  let atMs = clock.now()
  for (let sent = 0; sent < count; ) {
    const isBurst = plan.burst > 0 && chance() < 1 / (3 * plan.burst)
    for (let i = isBurst ? plan.burst : 1; i > 0 && sent < count; i--, sent++) events.push(atMs, enter)
    atMs += exponential(chance) / perMs
  }
  const timers = new Timers(clock)
  try {
    for (;;) {
      const nextMs = Math.min(events.nextMs, timers.nextMs)
      if (nextMs === Number.POSITIVE_INFINITY) break
      clock.set(nextMs)
      const waited = new Set(waiting)
      if (timers.nextMs <= nextMs) timers.fire()
      else events.pop()()
      await flush()
      inspect?.({ nowMs: nextMs, waited, waiting, inFlight, stats: names.map((name) => atrion.stats(name)) })
    }
  } finally {
    timers.restore()
  }
  const listeners = requests.filter(({ signal }) => getEventListeners(signal, 'abort').length > 0).length
  return { requests, deadlineMs, listeners, timers: timers.live, stats: names.map((name) => atrion.stats(name)) }
}

/** The places that bulk has for itself. */
export const reservedIn = ({ isReserved, servers }) => (isReserved ? RESERVED * servers : 0)

/** Returns whether a tier has places of its own. */
export const hasReserve = ({ isReserved }, tier) => isReserved && tier === BULK
