/** Decisions by route, tier and key: counts, latencies of what was admitted, and differences to another run. */

import { TIERS } from '../engine/port.js'
import { ACQUIRE } from '../recording/format.js'
import { Series } from './series.js'

/** Routes, and keys of all routes, that are counted each by itself. */
const MOST_ROUTES = 4_096
const MOST_KEYS = 65_536
/** Latencies that are kept of a route. */
const MOST_LATENCIES = 4_096
/** A key with this share of its recording's keyed requests is a heavy one. */
const HEAVY_SHARE = 0.01

export const OTHER_ROUTES = 'other routes'
export const TIER_LABELS: readonly string[] = [...TIERS, 'by voltage', 'open loop']
const BY_VOLTAGE = TIERS.length
const OPEN_LOOP = TIERS.length + 1

export interface Counts {
  decisions: number
  admitted: number
  refused: number
  /** Refused here, and admitted by the recorded configuration; and the other way round. */
  admittedToRefused: number
  refusedToAdmitted: number
}

const countsOf = (): Counts => ({ decisions: 0, admitted: 0, refused: 0, admittedToRefused: 0, refusedToAdmitted: 0 })

export class RouteTally {
  readonly name: string
  readonly tiers: readonly Counts[] = TIER_LABELS.map(countsOf)
  /** Refusals by cause. */
  readonly causes = new Map<number, number>()
  completed = 0
  failed = 0
  /** A sample of the latencies, ms; each equally likely to be in it. */
  readonly latencies: number[] = []
  #seen = 0
  #random = 1

  constructor(name: string) {
    this.name = name
  }

  addLatency(ms: number): void {
    this.#seen += 1
    if (this.latencies.length < MOST_LATENCIES) {
      this.latencies.push(ms)
      return
    }
    // Park and Miller's numbers: the same recording gives the same sample.
    this.#random = (this.#random * 48_271) % 2_147_483_647
    const at = Math.floor((this.#random / 2_147_483_647) * this.#seen)
    if (at < MOST_LATENCIES) this.latencies[at] = ms
  }

  total(): Counts {
    const sum = countsOf()
    for (const tier of this.tiers) add(sum, tier)
    return sum
  }
}

function add(sum: Counts, { decisions, admitted, refused, admittedToRefused, refusedToAdmitted }: Counts): void {
  sum.decisions += decisions
  sum.admitted += admitted
  sum.refused += refused
  sum.admittedToRefused += admittedToRefused
  sum.refusedToAdmitted += refusedToAdmitted
}

function count(counts: Counts, isAdmitted: boolean, wasAdmitted: boolean): void {
  counts.decisions += 1
  if (isAdmitted) {
    counts.admitted += 1
    if (!wasAdmitted) counts.refusedToAdmitted += 1
  } else {
    counts.refused += 1
    if (wasAdmitted) counts.admittedToRefused += 1
  }
}

/** Lanes of the series of a tally. */
export const [OFFERED, ADMITTED, REFUSED] = [0, 1, 2]

export class Tally {
  readonly series = new Series(3)
  readonly routes = new Map<string, RouteTally>()
  readonly #keys = new Map<number, Counts>()
  readonly #otherKeys = countsOf()
  readonly #unkeyed = countsOf()
  #firstMs = Number.NaN
  #lastMs = Number.NaN

  routeOf(name: string): RouteTally {
    let route = this.routes.get(name)
    if (route !== undefined) return route
    if (this.routes.size >= MOST_ROUTES) return this.routes.get(OTHER_ROUTES) ?? this.#make(OTHER_ROUTES)
    route = this.#make(name)
    return route
  }

  #make(name: string): RouteTally {
    const route = new RouteTally(name)
    this.routes.set(name, route)
    return route
  }

  /** The time that the decisions took, ms. */
  get spanMs(): number {
    return this.#lastMs > this.#firstMs ? this.#lastMs - this.#firstMs : 0
  }

  /** Counts a decision. @param wasAdmitted what the recorded configuration made of it */
  add(
    route: RouteTally,
    tier: number,
    key: number,
    nowMs: number,
    isAdmitted: boolean,
    wasAdmitted: boolean,
    cause: number,
  ): void {
    if (!(this.#firstMs <= nowMs)) this.#firstMs = nowMs
    if (!(this.#lastMs >= nowMs)) this.#lastMs = nowMs
    const label = tier === ACQUIRE.BY_VOLTAGE ? BY_VOLTAGE : tier
    count(route.tiers[tier === -1 ? OPEN_LOOP : label]!, isAdmitted, wasAdmitted)
    if (!isAdmitted) route.causes.set(cause, (route.causes.get(cause) ?? 0) + 1)
    count(this.#countsOf(key), isAdmitted, wasAdmitted)
    this.series.add(OFFERED, nowMs)
    this.series.add(isAdmitted ? ADMITTED : REFUSED, nowMs)
  }

  #countsOf(key: number): Counts {
    if (Number.isNaN(key)) return this.#unkeyed
    let counts = this.#keys.get(key)
    if (counts === undefined) {
      if (this.#keys.size >= MOST_KEYS) return this.#otherKeys
      counts = countsOf()
      this.#keys.set(key, counts)
    }
    return counts
  }

  /** Counts by class of keys: those that send a hundredth or more of all that have one, the rest, and requests without a key. */
  keyClasses(): [string, Counts][] {
    const [heavy, light] = [countsOf(), countsOf()]
    add(light, this.#otherKeys)
    let keyed = this.#otherKeys.decisions
    for (const { decisions } of this.#keys.values()) keyed += decisions
    let heavyKeys = 0
    for (const counts of this.#keys.values()) {
      const isHeavy = counts.decisions >= HEAVY_SHARE * keyed
      if (isHeavy) heavyKeys += 1
      add(isHeavy ? heavy : light, counts)
    }
    const classes: [string, Counts][] = [
      [`heavy keys (${heavyKeys})`, heavy],
      ['other keys', light],
      ['no key', this.#unkeyed],
    ]
    return classes.filter(([, { decisions }]) => decisions > 0)
  }

  total(): Counts {
    const sum = countsOf()
    for (const route of this.routes.values()) add(sum, route.total())
    return sum
  }
}

/** The value that a share of sorted numbers is not above. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
