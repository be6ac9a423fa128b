/** The requests of a recording, and a plant for each route that is fitted to how it answered them. */

import type { RouteProfileOptions } from '../options/options.js'
import type { RouteParams } from '../options/route-params.js'
import { ACQUIRE } from '../recording/format.js'
import type { Arrival, Arrivals } from '../simulation/arrivals.js'
import { type Plant, pool } from '../simulation/plants.js'
import { GarbageError } from './block-reader.js'
import { recordedBase, recordedProfile } from './candidate-file.js'
import type { Companion } from './companion.js'
import { Numbers } from './engine-run.js'
import type { Entry } from './entry.js'
import { quantile, type RouteTally } from './tally.js'

const TIERS = ['bulk', 'low', 'normal', 'high', 'critical'] as const
/** Requests that are kept: those that come later are left out, and the trace says so. */
const MOST_ARRIVALS = 2_000_000
/** Keys whose lane is kept: others count as in none. */
const MOST_KEYS = 262_144
/** Answers that are kept of a route, each equally likely. */
const MOST_ANSWERS = 8_192
/** The rate of answers is measured in windows of so long, ms. */
const WINDOW_MS = 500
/** A route whose answers take so much longer under load than at rest has been full. */
const FULL_RATIO = 1.3

interface Answer {
  readonly tookMs: number
  /** Requests in flight when it was admitted, itself included. */
  readonly inFlight: number
}

export interface Fit {
  readonly route: string
  readonly servers: number
  /** Service times, ms. */
  readonly sample: readonly number[]
  readonly failedShare: number
  /** False: the route was never full, and may carry more than this. */
  readonly wasFull: boolean
  readonly capacityPerS: number
  readonly answers: number
}

/** Requests that can be run again. */
export interface Requests {
  readonly size: number
  readonly leftOut: number
  readonly spanMs: number
  /** Good answers as they were. */
  readonly good: number
  /** The settings that they came to, and those of single routes. */
  readonly params: RouteParams | undefined
  readonly given: ReadonlyMap<string, RouteProfileOptions>
  deadlineOf(route: string): number
  /** From 0 ms on. */
  arrivals(): Arrivals
  fits(): Fit[]
}

/** Collects the marks of a route's plant in its answers. */
export class Observed {
  readonly name: string
  inFlight = 0
  mostInFlight = 0
  failed = 0
  seen = 0
  readonly #answers: Answer[] = []
  readonly #windows: number[] = []
  #window = Number.NaN
  #inWindow = 0
  #random = 7

  constructor(name: string) {
    this.name = name
  }

  admitted(): number {
    this.inFlight += 1
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    return this.inFlight
  }

