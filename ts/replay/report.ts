/** A replay in words: what it covers first, then what was decided, then what other settings would have decided. */

import { LIMITED_BY } from '../base/limited-by.js'
import type { CandidateRun } from './candidate-run.js'
import { fittedOf, type WhatIf } from './fit-report.js'
import type { Coverage, ReplayResult } from './result.js'
import { type Counts, quantile, type RouteTally, TIER_LABELS } from './tally.js'
import { duration, MOST_ROWS, percent, table, whole } from './text.js'

const EXPLAINED: Readonly<Record<Coverage['doubts'][number], string>> = {
  'began late': 'the recording began after the first request: what routes had learnt before is not in it',
  'shared engine': 'other threads used the same engine',
  sampled: 'only a share of the decisions was recorded',
  'blocks were dropped': 'decisions were dropped: the disk or the stream was too slow, or full',
  ring: 'older decisions went out of the ring',
  'reports of other nodes': 'other nodes reported routes, and their reports are not in it',
  stalls:
    'the event loop was blocked: only the native engine knows of stalls, and of more than 16 at once the oldest are not in it',
  'the engine failed': 'the engine failed in a call',
}

export function coverageLines({ coverage, tally }: ReplayResult): string[] {
  const { about, decisions, certain, doubts, damage, dropped, asks, bytes } = coverage
  const lines = [
    `coverage    ${whole(decisions)} decisions on ${whole(tally.routes.size)} routes in ${duration(tally.spanMs)}, engine ${about.engine}, atrion ${about.atrion}, ${(decisions === 0 ? 0 : bytes / decisions).toFixed(1)} bytes each`,
    `            ${percent(certain, decisions)} follow from what is recorded alone`,
  ]
  if (asks > 0) lines.push(`            ${whole(asks)} of them are requests that wait and ask again`)
  if (dropped > 0) lines.push(`            ${whole(dropped)} decisions were dropped while it was recorded`)
  for (const doubt of doubts) lines.push(`            from here on they may differ: ${EXPLAINED[doubt]}`)
  if (damage !== undefined) {
    lines.push(
      `            damaged at byte ${whole(damage.atByte)}: ${damage.cause}; the ${whole(damage.restBytes)} bytes from there on were not used`,
    )
  }
  return lines
}

export function verdictLines({ coverage, equal, equalDoubtful, firstDifference, seconds }: ReplayResult): string[] {
  const { certain, decisions } = coverage
  const rate = decisions / Math.max(seconds, 1e-9)
  const lines = [
    `replay      ${whole(equal)} of ${whole(certain)} came out the same, bit for bit (${percent(equal, certain)}), ${whole(rate)} a second`,
  ]
  if (decisions > certain) {
    const doubtful = decisions - certain
    lines.push(
      `            ${whole(equalDoubtful)} of the other ${whole(doubtful)} as well (${percent(equalDoubtful, doubtful)})`,
    )
  }
  if (firstDifference !== undefined) lines.push(`            the first that differs: ${firstDifference}`)
  return lines
}

const byDecisions = (a: RouteTally, b: RouteTally): number => b.total().decisions - a.total().decisions

/** The decisions by route, tier and class of keys. */
export function summaryLines({ tally }: ReplayResult): string[] {
  const routes = [...tally.routes.values()].sort(byDecisions)
  const row = (name: string, { decisions, admitted, refused }: Counts): string[] => [
    name,
    whole(decisions),
    whole(admitted),
    whole(refused),
    percent(refused, decisions),
  ]
  const rows = routes.slice(0, MOST_ROWS).map((route) => {
    const sorted = [...route.latencies].sort((a, b) => a - b)
    const most = [...route.causes].sort((a, b) => b[1] - a[1])[0]
    return [
      ...row(route.name, route.total()),
      duration(quantile(sorted, 0.5)),
      duration(quantile(sorted, 0.99)),
      most === undefined ? '' : (LIMITED_BY[most[0]] ?? ''),
    ]
  })
  const tiers = TIER_LABELS.map((label, i) => {
    const sum = { decisions: 0, admitted: 0, refused: 0, admittedToRefused: 0, refusedToAdmitted: 0 }
    for (const route of routes) {
      sum.decisions += route.tiers[i]!.decisions
      sum.admitted += route.tiers[i]!.admitted
      sum.refused += route.tiers[i]!.refused
    }
    return [label, sum] as const
  }).filter(([, { decisions }]) => decisions > 0)
  const rest = routes.length - MOST_ROWS
  const head = ['decisions', 'admitted', 'refused', 'share']
  return [
    '',
    ...table(['route', ...head, 'p50', 'p99', 'mostly by'], rows),
    ...(rest > 0 ? [`… and ${whole(rest)} more`] : []),
    '',
    ...table(
      ['tier', ...head],
      tiers.map(([label, counts]) => row(label, counts)),
    ),
    '',
    ...table(
      ['keys', ...head],
      tally.keyClasses().map(([label, counts]) => row(label, counts)),
    ),
  ]
}

