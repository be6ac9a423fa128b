// From what was noted of each guard to the numbers that are printed. Pure; a number that does not exist is undefined, never 0.
import { isGood, quantile, recoveryOf, shareOf } from '../figures.mjs'
import { ENDPOINTS, OUTCOMES, phaseAt, phaseOf } from './plan.mjs'

const WASTED = new Set(['late', 'failed', 'hung up'])
const CALM_PHASES = new Set(['calm', 'calm again', 'healed'])

/** Counts `records` by outcome. */
export function countOutcomes(records) {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]))
  for (const { outcome } of records) counts[outcome] += 1
  return counts
}

const goodShareOf = (records) => shareOf(records.filter(isGood).length, records.length)

/** @returns what the table prints of one run */
export function summarise({ records, counts }, plan) {
  const during = (...names) => records.filter(({ atMs }) => names.includes(phaseAt(plan, atMs).name))
  const overload = during('rising', 'peak')
  const zombie = during('zombie')
  const latencies = records.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b)
  const byEndpoint = (some) => ENDPOINTS.map((_, i) => goodShareOf(some.filter(({ endpoint }) => endpoint === i)))
  const recovery = (name, untilName) => {
    const healedAtMs = phaseOf(plan, name).fromMs
    const runMs = untilName === undefined ? plan.runMs : phaseOf(plan, untilName).fromMs
    return recoveryOf(records, { healedAtMs, runMs })
  }
  return {
    requests: records.length,
    outcomes: countOutcomes(records),
    good: goodShareOf(records),
    goodPerS: { overload: perSecond(overload, plan, ['rising', 'peak']), zombie: perSecond(zombie, plan, ['zombie']) },
    overload: byEndpoint(overload),
    zombie: byEndpoint(zombie),
    wasted: records.filter(({ outcome }) => WASTED.has(outcome)).length,
    refusedInCalm: records.filter(
      ({ atMs, outcome }) => outcome === 'refused' && CALM_PHASES.has(phaseAt(plan, atMs).name),
    ).length,
    callsAsZombie: counts.callsAsZombie,
    medianMs: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    afterOverloadMs: recovery('calm again', 'zombie'),
    afterZombieMs: recovery('healed'),
  }
}

function perSecond(records, plan, names) {
  const ms = names.map((name) => phaseOf(plan, name)).reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)
  return (records.filter(isGood).length * 1000) / ms
}

/**
 * Rows of the table: what they say, how one number is read from a summary, and which way is better. `better` undefined: it is neither. A row
 * with `when` stands below the one that names it, and is indented by two characters.
 *
 * @type {{ label: string, when?: string, kind: 'count' | 'share' | 'ms' | 'rate', better?: 'more' | 'less', of(summary: object): number | undefined }[]}
 */
export const ROWS = [
  { label: 'requests sent by the clients', kind: 'count', of: ({ requests }) => requests },
  { label: 'goodput, whole run', kind: 'share', better: 'more', of: ({ good }) => good },
  {
    label: 'good answers a second, load rising to 4 ×',
    kind: 'rate',
    better: 'more',
    of: ({ goodPerS }) => goodPerS.overload,
  },
  ...ENDPOINTS.map(({ route, tier }, i) => ({
    label: `… ${route} (${tier}), good`,
    when: 'load rising to 4 ×',
    kind: 'share',
    better: 'more',
    of: ({ overload }) => overload[i],
  })),
  {
    label: 'good answers a second, dependency a zombie',
    kind: 'rate',
    better: 'more',
    of: ({ goodPerS }) => goodPerS.zombie,
  },
  ...ENDPOINTS.map(({ route, tier }, i) => ({
    label: `… ${route} (${tier}), good`,
    when: 'dependency a zombie',
    kind: 'share',
    better: 'more',
    of: ({ zombie }) => zombie[i],
  })),
  { label: 'wasted: answered late, wrong or never', kind: 'count', better: 'less', of: ({ wasted }) => wasted },
  { label: 'calls that reached the zombie', kind: 'count', better: 'less', of: ({ callsAsZombie }) => callsAsZombie },
  { label: 'refused in calm times', kind: 'count', better: 'less', of: ({ refusedInCalm }) => refusedInCalm },
  { label: 'any answer, median', kind: 'ms', better: 'less', of: ({ medianMs }) => medianMs },
  { label: 'any answer, 99th percentile', kind: 'ms', better: 'less', of: ({ p99Ms }) => p99Ms },
  { label: 'good again after the overload', kind: 'ms', better: 'less', of: ({ afterOverloadMs }) => afterOverloadMs },
  { label: 'good again after the healing', kind: 'ms', better: 'less', of: ({ afterZombieMs }) => afterZombieMs },
]

/** Rows in which a guard does better than the last one, and by whom. What was not seen loses against what was. */
export function lossesOf(summaries, names) {
  const losses = []
  for (const { label, when, kind, better, of } of ROWS) {
    if (better === undefined) continue
    const worst = better === 'more' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
    const values = summaries.map((summary) => of(summary) ?? worst)
    const ours = values.at(-1)
    const best = better === 'more' ? Math.max(...values) : Math.min(...values)
    if (ours !== best)
      losses.push({
        label: when === undefined ? label : `${label.slice(2)}, ${when}`,
        kind,
        ours,
        theirs: best,
        by: names[values.indexOf(best)],
      })
  }
  return losses
}