  answered(nowMs: number, tookMs: number, inFlight: number, ok: boolean): void {
    this.seen += 1
    if (!ok) this.failed += 1
    const window = Math.floor(nowMs / WINDOW_MS)
    if (window !== this.#window) {
      if (this.#inWindow > 0 && this.#windows.length < MOST_ARRIVALS) this.#windows.push(this.#inWindow)
      this.#window = window
      this.#inWindow = 0
    }
    this.#inWindow += 1
    const answer = { tookMs, inFlight }
    if (this.#answers.length < MOST_ANSWERS) {
      this.#answers.push(answer)
      return
    }
    this.#random = (this.#random * 48_271) % 2_147_483_647
    const at = Math.floor((this.#random / 2_147_483_647) * this.seen)
    if (at < MOST_ANSWERS) this.#answers[at] = answer
  }

  /** Servers by Little's law: the rate of answers at its highest, times the service time of requests that met few others. */
  fit(): Fit | undefined {
    const all = this.#answers
    if (all.length === 0) return undefined
    const loads = all.map(({ inFlight }) => inFlight).sort((a, b) => a - b)
    const [few, many] = [quantile(loads, 0.25), quantile(loads, 0.9)]
    const quiet = all.filter(({ inFlight }) => inFlight <= few).map(({ tookMs }) => tookMs)
    const busy = all.filter(({ inFlight }) => inFlight >= many).map(({ tookMs }) => tookMs)
    const mean = (times: readonly number[]): number => times.reduce((sum, one) => sum + one, 0) / times.length
    const serviceMs = Math.max(mean(quiet), 1e-3)
    const windows = [...this.#windows].sort((a, b) => a - b)
    const perS = windows.length === 0 ? 0 : (quantile(windows, 0.95) * 1000) / WINDOW_MS
    const wasFull = many > few && mean(busy) > FULL_RATIO * serviceMs
    const byLittle = Math.max(1, Math.round((perS * serviceMs) / 1000))
    const servers = wasFull ? byLittle : Math.max(byLittle, this.mostInFlight)
    return {
      route: this.name,
      servers,
      sample: quiet,
      failedShare: this.failed / this.seen,
      wasFull,
      capacityPerS: (1000 * servers) / serviceMs,
      answers: this.seen,
    }
  }
}

export class Trace implements Companion, Requests {
  readonly #at: number[] = []
  readonly #route: number[] = []
  readonly #tier: number[] = []
  readonly #voltage = new Map<number, number>()
  readonly #key: number[] = []
  /** The lanes of keys, of those that are in one, by the name of the route. */
  readonly #lanes = new Map<string, Map<string, number>>()
  #keysInLanes = 0
  readonly #names: string[] = []
  readonly #indices = new Map<string, number>()
  readonly #observed: Observed[] = []
  readonly #placeMs = new Numbers(Number.NaN, 2 ** 22)
  readonly #placeLoad = new Numbers(0, 2 ** 22)
  readonly #placeRoute = new Numbers(-1, 2 ** 22)
  /** The last settings of the recording. */
  params: RouteParams | undefined
  readonly given = new Map<string, RouteProfileOptions>()
  readonly #slotNames: string[] = []
  leftOut = 0
  /** Good answers of the recording, by the deadline of its settings. */
  good = 0

  about(): void {}
  rare(): void {}
  law(): void {}
  setLaw(): void {}
  route(): void {}

  base(value: unknown): void {
    try {
      this.params = recordedBase(value)
    } catch (error) {
      throw new GarbageError(`settings that are none: ${(error as Error).message}`)
    }
  }

  name(slot: number, _: number, name: string): void {
    this.#slotNames[slot] = name
  }

  profile(slot: number, profile: unknown): void {
    const name = this.#slotNames[slot]
    const laneOf = (key: string): number => this.#lanes.get(name ?? '')?.get(key) ?? 0
    const given = this.params && recordedProfile(profile, this.params, laneOf)
    if (name !== undefined && given !== undefined && this.given.size < 65_536) this.given.set(name, given)
  }

  #indexOf(name: string): number {
    let index = this.#indices.get(name)
    if (index === undefined) {
      index = this.#names.length
      this.#indices.set(name, index)
      this.#names.push(name)
      this.#observed.push(new Observed(name))
    }
    return index
  }

  /** The requests of a trace are those that were asked for in it: what is under way already is none of them. */
  image(): void {}

  acquire(entry: Entry, { name }: RouteTally): void {
    const index = this.#indexOf(name)
    if (entry.waitedMs <= 0) {
      if (this.#at.length >= MOST_ARRIVALS) this.leftOut += 1
      else {
        if (entry.tier === ACQUIRE.BY_VOLTAGE) this.#voltage.set(this.#at.length, entry.voltage)
        this.#at.push(entry.nowMs)
        this.#route.push(index)
        this.#tier.push(entry.tier)
        this.#key.push(entry.key)
        if (entry.lane > 0) this.#keepLane(name, String(entry.key), entry.lane)
      }
    }
    if (!entry.isAllowed || entry.place < 0) return
    this.#placeMs.set(entry.place, entry.nowMs)
    this.#placeLoad.set(entry.place, this.#observed[index]!.admitted())
    this.#placeRoute.set(entry.place, index)
  }

  #keepLane(route: string, key: string, lane: number): void {
    const lanes = this.#lanes.get(route) ?? new Map<string, number>()
    this.#lanes.set(route, lanes)
    if (!lanes.has(key)) {
      if (this.#keysInLanes >= MOST_KEYS) return
      this.#keysInLanes += 1
    }
    lanes.set(key, lane)
  }

  release(entry: Entry): void {
    if (entry.place < 0) return
    const index = this.#placeRoute.get(entry.place)
    const observed = this.#observed[index]
    if (observed === undefined) return
    this.#placeRoute.set(entry.place, -1)
    observed.inFlight -= 1
    if (entry.outcome > 1) return
    const tookMs = entry.nowMs - this.#placeMs.get(entry.place) - entry.excusedMs
    const ok = entry.outcome === 0
    observed.answered(entry.nowMs, tookMs, this.#placeLoad.get(entry.place), ok)
    if (ok && tookMs <= this.deadlineOf(observed.name)) this.good += 1
  }

  deadlineOf(route: string): number {
    return this.given.get(route)?.slo?.maxAcceptableLatencyMs ?? this.params?.slo.maxAcceptableLatencyMs ?? 500
  }

  get size(): number {
    return this.#at.length
  }

  /** The requests, from 0 ms on; `times` as fast. */
  arrivals(): Arrivals {
    let next = 0
    const first = this.#at[0] ?? 0
    let lastMs = 0
    return () => {
      const i = next++
      if (i >= this.#at.length) return undefined
      lastMs = Math.max(lastMs, this.#at[i]! - first)
      const key = this.#key[i]!
      const tier = this.#tier[i]!
      const arrival: Arrival = {
        atMs: lastMs,
        route: this.#names[this.#route[i]!]!,
        tier: tier === ACQUIRE.BY_VOLTAGE ? undefined : TIERS[tier],
        voltage: this.#voltage.get(i),
        key: Number.isNaN(key) ? undefined : String(key),
      }
      return arrival
    }
  }

  get spanMs(): number {
    return this.#at.length === 0 ? 0 : this.#at.at(-1)! - this.#at[0]!
  }

  fits(): Fit[] {
    return this.#observed.map((one) => one.fit()).filter((fit) => fit !== undefined)
  }
}

/** A plant for each route. */
export function plantsOf(fits: readonly Fit[]): (route: string) => Plant {
  const plants = new Map(
    fits.map(({ route, servers, sample, failedShare }) => [
      route,
      pool({ servers, serviceMs: sample, errorRate: failedShare }),
    ]),
  )
  // A route of which nothing was ever answered.
  const unknown = pool({ servers: 1, serviceMs: 1 })
  return (route) => plants.get(route) ?? unknown
}
