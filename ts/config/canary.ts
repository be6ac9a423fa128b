/** The trial of a patch: the success of the top tier while it holds, against that before. */

import { METRIC, SHED_CAUSES } from '../engine/metric-cells.js'
import { TIERS } from '../engine/port.js'
import type { Metrics } from '../limiter/metrics.js'

/** Requests offered and succeeded so far, by tier, bulk to critical. */
export interface TierTotals {
  readonly offered: readonly number[]
  readonly succeeded: readonly number[]
}

/** Fewer requests of a tier prove nothing. */
const LEAST_REQUESTS = 20
/** Standard errors that a fall has to be beyond before the trial is over. */
const DOUBT = 2
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
