/** Load in virtual time: arrivals, a gate that admits or refuses, and plants that do the work. The same seed gives the same run. */

import { ConfigError } from '../base/errors.js'
import type { Tier } from '../engine/kinds.js'
import { above, atLeast, requireNumber, requireObject } from '../options/ranges.js'
import { ARRIVALS, type Arrival, type Arrivals } from './arrivals.js'
import { EventHeap } from './event-heap.js'
import { knownOptions } from './options.js'
import type { Plant, PlantWorld } from './plants.js'
import { stream } from './random.js'

/** A gate that admits or refuses: an `Atrion` is one. */
export interface Gate {
  acquire(
    routeId: string,
    options: { readonly tier?: Tier; readonly voltage?: number; readonly key?: string },
  ): { readonly allow: boolean; release(outcome: 'success' | 'failure'): void }
}

export interface LoadOptions {
  /** Makes the gate, with the clock that it has to go by. */
  readonly gate: (clock: { now(): number }) => Gate | PromiseLike<Gate>
  readonly arrivals: Arrivals
  /** The plant of all routes, or of each. */
  readonly plants: Plant | ((route: string) => Plant)
  /** An answer later than this is of no use, ms; of all routes, or of each. */
  readonly deadlineMs: number | ((route: string) => number)
  /** Arrivals before this are not counted, s. Default 0. */
  readonly warmupS?: number
  /** Default 1. */
  readonly seed?: number | string
  /** Width of the bins of the series, s. Default 1. */
  readonly binS?: number
}

/** Requests by their ends. */
export interface LoadCounts {
  offered: number
  admitted: number
  refused: number
  /** Answered well within the deadline. */
  good: number
  late: number
  failed: number
}

export interface LoadResult {
  readonly total: LoadCounts
  readonly tiers: ReadonlyMap<string, LoadCounts>
  readonly routes: ReadonlyMap<string, LoadCounts>
  /** Good answers a second. */
  readonly goodputPerS: number
  /** s that were counted. */
  readonly countedS: number
  /** Of answers, good or late, ms; NaN where there is none. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly binS: number
  /** Requests a second in each bin, by the time of their arrival. */
  readonly offeredPerS: readonly number[]
  readonly goodPerS: readonly number[]
  readonly refusedPerS: readonly number[]
}

/** After the last arrival the plants may work on for so many deadlines. */
const DRAIN_DEADLINES = 10
/** Time 0 of a run, ms: no time at all would be a clock that was not set. */
const ORIGIN_MS = 1_700_000_000_000
const MOST_BINS = 100_000
const MOST_LATENCIES = 200_000

const NAMES = ['gate', 'arrivals', 'plants', 'deadlineMs', 'warmupS', 'seed', 'binS'] as const
const DEADLINE = above(0, ' of ms')

/** A plant as it can be run. @throws ConfigError */
export function requirePlant(field: string, given: Plant): Plant {
  const { serve, start, ceiling } = requireObject(field, given) as Partial<Plant>
  for (const [name, value] of Object.entries({ serve, start, ...(ceiling !== undefined && { ceiling }) })) {
    if (typeof value === 'function') continue
    throw new ConfigError(`${field}.${name}`, 'a function', value)
  }
  return given
}

/** An arrival that can be played after `lastMs`. @throws ConfigError */
function requireArrival(given: Arrival, lastMs: number): Arrival {
  const { atMs, route } = requireObject('arrival', given) as Arrival
  if (!(atMs >= lastMs && atMs < Number.POSITIVE_INFINITY)) {
    throw new ConfigError('arrival.atMs', `a number of ms ≥ ${lastMs}, that of the one before it`, atMs)
  }
  if (typeof route !== 'string' || route === '') throw new ConfigError('arrival.route', 'a non-empty string', route)
  return given
}

const countsOf = (): LoadCounts => ({ offered: 0, admitted: 0, refused: 0, good: 0, late: 0, failed: 0 })

function inMap<K>(map: Map<K, LoadCounts>, key: K): LoadCounts {
  let counts = map.get(key)
  if (counts === undefined) {
    counts = countsOf()
    map.set(key, counts)
  }
  return counts
}

const bump = (bins: number[], bin: number): void => {
  if (bin >= MOST_BINS) return
  while (bins.length <= bin) bins.push(0)
  bins[bin]! += 1
}

