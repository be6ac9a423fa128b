/** Plants: workers of what is admitted, in virtual time. */

import { ConfigError } from '../base/errors.js'
import { Fifo } from './event-heap.js'
import { knownOptions } from './options.js'
import { SERVICE_LAWS, stream, type Uniform } from './random.js'

/** The laws that service times may follow, each with a mean of 1: see {@link SERVICE_LAWS}. */
export type ServiceLaw = keyof typeof SERVICE_LAWS

/** The surroundings of a plant: time, the future, and chance. */
export interface PlantWorld {
  readonly nowMs: number
  readonly random: Uniform
  /** Calls back at a time, ms. */
  at(ms: number, run: () => void): void
}

/** The most that can be had of a plant, by a gate that does not know how long each request will take. */
export interface PlantCeiling {
  /** Answers a second; Infinity: as many as come. */
  readonly perS: number
  /** The share of them that is good: neither failed nor, without any wait, later than the deadline. [0, 1]. */
  readonly share: number
}

/** Does work. One plant may serve several routes. */
export interface Plant {
  /** Requests a second that it can answer at most; undefined: as many as come. */
  readonly capacityPerS: number | undefined
  /** The most that can be had at a time, s, of answers within so many ms. Left out: `capacityPerS`, each of them good. */
  ceiling?(s: number, deadlineMs: number): PlantCeiling
  /** Begins a run: whatever is left of an earlier one is forgotten. */
  start(world: PlantWorld): void
  /** Works on a request; `done` is called once, with whether it succeeded. @param work in means of its service time */
  serve(work: number, done: (ok: boolean) => void): void
}

export interface PoolOptions {
  /** Requests that are worked on at once: workers, connections; an integer ≥ 1. */
  readonly servers: number
  /** Mean service time, ms, > 0; or a sample of service times, ms, each as likely as the others. */
  readonly serviceMs: number | readonly number[]
  /** Default 'lognormal-half', an ordinary web service. */
  readonly law?: ServiceLaw
  /** Share of the requests that fail, [0, 1], or that share by the time, s. Default 0. */
  readonly errorRate?: number | ((s: number) => number)
  /** Speed by the time at which work on a request begins, s: 0.5 takes twice as long. Each > 0. Default 1. */
  readonly speed?: (s: number) => number
}

export interface ContendedOptions {
  /** Service time of a request that is alone, ms, > 0. */
  readonly serviceMs: number
  /** Share of the work that cannot be done side by side, [0, 1). Default 0.02. */
  readonly contention?: number
  /** Each pair of requests adds so much by waiting for one another, ≥ 0. Default 0.0005. */
  readonly coherence?: number
  readonly law?: ServiceLaw
  readonly errorRate?: number | ((s: number) => number)
}

export interface DelayOptions {
  /** Mean latency, ms, > 0, however many requests there are. */
  readonly latencyMs: number
  readonly law?: ServiceLaw
  readonly errorRate?: number | ((s: number) => number)
}

const POOL_NAMES = ['servers', 'serviceMs', 'law', 'errorRate', 'speed'] as const
const CONTENDED_NAMES = ['serviceMs', 'contention', 'coherence', 'law', 'errorRate'] as const
const DELAY_NAMES = ['latencyMs', 'law', 'errorRate'] as const

const positive = (field: string, value: unknown): number => {
  if (typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY) return value
  throw new ConfigError(field, 'a finite number > 0', value)
}

function lawOf(name: unknown): (uniform: Uniform) => number {
  if (typeof name === 'string' && Object.hasOwn(SERVICE_LAWS, name)) return SERVICE_LAWS[name as ServiceLaw]
  throw new ConfigError('law', Object.keys(SERVICE_LAWS).join(', '), name)
}

function rateOf(value: unknown): (s: number) => number {
  if (typeof value === 'function') return value as (s: number) => number
  if (typeof value === 'number' && value >= 0 && value <= 1) return () => value
  throw new ConfigError('errorRate', 'a number in [0, 1], or a function of the time, s', value)
}

function speedOf(value: unknown): (s: number) => number {
  if (typeof value !== 'function') throw new ConfigError('speed', 'a function of the time, s', value)
  return (s) => positive(`speed(${s})`, value(s))
}

const meanOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length

interface Service {
  readonly meanMs: number
  readonly draw: (uniform: Uniform) => number
  /** The share of the service times that are at most so long. */
  within(ms: number): number
}

/** Draws of a law that tell what share of it is within a time. */
const DRAWS = 16_384

function withinOf(draws: () => Float64Array): (ms: number) => number {
  let sorted: Float64Array | undefined
  return (ms) => {
    sorted ??= draws().sort()
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sorted[middle]! <= ms) low = middle + 1
      else high = middle
    }
    return low / sorted.length
  }
}

/** The service time of a request, ms, as options say. */
function serviceOf(serviceMs: unknown, law: unknown): Service {
  if (Array.isArray(serviceMs)) {
    if (serviceMs.length === 0)
      throw new ConfigError('serviceMs', 'a number of ms, or a list with at least one', 'none')
    for (const ms of serviceMs) if (!(ms >= 0 && ms < 1e9)) throw new ConfigError('serviceMs', 'numbers of ms ≥ 0', ms)
    const sample = Float64Array.from(serviceMs as number[])
    return {
      meanMs: meanOf([...sample]),
      draw: (uniform) => sample[Math.floor(uniform() * sample.length)]!,
      within: withinOf(() => sample.slice()),
    }
  }
  const meanMs = positive('serviceMs', serviceMs)
  const law1 = lawOf(law)
  const draw = (uniform: Uniform): number => meanMs * law1(uniform)
  return {
    meanMs,
    draw,
    within: withinOf(() => {
      const uniform = stream('ceiling')
      return Float64Array.from({ length: DRAWS }, () => draw(uniform))
    }),
  }
}

