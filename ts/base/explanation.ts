/**
 * Explanations of decisions: the terms that R was made of, and what would have been admitted. They are built when one is asked for, from
 * the row of {@link TERMS} that the engine wrote at the decision.
 *
 * The terms sum to R to the last bit when they are added up in the order of {@link TERM_NAMES}, which is the order of the object's
 * properties: the last term that is not zero takes up the rounding.
 */

import { TERMS } from '../engine/port.js'
import type { LimitedBy } from './limited-by.js'

/** The terms of R in the order in which they are added up. */
export const TERM_NAMES = [
  'base',
  'pressure',
  'momentum',
  'scar',
  'cluster',
  'occupancy',
  'queueAge',
  'process',
] as const

/** A decision explained. */
export interface Explanation {
  /**
   * The terms of R, Ω: `base`, `pressure` (negative where the route does better than expected), `momentum`, `scar` (the own part of S,
   * and what the failures add that the breaker counts), `cluster` (the other nodes' part of S), and of `occupancy`, `queueAge` and
   * `process` the largest, which alone counts. Added up in that order they are `resistance` to the last bit. A refusal keeps its terms.
   * Those of a permit are known for 128 decisions more, those of a request that flowed in the open loop until the R of its route
   * changes; after that there is one term, `total`.
   */
  readonly terms: Readonly<Record<string, number>>
  /** R, Ω */
  readonly resistance: number
  /** V */
  readonly voltage: number
  /** V − R, V: a request flows where it is above 0 and its breaker is closed. */
  readonly margin: number
  /** The obstacle; undefined where the request flowed. */
  readonly limitedBy: LimitedBy | undefined
  /** The voltage and the time at which the request would have been admitted. */
  readonly admittedAt: {
    /** The lowest voltage that would have flowed then, V; undefined where none would: breaker, order, ban, a spent budget or room. */
    readonly voltage: number | undefined
    /** The time after which this request should come back, ms; 0 where it flowed, undefined where waiting alone will not do. */
    readonly ms: number | undefined
  }
}

/** R of a route that is not known yet, in R_base. */
const UNKNOWN_SHARE = 1.2
const MAX_RESISTANCE = 1e6
/** Relative difference below which two sums are the same but for rounding. */
const TOLERANCE = 1e-9
const MOST_STEPS = 16

const NO_VOLTAGE: ReadonlySet<LimitedBy | undefined> = new Set<LimitedBy>([
  'breaker',
  'wait_timeout',
  'wait_full',
  'budget',
  'override',
  'ban',
])

const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b))
const sumOf = (terms: readonly number[]): number => terms.reduce((sum, term) => sum + term, 0)

const float = new Float64Array(1)
const bits = new BigInt64Array(float.buffer)

/** The next number above `x`, or below it. */
function next(x: number, isUp: boolean): number {
  if (x === 0) return isUp ? Number.MIN_VALUE : -Number.MIN_VALUE
  float[0] = x
  bits[0]! += isUp === x > 0 ? 1n : -1n
  return float[0]
}

/** Makes the terms sum to `total` exactly: the last one that is not zero takes up the difference, or one before it. */
function settle(terms: number[], total: number): void {
  for (let at = terms.length - 1; at >= 0; at--) {
    const before = terms[at]!
    if (before === 0) continue
    // A sum in the middle between two neighbours of the total hits them in turn: half a step decides.
    let part = 1
    let last = 0
    for (let step = 0; step < MOST_STEPS; step++) {
      const rest = total - sumOf(terms)
      if (rest === 0) return
      if (rest === -last) part /= 2
      last = rest
      const moved = terms[at]! + rest * part
      terms[at] = moved === terms[at] ? next(moved, rest > 0) : moved
    }
    if (sumOf(terms) === total) return
    terms[at] = before
  }
}

/** Takes from the largest terms what is above `total`. */
function cut(terms: number[], total: number): void {
  for (let excess = sumOf(terms) - total; excess > TOLERANCE * total; excess = sumOf(terms) - total) {
    const at = terms.indexOf(Math.max(...terms))
    terms[at]! -= Math.min(excess, terms[at]!)
  }
}

/** The parts of a route's own R as they count: within its bounds, and in BOOTSTRAP. */
function ownTerms(row: ArrayLike<number>): number[] {
  const own = row[TERMS.OWN]!
  const base = row[TERMS.BASE]!
  const parts = [base, row[TERMS.PRESSURE]!, row[TERMS.MOMENTUM]!, row[TERMS.SCAR]!, row[TERMS.CLUSTER]!]
  const sum = sumOf(parts)
  if (isClose(sum, own)) return parts
  if (sum < base && isClose(own, base)) {
    // Better than expected is at most as good as nothing: it makes up for what the others add.
    parts[1] = -(parts[2]! + parts[3]! + parts[4]!)
    return parts
  }
  if (sum > MAX_RESISTANCE && own === MAX_RESISTANCE) {
    cut(parts, own)
    return parts
  }
  const known = Math.min(own, UNKNOWN_SHARE * base)
  return [known, 0, 0, own - known, 0]
}

/** The terms of R that a row holds; undefined where it is not of that R. */
function termsOf(row: ArrayLike<number>, resistance: number, isClosedLoop: boolean): number[] | undefined {
  const terms = [...ownTerms(row), 0, 0, 0]
  if (isClosedLoop) {
    terms[3]! += row[TERMS.FAULTS]!
    const crowd = [row[TERMS.OCCUPANCY]!, row[TERMS.QUEUE]!, row[TERMS.PROCESS]!]
    const largest = crowd.indexOf(Math.max(...crowd))
    terms[5 + largest] = crowd[largest]!
  }
  if (resistance === MAX_RESISTANCE) cut(terms, resistance)
  if (!isClose(sumOf(terms), resistance)) return undefined
  settle(terms, resistance)
  return sumOf(terms) === resistance ? terms : undefined
}

/** Explains a decision. @param row the engine's row of terms; undefined where it is kept no longer */
export function explanationOf(
  row: ArrayLike<number> | undefined,
  resistance: number,
  voltage: number,
  limitedBy: LimitedBy | undefined,
  retryAfterMs: number | undefined,
  isClosedLoop: boolean,
): Explanation {
  const terms = row && termsOf(row, resistance, isClosedLoop)
  return {
    terms:
      terms === undefined ? { total: resistance } : Object.fromEntries(TERM_NAMES.map((name, i) => [name, terms[i]!])),
    resistance,
    voltage,
    margin: voltage - resistance,
    limitedBy,
    admittedAt: {
      voltage: NO_VOLTAGE.has(limitedBy) ? undefined : next(resistance, true),
      ms: limitedBy === undefined ? 0 : retryAfterMs,
    },
  }
}
