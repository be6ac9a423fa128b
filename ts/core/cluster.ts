/**
 * Law of the cluster: what other nodes suffered, blended with this node's own scar and never obeyed.
 *
 *   S_n        what node n reports that it suffered, decayed since then      ω_n = 1 + requests it saw lately
 *   Š, Ŝ       the second lowest and the second highest S of the peers; of two and this node, both are the one in between
 *   S_cluster  = Σ ω_n·S_n / Σ ω_n, each within Š − S_lone … Ŝ + S_lone      S_lone = R_base·breakMultiplier
 *   S_agreed   = Σ ω_n·S_n / Σ ω_n, each within Š … Ŝ
 *   S          = γ·S_cluster + (1 − γ)·S_local                               what requests have to overcome
 *   S_judged   = γ·S_agreed  + (1 − γ)·S_local                               what the breaker is judged by
 *
 * One node alone, failing or lying, opens no breaker but its own, and moves R elsewhere by at most γ·S_lone in either direction: a
 * single peer is bounded by S_local ± γ·S_lone; two that contradict each other leave S_cluster within S_lone of both. What the closed
 * loop and a node that starts make of the others follows what at least two of them agree on:
 *
 *   c          = γ·min(1, S_agreed/S_closed), 0 where Ŝ < S_closed/4
 *   w          = ⌈γ·(n − 1)⌉                        of n others whose breakers are open
 *   S_inherit  = S_mean within γ·S_agreed … γ·S_agreed + min(γ, ½)·S_lone
 */

import { MAX_RESISTANCE } from './constants.js'
import type { PhysicsConfig } from './types.js'

/** One node's report of a route. */
export interface PeerReport {
  /** S_n, Ω */
  readonly scar: number
  /** Requests that the node saw lately. */
  readonly requests: number
}

/** The others' part in a route's scar. */
export interface Blend {
  /** 1 − γ */
  readonly keep: number
  /** γ·S_cluster, Ω */
  readonly add: number
  /** The most by which the others move S, Ω: γ·S_lone of a single one, otherwise infinite. */
  readonly bound: number
  /** The part of `add` that one node alone reports, Ω */
  readonly lone: number
}

/** The others' part in a route's physics. */
export interface Share extends Blend {
  /** c: how firmly at least two others report that the route fails, [0, γ]; it lightens the closed loop's burden of proof. */
  readonly belief: number
  /** w: how many others the probes of an open breaker take turns with. */
  readonly witnesses: number
}

/** No other node reports. */
const NO_SHARE: Share = { keep: 1, add: 0, bound: Number.POSITIVE_INFINITY, lone: 0, belief: 0, witnesses: 0 }

/** A scar with which next to nothing flows. What an open breaker of the closed loop is worth, Ω. */
const CLOSED = 190
/** Agreement on less is no evidence of failures, Ω. */
const FAILING = CLOSED / 4

/** Share of S_lone inherited from one report at the most: judged as this node's own, it must leave room below the break point. */
const INHERITED_ALONE = 0.5

type LoneLimit = Pick<PhysicsConfig, 'baseResistance' | 'breakMultiplier'>

/** Reports, and their means. */
class PeerAggregate {
  readonly #reports: readonly { readonly scar: number; readonly weight: number }[]
  readonly #weight: number
  /** The lowest S, the second lowest, the second highest and the highest, Ω; of a single one the inner two are 0. */
  readonly bottom: number
  readonly secondLowest: number
  readonly second: number
  readonly top: number

  constructor(reports: readonly PeerReport[]) {
    this.#reports = reports.map(({ scar, requests }) => ({
      scar: scar > 0 ? Math.min(scar, MAX_RESISTANCE) : 0,
      weight: 1 + (requests > 0 ? Math.min(requests, 1e12) : 0),
    }))
    this.#weight = this.#reports.reduce((sum, { weight }) => sum + weight, 0)
    const sorted = this.#reports.map(({ scar }) => scar).sort((a, b) => a - b)
    this.bottom = sorted[0] ?? 0
    this.secondLowest = sorted[1] ?? 0
    this.second = sorted.at(-2) ?? 0
    this.top = sorted.at(-1) ?? 0
  }

  get size(): number {
    return this.#reports.length
  }

  /** The mean of all, each within `low` … `high`. */
  mean(low: number, high: number): number {
    const sum = this.#reports.reduce((sum, { scar, weight }) => sum + weight * Math.max(low, Math.min(scar, high)), 0)
    return sum / this.#weight
  }

  /** S_agreed of the others alone, Ω; of a single one 0. */
  agreed(): number {
    return this.size < 2 ? 0 : this.mean(Math.min(this.secondLowest, this.second), this.second)
  }

  belief(gamma: number): number {
    return this.second < FAILING ? 0 : Math.min(gamma, 1) * Math.min(1, this.agreed() / CLOSED)
  }

  witnesses(gamma: number): number {
    const open = this.#reports.filter(({ scar }) => scar >= CLOSED / 2).length
    return Math.ceil(Math.min(gamma, 1) * Math.max(0, open - 1))
  }
}

/** S_inherit, Ω: what a node takes over of a route that it has not measured itself. One report moves it by at most γ·S_lone. */
export function calculateInheritance(
  reports: readonly PeerReport[],
  gamma: number,
  { baseResistance, breakMultiplier }: LoneLimit,
): number {
  if (reports.length === 0 || !(gamma > 0)) return 0
  const aggregate = new PeerAggregate(reports)
  const weight = Math.min(gamma, 1)
  const alone = Math.min(weight, INHERITED_ALONE) * baseResistance * breakMultiplier
  const agreed = weight * aggregate.agreed()
  return Math.max(agreed, Math.min(aggregate.mean(0, MAX_RESISTANCE), agreed + alone))
}

/** The blend of `reports` for a node whose own scar is `local` Ω. */
export function calculateShare(
  reports: readonly PeerReport[],
  local: number,
  gamma: number,
  { baseResistance, breakMultiplier }: LoneLimit,
): Share {
  if (reports.length === 0 || !(gamma > 0)) return NO_SHARE
  const aggregate = new PeerAggregate(reports)
  const lone = baseResistance * breakMultiplier
  const { bottom, top, size } = aggregate
  const between = Math.max(bottom, Math.min(local, top))
  const [low, high] =
    size === 1
      ? [0, Math.max(0, Math.min(local, top))]
      : size === 2
        ? [between, between]
        : [aggregate.secondLowest, aggregate.second]
  let cluster = aggregate.mean(low - lone, high + lone)
  if (size === 2)
    cluster = Math.min(Math.max(cluster, Math.min(top, high + lone) - lone), Math.max(bottom, low - lone) + lone)
  const agreed = aggregate.mean(low, high)
  return {
    keep: 1 - gamma,
    add: gamma * cluster,
    bound: size === 1 ? gamma * lone : Number.POSITIVE_INFINITY,
    lone: gamma * Math.max(0, cluster - agreed),
    belief: aggregate.belief(gamma),
    witnesses: aggregate.witnesses(gamma),
  }
}

/** S with the others' part, Ω. */
export const blendScar = (local: number, others: Blend | undefined): number =>
  others === undefined
    ? local
    : Math.min(Math.max(others.keep * local + others.add, local - others.bound), local + others.bound)
