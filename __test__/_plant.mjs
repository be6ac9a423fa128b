// A service in virtual time, behind the closed loop: a bounded pool of workers with a queue in front, events in order.
import { createHash } from 'node:crypto'
import { randomOf, virtual } from './_engine.mjs'

const EXPONENTIAL = (random, meanMs) => -Math.log(1 - random()) * meanMs

/**
 * Offers requests to a route for a while, and returns the outcome of each.
 *
 * @param workers requests served at once, default 10
 * @param serviceMs mean service time, ms, exponential, default 10
 * @param ratePerS arrivals a second: a number, or a function of the time since the start, ms
 * @param durationMs how long, ms
 * @param optionsOf what request i asks with
 * @param fails whether an answer given at that time, ms, is a failure
 * @param stalls whether nothing is answered at that time, ms; what is under way then fails after 1 s
 * @param routeId the route, default 'route'
 * @returns for each request { atMs, tier, allow, resistance, retryAfterMs, latencyMs, outcome }, and the world it ran in
 */
export const offer = ({
  world = virtual(),
  workers = 10,
  serviceMs = 10,
  ratePerS,
  durationMs,
  seed = 1,
  optionsOf = () => undefined,
  fails = () => false,
  stalls = () => false,
  routeId = 'route',
}) => {
  const { atrion, clock } = world
  const random = randomOf(seed)
  const rateAt = typeof ratePerS === 'function' ? ratePerS : () => ratePerS
  const startMs = clock.now()
  const requests = []
  /** Free-at times of the workers, ms: the next request takes the earliest. */
  const freeAt = new Array(workers).fill(startMs)
  const ends = []
  const endsBefore = (ms) => {
    ends.sort((a, b) => a.ms - b.ms)
    while (ends.length > 0 && ends[0].ms <= ms) {
      const { ms: endMs, request, permit } = ends.shift()
      clock.set(endMs)
      request.outcome = request.stalled || fails(endMs - startMs, random) ? 'failure' : 'success'
      request.latencyMs = endMs - startMs - request.atMs
      permit.release(request.outcome)
    }
  }
  for (let nowMs = startMs, i = 0; ; i++) {
    nowMs += EXPONENTIAL(random, 1000 / rateAt(nowMs - startMs))
    if (nowMs - startMs >= durationMs) break
    endsBefore(nowMs)
    clock.set(nowMs)
    const options = optionsOf(i, random)
    const permit = atrion.acquire(routeId, options)
    const { allow, resistance, retryAfterMs } = permit
    const request = { atMs: nowMs - startMs, tier: options?.tier ?? 'normal', allow, resistance, retryAfterMs }
    requests.push(request)
    if (!allow) continue
    request.stalled = stalls(request.atMs)
    if (request.stalled) {
      ends.push({ ms: nowMs + 1000, request, permit })
    } else {
      const worker = freeAt.indexOf(Math.min(...freeAt))
      freeAt[worker] = Math.max(nowMs, freeAt[worker]) + EXPONENTIAL(random, serviceMs)
      ends.push({ ms: freeAt[worker], request, permit })
    }
  }
  endsBefore(Number.POSITIVE_INFINITY)
  return { ...world, requests }
}

/**
 * A route that is known to queue and is offered more than it can do, with nothing in flight. Its limit stands still for as
 * long as the clock does and nothing comes back but as `ignored`.
 */
export const overloaded = ({ world = virtual(), routeId = 'route' } = {}) => {
  offer({ world, routeId, ratePerS: 3000, durationMs: 5000 })
  // Demand, of all and of the top tier, is at its bound.
  for (let i = 0; i < 10_000; i++) {
    world.atrion.acquire(routeId, { voltage: 0 })
    world.atrion.acquire(routeId, { tier: 'critical' }).release('ignored')
  }
  return world
}

export const shareShed = (requests) => requests.filter(({ allow }) => !allow).length / Math.max(1, requests.length)

/** Requests that arrived from one time to another, ms. */
export const between = (requests, fromMs, toMs) => requests.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)

/** One number for all decisions, bit for bit. */
export const hashOf = (requests) => {
  const hash = createHash('sha256')
  for (const { allow, resistance, retryAfterMs = -1 } of requests) {
    hash.update(new Uint8Array(new Float64Array([Number(allow), resistance, retryAfterMs]).buffer))
  }
  return hash.digest('hex')
}
