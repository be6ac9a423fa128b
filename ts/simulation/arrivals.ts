/** Arrivals: the requests of a simulation, one after the other. */

import { ConfigError } from '../base/errors.js'
import { unknownName } from '../base/suggest.js'
import type { Tier } from '../engine/kinds.js'
import { requireObject } from '../options/ranges.js'
import { knownOptions } from './options.js'
import { exponential, stream } from './random.js'

/** A request. */
export interface Arrival {
  /** ms from the beginning. */
  readonly atMs: number
  readonly route: string
  readonly tier?: Tier | undefined
  readonly voltage?: number | undefined
  readonly key?: string | undefined
  /** The work of the request, in means of its plant's service time. Default 1. */
  readonly work?: number | undefined
}

/** Gives one arrival after the other, in order of time; undefined after the last. */
export type Arrivals = () => Arrival | undefined

/** For errors: the shape of arrivals. */
export const ARRIVALS = 'a function that gives one arrival after the other, as poisson() makes it'

export interface PoissonOptions {
  /** Requests a second, ≥ 0, or that rate by the time, s. */
  readonly perS: number | ((s: number) => number)
  /** The highest rate that a function gives. It is asked at 1,000 times where this is not given. */
  readonly maxPerS?: number
  readonly durationS: number
  /** Default 'GET /work'. */
  readonly route?: string
  /** Share of each tier. Default: 10 % critical, 20 % high, 40 % normal, 20 % low, 10 % bulk. */
  readonly mix?: Readonly<Partial<Record<Tier, number>>>
  /** Users, each a key, equally likely. Default 1,000; 0: no keys. */
  readonly users?: number
  /** The same seed gives the same requests. Default 1. */
  readonly seed?: number | string
}

export const DEFAULT_MIX = { critical: 0.1, high: 0.2, normal: 0.4, low: 0.2, bulk: 0.1 } as const

const POISSON_NAMES = ['perS', 'maxPerS', 'durationS', 'route', 'mix', 'users', 'seed'] as const

/** A tier by a uniform number. */
function tierOf(mix: Readonly<Partial<Record<Tier, number>>>): (u: number) => Tier {
  const shares = Object.entries(requireObject('mix', mix)) as [Tier, number][]
  let sum = 0
  const sums = shares.map(([tier, share]) => {
    if (!Object.hasOwn(DEFAULT_MIX, tier)) throw unknownName(`mix.${tier}`, tier, Object.keys(DEFAULT_MIX))
    if (!(share >= 0 && share < 1e9)) throw new ConfigError(`mix.${tier}`, 'a number ≥ 0', share)
    sum += share
    return [tier, sum] as const
  })
  if (!(sum > 0)) throw new ConfigError('mix', 'shares of which one is above 0', sum)
  return (u) => sums.find(([, upTo]) => u * sum < upTo)?.[0] ?? sums.at(-1)![0]
}

/** Poisson arrivals: many users who know nothing of one another. Thinned from the highest rate where the rate changes. */
export function poisson(given: PoissonOptions): Arrivals {
  const options = knownOptions('arrivals', given, POISSON_NAMES)
  const { perS, durationS, route = 'GET /work', mix = DEFAULT_MIX, users = 1_000, seed = 1 } = options
  if (!(durationS > 0 && durationS < 1e9)) throw new ConfigError('durationS', 'a number of s > 0', durationS)
  const rate = typeof perS === 'function' ? perS : () => perS
  const maxPerS = options.maxPerS ?? Math.max(...Array.from({ length: 1000 }, (_, i) => rate((i * durationS) / 1000)))
  if (!(maxPerS >= 0 && maxPerS < 1e9)) throw new ConfigError('perS', 'a number of requests a second ≥ 0', maxPerS)
  const draw = tierOf(mix)
  const times = stream(`${seed}/${route}/times`)
  const tiers = stream(`${seed}/${route}/tiers`)
  const keys = stream(`${seed}/${route}/keys`)
  let s = 0
  return () => {
    if (maxPerS === 0) return undefined
    do {
      s += exponential(times) / maxPerS
      if (s >= durationS) return undefined
    } while (times() * maxPerS >= rate(s))
    const key = users > 0 ? `user ${Math.floor(keys() * users)}` : undefined
    return { atMs: s * 1000, route, tier: draw(tiers()), key }
  }
}

/** Arrivals that were recorded; in order of time. */
export function listed(arrivals: readonly Arrival[]): Arrivals {
  if (!Array.isArray(arrivals)) throw new ConfigError('arrivals', 'a list of arrivals', arrivals)
  let next = 0
  return () => arrivals[next++]
}

/** Several arrivals as one, in order of time. */
export function merged(...all: readonly Arrivals[]): Arrivals {
  for (const one of all) if (typeof one !== 'function') throw new ConfigError('arrivals', ARRIVALS, one)
  const heads = all.map((next) => ({ next, head: next() }))
  return () => {
    let first: (typeof heads)[number] | undefined
    for (const one of heads) {
      if (one.head !== undefined && (first === undefined || one.head.atMs < first.head!.atMs)) first = one
    }
    if (first === undefined) return undefined
    const { head } = first
    first.head = first.next()
    return head
  }
}
