/**
 * Law of the cluster: what other nodes suffered, blended with one's own scar and never obeyed.
 *
 *   S_n        what node n says it suffered, decayed since it said so        ω_n = 1 + requests it saw lately
 *   Ŝ          the second highest S of all, one's own included
 *   S_cluster  = Σ ω_n·min(S_n, Ŝ + S_lone) / Σ ω_n                          S_lone = R_base·breakMultiplier
 *   S_agreed   = Σ ω_n·min(S_n, Ŝ) / Σ ω_n
 *   S          = γ·S_cluster + (1 − γ)·S_local                               what requests have to overcome
 *   S_judged   = γ·S_agreed  + (1 − γ)·S_local                               what the breaker is judged by
 *
 * One sick node cannot close a route for all: what it alone says moves no breaker but its own.
 */

import { MAX_RESISTANCE } from './constants.js'
import type { PhysicsConfig } from './types.js'

/** What one node says of a route. */
export interface Voice {
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
  /** The part of it that one node alone speaks for, Ω */
  readonly lone: number
}

/** The others' part in a route's physics. */
export interface Share extends Blend {
  /** How firmly the others say that the route fails, [0, 1]; it lightens the closed loop's burden of proof. */
  readonly belief: number
  /** How many of them probe it, because their breakers are open. */
  readonly witnesses: number
}

/** Nobody else speaks. */
export const NO_SHARE: Share = { keep: 1, add: 0, lone: 0, belief: 0, witnesses: 0 }

/** A scar that says: here, next to nothing flows. What an open breaker of the closed loop is worth, Ω. */
const CLOSED = 190

/** What `voices` share with a node whose own scar is `local` Ω. */
export function calculateShare(
  voices: readonly Voice[],
  local: number,
  gamma: number,
  { baseResistance, breakMultiplier }: Pick<PhysicsConfig, 'baseResistance' | 'breakMultiplier'>,
): Share {
  if (voices.length === 0 || !(gamma > 0)) return NO_SHARE
  const words = voices.map(({ scar, requests }) => ({
    scar: scar > 0 ? Math.min(scar, MAX_RESISTANCE) : 0,
    weight: 1 + (requests > 0 ? Math.min(requests, 1e12) : 0),
  }))
  const [top = 0, next = 0] = words.map(({ scar }) => scar).sort((a, b) => b - a)
  const second = Math.max(next, Math.min(local, top))
  const total = words.reduce((sum, { weight }) => sum + weight, 0)
  const mean = (bound: number): number =>
    words.reduce((sum, { scar, weight }) => sum + weight * Math.min(scar, bound), 0) / total
  const cluster = mean(second + baseResistance * breakMultiplier)
  const agreed = mean(second)
  return {
    keep: 1 - gamma,
    add: gamma * cluster,
    lone: gamma * Math.max(0, cluster - agreed),
    belief: Math.min(1, mean(MAX_RESISTANCE) / CLOSED),
    witnesses: words.filter(({ scar }) => scar >= CLOSED / 2).length,
  }
}

/** S with the others' part, Ω. */
export const blendScar = (local: number, others: Blend | undefined): number =>
  others === undefined ? local : others.keep * local + others.add
