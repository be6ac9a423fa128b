// The figures of a run, and where one queue did better than another.
import { KINDS, LIMITS } from './plan.mjs'

export const quantileOf = (values, q) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
}

/** The figures of a run, times in the provider's. */
export function summarise({ name, counts, waits, done, failed, refused }, plan) {
  const minutes = plan.runMs / plan.minuteMs
  const waitOf = (tier) => {
    const ms = quantileOf(
      waits.filter((wait) => wait.tier === tier).map((wait) => wait.ms),
      0.95,
    )
    return ms === undefined ? undefined : ms * plan.scale
  }
  const answered = Object.fromEntries(KINDS.map(({ kind }) => [kind, done.filter((task) => task.kind === kind).length]))
  return {
    name,
    tasks: plan.tasks.length,
    answered,
    total: done.length,
    failed: failed.length,
    refused,
    spent: counts.outputTokens,
    overspent: Math.max(0, counts.outputTokens - plan.budget),
    refused429: counts.quota,
    wasted: counts.overload + counts.broken,
    used: counts.ok / (LIMITS.requestsPerMinute * minutes),
    waitMs: Object.fromEntries(KINDS.map(({ tier }) => [tier, waitOf(tier)])),
  }
}

/** Rows of the comparison: a name, a value of a summary, and whether more of it is better. */
export const ROWS = [
  ...KINDS.map(({ kind }) => [`${kind}: tasks answered`, (one) => one.answered[kind], true]),
  ['tasks answered in all', (one) => one.total, true],
  ...KINDS.map(({ kind, tier }) => [`${kind} (${tier}): p95 wait`, (one) => one.waitMs[tier], false, 'ms']),
  ['429s', (one) => one.refused429, false],
  ['calls into a failing provider', (one) => one.wasted, false],
  ['tasks given up', (one) => one.failed, false],
  ['output tokens over the budget', (one) => one.overspent, false],
]

/** The rows in which another did better than the first. */
export const lossesOf = ([first, ...others]) =>
  ROWS.flatMap(([what, value, isMoreBetter, unit]) => {
    const own = value(first)
    const better = others.filter((other) => {
      const its = value(other)
      return own !== undefined && its !== undefined && (isMoreBetter ? its > own : its < own)
    })
    return better.length === 0 ? [] : [{ what, unit, own, better: better.map((one) => [one.name, value(one)]) }]
  })
