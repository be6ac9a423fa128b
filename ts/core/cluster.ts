/**
 * Law of the cluster: what other nodes suffered, blended with one's own scar and never obeyed.
 *
 *   S_n        what node n reports that it suffered, decayed since then      ω_n = 1 + requests it saw lately
 *   Ŝ          the second highest S of all, one's own included
 *   S_cluster  = Σ ω_n·min(S_n, Ŝ + S_lone) / Σ ω_n                          S_lone = R_base·breakMultiplier
 *   S_agreed   = Σ ω_n·min(S_n, Ŝ) / Σ ω_n
 *   S          = γ·S_cluster + (1 − γ)·S_local                               what requests have to overcome
 *   S_judged   = γ·S_agreed  + (1 − γ)·S_local                               what the breaker is judged by
 *
 * One sick node cannot close a route for all: its report alone moves no breaker but its own. What the closed loop and a
 * node that starts make of the others follows what at least two of them agree on, Ŝ′, the second highest S of theirs:
 *
 *   c          = γ·min(1, S_agreed′/S_closed), 0 where Ŝ′ < S_closed/4
 *   w          = ⌈γ·(n − 1)⌉                        of n others whose breakers are open
 *   S_inherit  = min(S_mean, γ·S_agreed′ + min(γ, ½)·S_lone)
 */

import { MAX_RESISTANCE } from './constants.js'
import type { PhysicsConfig } from './types.js'

/** One node's report of a route. */
export interface PeerReport {
  /** S_n, Ω */
  readonly scar: number
  /** Requests it saw lately. */
  readonly requests: number
}

/** The others' part in a route's scar. */
export interface Blend {
  /** 1 − γ */
  readonly keep: number
  /** γ·S_cluster, Ω */
  readonly add: number
  /** The part of it that one node alone reports, Ω */
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
export const NO_SHARE: Share = { keep: 1, add: 0, lone: 0, belief: 0, witnesses: 0 }

/** A scar with which next to nothing flows. What an open breaker of the closed loop is worth, Ω. */
const CLOSED = 190
/** Agreement on less is no evidence of failures, Ω. */
const FAILING = CLOSED / 4

/** Share of S_lone inherited from one report at the most: judged as one's own, it must leave room below the break point. */
const INHERITED_ALONE = 0.5

type LoneLimit = Pick<PhysicsConfig, 'baseResistance' | 'breakMultiplier'>

/** Reports, and their means. */
class PeerAggregate {
  readonly #reports: readonly { readonly scar: number; readonly weight: number }[]
  readonly #weight: number
  /** The highest S and the second highest, Ω. */
  readonly top: number
  readonly second: number

  constructor(reports: readonly PeerReport[]) {
    this.#reports = reports.map(({ scar, requests }) => ({
      scar: scar > 0 ? Math.min(scar, MAX_RESISTANCE) : 0,
      weight: 1 + (requests > 0 ? Math.min(requests, 1e12) : 0),
    }))
    this.#weight = this.#reports.reduce((sum, { weight }) => sum + weight, 0)
    const [top = 0, second = 0] = this.#reports.map(({ scar }) => scar).sort((a, b) => b - a)
    this.top = top
    this.second = second
  }

  /** The mean of all, each at most `bound`. */
  mean(bound: number): number {
    return this.#reports.reduce((sum, { scar, weight }) => sum + weight * Math.min(scar, bound), 0) / this.#weight
  }

  belief(gamma: number): number {
    return this.second < FAILING ? 0 : Math.min(gamma, 1) * Math.min(1, this.mean(this.second) / CLOSED)
  }

  witnesses(gamma: number): number {
    const open = this.#reports.filter(({ scar }) => scar >= CLOSED / 2).length
    return Math.ceil(Math.min(gamma, 1) * Math.max(0, open - 1))
  }
}

/** S_inherit, Ω: what a node takes over of a route that it has not measured itself. One report gives at most γ·S_lone. */
export function calculateInheritance(
  reports: readonly PeerReport[],
  gamma: number,
  { baseResistance, breakMultiplier }: LoneLimit,
): number {
  if (reports.length === 0 || !(gamma > 0)) return 0
  const aggregate = new PeerAggregate(reports)
  const weight = Math.min(gamma, 1)
  const alone = Math.min(weight, INHERITED_ALONE) * baseResistance * breakMultiplier
  const bound = weight * aggregate.mean(aggregate.second) + alone
  return Math.min(aggregate.mean(MAX_RESISTANCE), bound)
}

/** What `reports` come to for a node whose own scar is `local` Ω. */
export function calculateShare(
  reports: readonly PeerReport[],
  local: number,
  gamma: number,
  { baseResistance, breakMultiplier }: LoneLimit,
): Share {
  if (reports.length === 0 || !(gamma > 0)) return NO_SHARE
  const aggregate = new PeerAggregate(reports)
  const second = Math.max(aggregate.second, Math.min(local, aggregate.top))
  const cluster = aggregate.mean(second + baseResistance * breakMultiplier)
  const agreed = aggregate.mean(second)
  return {
    keep: 1 - gamma,
    add: gamma * cluster,
    lone: gamma * Math.max(0, cluster - agreed),
    belief: aggregate.belief(gamma),
    witnesses: aggregate.witnesses(gamma),
  }
}

/** S with the others' part, Ω. */
export const blendScar = (local: number, others: Blend | undefined): number =>
  others === undefined ? local : others.keep * local + others.add
