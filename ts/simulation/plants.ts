/** Plants: workers of what is admitted, in virtual time. */

import { ConfigError } from '../base/errors.js'
import { requireObject } from '../options/ranges.js'
import { Fifo } from './event-heap.js'
import { SERVICE_LAWS, type Uniform } from './random.js'

/** The laws that service times may follow, each with a mean of 1: see {@link SERVICE_LAWS}. */
export type ServiceLaw = keyof typeof SERVICE_LAWS

/** The surroundings of a plant: time, the future, and chance. */
export interface PlantWorld {
  readonly nowMs: number
  readonly random: Uniform
  /** Calls back at a time, ms. */
  at(ms: number, run: () => void): void
}

/** Does work. One plant may serve several routes. */
export interface Plant {
  /** Requests a second that it can answer at most; undefined: as many as come. */
  readonly capacityPerS: number | undefined
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
  /** Speed by the time, s: 0.5 takes twice as long. Default 1. */
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

const meanOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length

/** The service time of a request, ms, as options say. */
function serviceOf(serviceMs: unknown, law: unknown): { meanMs: number; draw: (uniform: Uniform) => number } {
  if (Array.isArray(serviceMs)) {
    if (serviceMs.length === 0)
      throw new ConfigError('serviceMs', 'a number of ms, or a list with at least one', 'none')
    for (const ms of serviceMs) if (!(ms >= 0 && ms < 1e9)) throw new ConfigError('serviceMs', 'numbers of ms ≥ 0', ms)
    const sample = Float64Array.from(serviceMs as number[])
    return { meanMs: meanOf([...sample]), draw: (uniform) => sample[Math.floor(uniform() * sample.length)]! }
  }
  const meanMs = positive('serviceMs', serviceMs)
  const draw = lawOf(law)
  return { meanMs, draw: (uniform) => meanMs * draw(uniform) }
}

interface Job {
  readonly takesMs: number
  readonly done: (ok: boolean) => void
}

/** First come, first served by so many servers, with a queue that has no end: whatever is admitted is worked on, however late. */
export function pool(options: PoolOptions): Plant {
  requireObject('plant', options)
  const { servers, serviceMs, law = 'lognormal-half', errorRate = 0, speed = () => 1 } = options
  if (!(Number.isInteger(servers) && servers >= 1)) throw new ConfigError('servers', 'an integer ≥ 1', servers)
  const { meanMs, draw } = serviceOf(serviceMs, law)
  const fails = rateOf(errorRate)
  let world: PlantWorld
  let queue = new Fifo<Job>()
  let busy = 0
  const next = (): void => {
    while (busy < servers && queue.length > 0) {
      const { takesMs, done } = queue.shift()!
      busy += 1
      const s = world.nowMs / 1000
      world.at(world.nowMs + takesMs / Math.max(speed(s), 1e-9), () => {
        busy -= 1
        done(!(world.random() < fails(world.nowMs / 1000)))
        next()
      })
    }
  }
  return {
    capacityPerS: meanMs > 0 ? (servers * 1000) / meanMs : undefined,
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
export function contended(options: ContendedOptions): Plant {
  requireObject('plant', options)
  const { contention = 0.02, coherence = 0.0005, law = 'lognormal-half', errorRate = 0 } = options
  const { meanMs, draw } = serviceOf(options.serviceMs, law)
  if (!(contention >= 0 && contention < 1)) throw new ConfigError('contention', 'a number in [0, 1)', contention)
  if (!(coherence >= 0 && coherence < 1e9)) throw new ConfigError('coherence', 'a number ≥ 0', coherence)
  const fails = rateOf(errorRate)
  const slowdown = (n: number): number => 1 + contention * (n - 1) + coherence * n * (n - 1)
  const knee = coherence > 0 ? Math.max(1, Math.round(Math.sqrt((1 - contention) / coherence))) : 1e6
  let world: PlantWorld
  let busy = 0
  return {
    capacityPerS: (1000 * knee) / (meanMs * slowdown(knee)),
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
export function delay(options: DelayOptions): Plant {
  requireObject('plant', options)
  const { latencyMs, law = 'lognormal-half', errorRate = 0 } = options
  const { draw } = serviceOf(positive('latencyMs', latencyMs), law)
  const fails = rateOf(errorRate)
  let world: PlantWorld
  return {
    capacityPerS: undefined,
    start(given) {
      world = given
    },
    serve(work, done) {
      world.at(world.nowMs + work * draw(world.random), () => done(!(world.random() < fails(world.nowMs / 1000))))
    },
  }
}
