/** The trial of a patch: the success of the top tier while it holds, against that before. */

import { METRIC, SHED_CAUSES } from '../engine/metric-cells.js'
import { TIERS } from '../engine/port.js'
import type { Metrics } from '../limiter/metrics.js'

/** Requests offered and succeeded so far, by tier, bulk to critical. */
export interface TierTotals {
  readonly offered: readonly number[]
  readonly succeeded: readonly number[]
}

export const NO_TOTALS: GroupTotals = Object.freeze({ offered: [], succeeded: [] })

/** Fewer requests of a tier prove nothing. */
const LEAST_REQUESTS = 20
/** Standard errors that a fall has to be beyond before the trial is over. */
const DOUBT = 2
/** ... of a trial on keys that could go on: which keys it drew is chance, and the whole trial long. */
const DOUBT_OF_KEYS = 3
/** Parts of the keys of a group, and the least of them that had requests. */
export const PARTS = 16
const LEAST_PARTS = 4
/** Samples before a trial: the youngest that is old enough is what it is measured against. */
const SAMPLES = 12

/** The totals of all routes. A route's failures are its tiers' in proportion to what was admitted of each. */
export function totalsOf({ cells, stride, size }: Metrics): TierTotals {
  const offered = TIERS.map(() => 0)
  const succeeded = TIERS.map(() => 0)
  for (let row = 0; row < size; row++) {
    const from = row * stride
    let all = 0
    for (let tier = 0; tier < TIERS.length; tier++) all += cells[from + METRIC.ADMITTED + tier]!
    const well = all > 0 ? Math.max(0, 1 - cells[from + METRIC.FAILURES]! / all) : 1
    for (let tier = 0; tier < TIERS.length; tier++) {
      const admitted = cells[from + METRIC.ADMITTED + tier]!
      let shed = 0
      for (let cause = 0; cause < SHED_CAUSES; cause++) shed += cells[from + METRIC.SHED + tier * SHED_CAUSES + cause]!
      offered[tier]! += admitted + shed
      succeeded[tier]! += admitted * well
    }
  }
  return { offered, succeeded }
}

/** Requests between two totals. A route that was evicted or reset meanwhile makes them fall: then the later ones are all there is. */
function between(before: TierTotals | undefined, after: TierTotals): TierTotals {
  if (before === undefined || after.offered.some((count, tier) => count < before.offered[tier]!)) return after
  return {
    offered: after.offered.map((count, tier) => count - before.offered[tier]!),
    succeeded: after.succeeded.map((count, tier) => Math.max(0, count - before.succeeded[tier]!)),
  }
}

/** The verdict on a trial so far. */
export interface Verdict {
  readonly isBad: boolean
  /** In a sentence. */
  readonly evidence: string
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

/** Judges a trial. @param isLast whether no further evidence comes: then no doubt is left to the patch */
export function judge(before: TierTotals, during: TierTotals, fallPoints: number, isLast: boolean): Verdict {
  for (let tier = TIERS.length - 1; tier >= 0; tier--) {
    const offered = during.offered[tier]!
    if (offered < LEAST_REQUESTS || before.offered[tier]! < LEAST_REQUESTS) continue
    const was = before.succeeded[tier]! / before.offered[tier]!
    const is = during.succeeded[tier]! / offered
    const doubt = isLast ? 0 : DOUBT * Math.sqrt(Math.max(is * (1 - is), 1 / offered) / offered)
    const isBad = was - is - doubt > fallPoints / 100
    return {
      isBad,
      evidence: `success of ${TIERS[tier]}: ${percent(was)} before, ${percent(is)} with it, of ${offered}`,
    }
  }
  return { isBad: false, evidence: `no tier had ${LEAST_REQUESTS} requests before and with it` }
}

/** Requests of a group of keys, by tier and by part of the keys. */
export interface GroupTotals {
  readonly offered: readonly ArrayLike<number>[]
  readonly succeeded: readonly ArrayLike<number>[]
}

interface Success {
  readonly offered: number
  readonly share: number
  readonly variance: number
}

/**
 * The success of a group, and how far chance may move it: requests of one key have more in common than others, so that the parts of the keys
 * are the sample, not the requests (the linearized variance of a ratio of clusters; Cochran, "Sampling Techniques", 1977). undefined: too little is
 * known.
 */
function successOf({ offered, succeeded }: GroupTotals, tier: number): Success | undefined {
  const ofTier = Array.from(offered[tier] ?? [])
  const count = ofTier.reduce((sum, part) => sum + part, 0)
  const parts = ofTier.filter((part) => part > 0).length
  if (count < LEAST_REQUESTS || parts < LEAST_PARTS) return undefined
  const share = Array.from(succeeded[tier]!).reduce((sum, part) => sum + part, 0) / count
  const spread = ofTier.reduce((sum, part, i) => sum + (succeeded[tier]![i]! - share * part) ** 2, 0)
  const ofRequests = Math.max(share * (1 - share), 1 / count) / count
  const variance = Math.max(((spread / count ** 2) * parts) / (parts - 1), ofRequests)
  return { offered: count, share, variance }
}

/** Judges a trial on a share of keys by the requests of the others meanwhile. @param isLast whether no further evidence comes */
export function judgeGroups(control: GroupTotals, tried: GroupTotals, fallPoints: number, isLast: boolean): Verdict {
  for (let tier = TIERS.length - 1; tier >= 0; tier--) {
    const others = successOf(control, tier)
    const own = successOf(tried, tier)
    if (others === undefined || own === undefined) continue
    const doubt = (isLast ? DOUBT : DOUBT_OF_KEYS) * Math.sqrt(own.variance + others.variance)
    return {
      isBad: others.share - own.share - doubt > fallPoints / 100,
      evidence:
        `success of ${TIERS[tier]}: ${percent(others.share)} of ${others.offered} without it, ` +
        `${percent(own.share)} of ${own.offered} with it at the same time`,
    }
  }
  return {
    isBad: false,
    evidence: `no tier had ${LEAST_REQUESTS} requests of ${LEAST_PARTS} keys with it and as many without`,
  }
}

/** Samples of the totals, so that a trial has something to be measured against. */
export class TrialWatch {
  readonly #read: () => TierTotals
  readonly #samples: TierTotals[] = []

  constructor(read: () => TierTotals) {
    this.#read = read
  }

  /** Takes a sample: from time to time, while there is no trial. */
  sample(): void {
    this.#samples.push(this.#read())
    if (this.#samples.length > SAMPLES) this.#samples.shift()
  }

  /** Begins a trial. @returns its judge */
  begin(fallPoints: number): (isLast: boolean) => Verdict {
    const atStart = this.#read()
    let before = atStart
    // The youngest sample with enough of a tier since; without one, everything so far.
    for (const sample of [...this.#samples].reverse()) {
      const since = between(sample, atStart)
      if (since.offered.some((count) => count >= LEAST_REQUESTS)) {
        before = since
        break
      }
    }
    return (isLast) => judge(before, between(atStart, this.#read()), fallPoints, isLast)
  }
}