const failing = (fails: (s: number) => number, s: number): number => Math.min(1, Math.max(0, fails(s) || 0))

interface Job {
  readonly takesMs: number
  readonly done: (ok: boolean) => void
}

/** First come, first served by so many servers, with a queue that has no end: whatever is admitted is worked on, however late. */
export function pool(given: PoolOptions): Plant {
  const options = knownOptions('plant', given, POOL_NAMES)
  const { servers, serviceMs, law = 'lognormal-half', errorRate = 0 } = options
  if (!(Number.isInteger(servers) && servers >= 1)) throw new ConfigError('servers', 'an integer ≥ 1', servers)
  const { meanMs, draw, within } = serviceOf(serviceMs, law)
  const fails = rateOf(errorRate)
  const speedAt = options.speed === undefined ? () => 1 : speedOf(options.speed)
  const capacityPerS = meanMs > 0 ? (servers * 1000) / meanMs : undefined
  let world: PlantWorld
  let queue = new Fifo<Job>()
  let busy = 0
  const next = (): void => {
    while (busy < servers && queue.length > 0) {
      const { takesMs, done } = queue.shift()!
      busy += 1
      const s = world.nowMs / 1000
      world.at(world.nowMs + takesMs / speedAt(s), () => {
        busy -= 1
        done(!(world.random() < fails(world.nowMs / 1000)))
        next()
      })
    }
  }
  return {
    capacityPerS,
    ceiling(s, deadlineMs) {
      const speed = speedAt(s)
      const share = within(deadlineMs * speed) * (1 - failing(fails, s))
      return { perS: speed * (capacityPerS ?? Number.POSITIVE_INFINITY), share }
    },
    start(given) {
      world = given
      queue = new Fifo()
      busy = 0
    },
    serve(work, done) {
      queue.push({ takesMs: work * draw(world.random), done })
      next()
    },
  }
}

/**
 * A resource that requests contend for, by the Universal Scalability Law (Gunther, "Guerrilla Capacity Planning", 2007): with n at once each
 * takes 1 + σ(n − 1) + κn(n − 1) times as long, so that beyond a knee more at once is less in all.
 */
export function contended(given: ContendedOptions): Plant {
  const options = knownOptions('plant', given, CONTENDED_NAMES)
  const { contention = 0.02, coherence = 0.0005, law = 'lognormal-half', errorRate = 0 } = options
  const { meanMs, draw, within } = serviceOf(options.serviceMs, law)
  if (!(contention >= 0 && contention < 1)) throw new ConfigError('contention', 'a number in [0, 1)', contention)
  if (!(coherence >= 0 && coherence < 1e9)) throw new ConfigError('coherence', 'a number ≥ 0', coherence)
  const fails = rateOf(errorRate)
  const slowdown = (n: number): number => 1 + contention * (n - 1) + coherence * n * (n - 1)
  const knee = coherence > 0 ? Math.max(1, Math.round(Math.sqrt((1 - contention) / coherence))) : 1e6
  const perSAt = (n: number): number => (1000 * n) / (meanMs * slowdown(n))
  /** Good answers a second with as many at once as are best, if none fails; by the deadline that was last asked for. */
  const best = { deadlineMs: Number.NaN, perS: 0 }
  const bestPerS = (deadlineMs: number): number => {
    if (deadlineMs !== best.deadlineMs) {
      best.deadlineMs = deadlineMs
      best.perS = 0
      for (let n = 1; n <= knee; n = Math.max(n + 1, Math.floor(n * 1.02))) {
        best.perS = Math.max(best.perS, perSAt(n) * within(deadlineMs / slowdown(n)))
      }
      best.perS = Math.max(best.perS, perSAt(knee) * within(deadlineMs / slowdown(knee)))
    }
    return best.perS
  }
  let world: PlantWorld
  let busy = 0
  return {
    // Without contention of either kind there is no end to it.
    capacityPerS: meanMs > 0 && contention + coherence > 0 ? perSAt(knee) : undefined,
    ceiling(s, deadlineMs) {
      const alone = within(deadlineMs)
      const share = alone * (1 - failing(fails, s))
      return { perS: alone > 0 ? bestPerS(deadlineMs) / alone : 0, share }
    },
    start(given) {
      world = given
      busy = 0
    },
    serve(work, done) {
      busy += 1
      world.at(world.nowMs + work * draw(world.random) * slowdown(busy), () => {
        busy -= 1
        done(!(world.random() < fails(world.nowMs / 1000)))
      })
    },
  }
}

/** Answers as late whatever the load is: another service that is never short of anything. */
export function delay(given: DelayOptions): Plant {
  const options = knownOptions('plant', given, DELAY_NAMES)
  const { latencyMs, law = 'lognormal-half', errorRate = 0 } = options
  const { draw, within } = serviceOf(positive('latencyMs', latencyMs), law)
  const fails = rateOf(errorRate)
  let world: PlantWorld
  return {
    capacityPerS: undefined,
    ceiling: (s, deadlineMs) => ({
      perS: Number.POSITIVE_INFINITY,
      share: within(deadlineMs) * (1 - failing(fails, s)),
    }),
    start(given) {
      world = given
    },
    serve(work, done) {
      world.at(world.nowMs + work * draw(world.random), () => done(!(world.random() < fails(world.nowMs / 1000))))
    },
  }
}