/** From one bound to the other. */
const span = (a: number, b: number): string =>
  a === b ? whole(a) : `${whole(Math.min(a, b))}–${whole(Math.max(a, b))}`

/** The decisions that a candidate would have made otherwise, from one bound to the other. */
export function candidateLines(best: CandidateRun, worst: CandidateRun): string[] {
  const row = (name: string, a: Counts, b: Counts): string[] => [
    name,
    whole(a.decisions),
    span(a.admitted, b.admitted),
    span(a.admittedToRefused, b.admittedToRefused),
    span(a.refusedToAdmitted, b.refusedToAdmitted),
  ]
  const head = ['decisions', 'admitted', 'admitted→refused', 'refused→admitted']
  const routes = [...best.tally.routes.values()].sort(byDecisions).slice(0, MOST_ROWS)
  const sumOf = (run: CandidateRun, i: number): Counts => {
    const sum = { decisions: 0, admitted: 0, refused: 0, admittedToRefused: 0, refusedToAdmitted: 0 }
    for (const { tiers } of run.tally.routes.values()) {
      for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += tiers[i]![name]
    }
    return sum
  }
  const tiers = TIER_LABELS.map((label, i) => row(label, sumOf(best, i), sumOf(worst, i))).filter(([, n]) => n !== '0')
  const worstKeys = new Map(worst.tally.keyClasses())
  const [a, b] = [best.tally.total(), worst.tally.total()]
  return [
    '',
    `candidate   ${best.candidate.name}: ${span(a.admittedToRefused, b.admittedToRefused)} admitted→refused, ${span(a.refusedToAdmitted, b.refusedToAdmitted)} refused→admitted`,
    '            from: what was refused and is admitted is answered as fast as half of its route, to: never within its deadline',
    ...(best.waited > 0
      ? [
          `            ${whole(best.waited)} of the asks are of requests that wait: they ask again when the recorded ones did`,
        ]
      : []),
    '',
    ...table(
      ['route', ...head],
      routes.map((route) => row(route.name, route.total(), worst.tally.routeOf(route.name).total())),
    ),
    '',
    ...table(['tier', ...head], tiers),
    '',
    ...table(
      ['keys', ...head],
      best.tally.keyClasses().map(([label, counts]) => row(label, counts, worstKeys.get(label) ?? counts)),
    ),
  ]
}

/** The same as plain data. */
export function reportOf(
  result: ReplayResult,
  pairs: readonly (readonly [CandidateRun, CandidateRun])[],
  runs: readonly WhatIf[],
): object {
  const routesOf = ({ routes }: ReplayResult['tally']): object =>
    Object.fromEntries(
      [...routes.values()].map((route) => {
        const tiers = TIER_LABELS.map((label, i) => [label, route.tiers[i]!] as const)
        const used = Object.fromEntries(tiers.filter(([, { decisions }]) => decisions > 0))
        return [route.name, { ...route.total(), completed: route.completed, failed: route.failed, tiers: used }]
      }),
    )
  const tallyOf = (tally: ReplayResult['tally']): object => ({
    total: tally.total(),
    routes: routesOf(tally),
    keys: Object.fromEntries(tally.keyClasses()),
  })
  const { coverage, equal, equalDoubtful, firstDifference, seconds, tally } = result
  return {
    coverage: { ...coverage, share: coverage.decisions === 0 ? 1 : coverage.certain / coverage.decisions },
    replay: {
      equal,
      equalDoubtful,
      firstDifference: firstDifference ?? null,
      decisionsPerS: coverage.decisions / seconds,
    },
    recorded: tallyOf(tally),
    candidates: pairs.map(([best, worst]) => ({
      name: best.candidate.name,
      best: tallyOf(best.tally),
      worst: tallyOf(worst.tally),
    })),
    fitted: fittedOf(runs),
  }
}