/** Runs arrivals against a gate and plants to their end. @throws ConfigError; whatever the gate throws */
export async function runLoad(given: LoadOptions): Promise<LoadResult> {
  const options = knownOptions('options', given, NAMES)
  const { gate: make, arrivals, plants, deadlineMs, warmupS = 0, seed = 1, binS = 1 } = options
  requireNumber('binS', binS, above(0, ' of s'))
  requireNumber('warmupS', warmupS, atLeast(0, ' of s'))
  if (typeof make !== 'function')
    throw new ConfigError('gate', 'a function that makes a gate with the clock it is given', make)
  if (typeof arrivals !== 'function') throw new ConfigError('arrivals', ARRIVALS, arrivals)
  if (typeof plants !== 'function') requirePlant('plants', plants)
  if (typeof deadlineMs !== 'function') requireNumber('deadlineMs', deadlineMs, DEADLINE)
  let nowMs = 0
  const gate = await make({ now: () => ORIGIN_MS + nowMs })
  const events = new EventHeap<() => void>()
  const random = stream(`${seed}/plant`)
  const world: PlantWorld = {
    get nowMs() {
      return nowMs
    },
    random,
    at: (ms, run) => events.push(Math.max(ms, nowMs), run),
  }
  const started = new Set<Plant>()
  const plantOf = (route: string): Plant => {
    const plant = typeof plants === 'function' ? plants(route) : plants
    if (!started.has(plant)) {
      requirePlant(`plants(${JSON.stringify(route)})`, plant)
      started.add(plant)
      plant.start(world)
    }
    return plant
  }
  const deadlineOf =
    typeof deadlineMs === 'function'
      ? (route: string) => {
          const ms = deadlineMs(route)
          return DEADLINE.holds(ms) ? ms : requireNumber(`deadlineMs(${JSON.stringify(route)})`, ms, DEADLINE)
        }
      : () => deadlineMs
  const total = countsOf()
  const tiers = new Map<string, LoadCounts>()
  const routes = new Map<string, LoadCounts>()
  const [offered, good, refused]: number[][] = [[], [], []]
  const latencies: number[] = []
  let lastMs = 0
  let longestMs = 0

  const arrive = (arrival: Arrival): void => {
    const { route, tier, voltage, key, work = 1 } = arrival
    const withinMs = deadlineOf(route)
    longestMs = Math.max(longestMs, withinMs)
    const counts = [total, inMap(tiers, tier ?? 'none'), inMap(routes, route)]
    const isCounted = arrival.atMs >= warmupS * 1000
    const count = (name: keyof LoadCounts): void => {
      if (isCounted) for (const one of counts) one[name] += 1
    }
    const bin = Math.floor(arrival.atMs / 1000 / binS)
    count('offered')
    bump(offered!, bin)
    const asked = {
      ...(tier !== undefined && { tier }),
      ...(voltage !== undefined && { voltage }),
      ...(key && { key }),
    }
    const permit = gate.acquire(route, asked)
    if (!permit.allow) {
      count('refused')
      bump(refused!, bin)
      return
    }
    count('admitted')
    const { atMs } = arrival
    plantOf(route).serve(work, (ok) => {
      permit.release(ok ? 'success' : 'failure')
      const tookMs = nowMs - atMs
      if (isCounted && latencies.length < MOST_LATENCIES) latencies.push(tookMs)
      if (!ok) count('failed')
      else if (tookMs > withinMs) count('late')
      else {
        count('good')
        bump(good!, bin)
      }
    })
  }

  const nextArrival = (afterMs: number): Arrival | undefined => {
    const arrival = arrivals()
    return arrival === undefined ? undefined : requireArrival(arrival, afterMs)
  }
  let next = nextArrival(0)
  for (;;) {
    if (next !== undefined && next.atMs <= events.nextMs) {
      nowMs = Math.max(nowMs, next.atMs)
      lastMs = nowMs
      arrive(next)
      next = nextArrival(next.atMs)
      continue
    }
    if (events.size === 0 || (next === undefined && events.nextMs > lastMs + DRAIN_DEADLINES * longestMs)) break
    nowMs = events.nextMs
    events.pop()()
  }
  latencies.sort((a, b) => a - b)
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN
  const countedS = Math.max(lastMs / 1000 - warmupS, 1e-9)
  const perS = (bins: readonly number[]): number[] => offered!.map((_, i) => (bins[i] ?? 0) / binS)
  return {
    total,
    tiers,
    routes,
    goodputPerS: total.good / countedS,
    countedS,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    binS,
    offeredPerS: perS(offered!),
    goodPerS: perS(good!),
    refusedPerS: perS(refused!),
  }
}
