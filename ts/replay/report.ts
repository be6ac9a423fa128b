/** A replay in words: what it covers first, then what was decided, then what other settings would have decided. */

import { LIMITED_BY } from '../base/limited-by.js'
import type { LoadResult } from '../simulation/load.js'
import { type Line, pageOf, type Section } from '../simulation/page.js'
import type { CandidateRun } from './candidate-run.js'
import type { LogTrace } from './log-trace.js'
import type { Coverage, ReplayResult } from './replay.js'
import { ADMITTED, type Counts, OFFERED, quantile, REFUSED, type RouteTally, TIER_LABELS } from './tally.js'
import type { Fit, Requests } from './trace.js'

/** Routes in a table. */
const MOST_ROWS = 20

export const whole = (x: number): string => Math.round(x).toLocaleString('en-US')

/** A share in percent: never 100 where there is a rest, nor 0 where there is anything. */
export function percent(part: number, all: number): string {
  if (all === 0) return '–'
  const share = (100 * part) / all
  if (part === all || part === 0) return `${share} %`
  return `${Math.min(99.99, Math.max(0.01, share)).toFixed(share > 99.9 || share < 0.1 ? 2 : 1)} %`
}

export const duration = (ms: number): string =>
  Number.isNaN(ms)
    ? '–'
    : ms < 1
      ? `${ms.toFixed(2)} ms`
      : ms < 1000
        ? `${ms.toFixed(1)} ms`
        : `${(ms / 1000).toFixed(1)} s`

/** A table: the first column to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
}

const EXPLAINED: Readonly<Record<Coverage['doubts'][number], string>> = {
  'began late': 'the recording began after the first request: what routes had learnt before is not in it',
  'shared engine': 'other threads used the same engine',
  sampled: 'only a share of the decisions was recorded',
  'blocks were dropped': 'decisions were dropped: the disk or the stream was too slow, or full',
  ring: 'older decisions went out of the ring',
  'reports of other nodes': 'other nodes reported routes, and their reports are not in it',
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

/** Settings and what they came to on the fitted plants; the recorded ones first. */
export interface WhatIf {
  readonly name: string
  readonly result: LoadResult
}

/** An access log in words. */
export function logLines(log: LogTrace): string[] {
  const lines = [
    `log         ${log.format}: ${whole(log.size)} requests on ${whole(log.routes)} routes in ${duration(log.spanMs)}, of ${whole(log.lines)} lines`,
    '            the log has no decisions, tiers or queues: every request is of tier normal, and the client is its key',
  ]
  if (log.unread > 0)
    lines.push(`            ${whole(log.unread)} lines were not understood, the first: ${log.firstUnread}`)
  if (log.untimed > 0) lines.push(`            ${whole(log.untimed)} have no latency: no plant can be fitted to them`)
  return lines
}

export function fitLines(trace: Requests, fits: readonly Fit[], runs: readonly WhatIf[]): string[] {
  if (runs.length === 0) return []
  const spanS = Math.max(trace.spanMs / 1000, 1e-9)
  const rows = fits
    .slice(0, MOST_ROWS)
    .map(({ route, servers, sample, wasFull, capacityPerS, answers }) => [
      route,
      wasFull ? whole(servers) : `≥ ${whole(servers)}`,
      duration(sample.reduce((sum, ms) => sum + ms, 0) / sample.length),
      `${wasFull ? '' : '≥ '}${whole(capacityPerS)}/s`,
      whole(answers),
    ])
  const [recorded] = runs
  const lines = [
    '',
    'plants      fitted to the recorded answers: servers by Little’s law, service times of requests that met few others',
    `            with ${runs[0]!.name} they come to ${(recorded!.result.total.good / spanS).toFixed(1)} good answers a second, recorded were ${(trace.good / spanS).toFixed(1)}: so far they can be trusted`,
  ]
  if (fits.some(({ wasFull }) => !wasFull))
    lines.push('            ≥: the route was never full, and more than it showed is not known')
  if (trace.leftOut > 0) lines.push(`            the last ${whole(trace.leftOut)} requests are left out`)
  return [
    ...lines,
    '',
    ...table(['route', 'servers', 'service', 'capacity', 'answers'], rows),
    '',
    ...table(
      ['settings', 'good/s', 'admitted', 'refused', 'good', 'late', 'failed', 'p50', 'p99'],
      runs.map(({ name, result: { total, p50Ms, p99Ms } }) => [
        name,
        (total.good / spanS).toFixed(1),
        ...[total.admitted, total.refused, total.good, total.late, total.failed].map(whole),
        duration(p50Ms),
        duration(p99Ms),
      ]),
    ),
  ]
}

/** The sections of a page about runs on fitted plants. */
export function fitSections(trace: Requests, fits: readonly Fit[], runs: readonly WhatIf[]): Section[] {
  if (runs.length === 0) return []
  return [
    { kind: 'heading', text: 'On fitted plants' },
    {
      kind: 'plot',
      plot: {
        title: 'Good answers on the fitted plants',
        unit: 'requests a second',
        binS: runs[0]!.result.binS,
        lines: [
          { name: 'offered', values: runs[0]!.result.offeredPerS },
          ...runs.map(({ name, result: run }) => ({ name, values: run.goodPerS })),
        ],
      },
    },
    { kind: 'pre', text: fitLines(trace, fits, runs).slice(1).join('\n') },
  ]
}

/** A page with all of it, and plots. */
export function replayPage(
  title: string,
  result: ReplayResult,
  pairs: readonly (readonly [CandidateRun, CandidateRun])[],
  fit: { readonly trace: Requests; readonly fits: readonly Fit[]; readonly runs: readonly WhatIf[] },
): string {
  const { series } = result.tally
  const binS = series.binMs / 1000
  const sections: Section[] = [
    { kind: 'pre', text: [...coverageLines(result), ...verdictLines(result)].join('\n') },
    {
      kind: 'plot',
      plot: {
        title: 'As recorded',
        unit: 'decisions a second',
        binS,
        lines: [
          { name: 'decisions', values: series.perS(OFFERED) },
          { name: 'admitted', values: series.perS(ADMITTED) },
          { name: 'refused', values: series.perS(REFUSED) },
        ],
      },
    },
    { kind: 'pre', text: summaryLines(result).slice(1).join('\n') },
  ]
  for (const [best, worst] of pairs) {
    const [a, b] = [best.tally.series, worst.tally.series]
    const lines: Line[] = [{ name: 'admitted as recorded', values: series.perS(ADMITTED) }]
    if (a.binMs === b.binMs) {
      lines.push({
        name: 'admitted by the candidate, from bound to bound',
        values: b.perS(ADMITTED),
        upTo: a.perS(ADMITTED),
      } as Line)
    }
    sections.push(
      { kind: 'heading', text: best.candidate.name },
      { kind: 'plot', plot: { title: 'Bounds', unit: 'decisions a second', binS: a.binMs / 1000, lines } },
      { kind: 'pre', text: candidateLines(best, worst).slice(1).join('\n') },
    )
  }
  sections.push(...fitSections(fit.trace, fit.fits, fit.runs))
  return pageOf(title, sections)
}

const fittedOf = (runs: readonly WhatIf[]): object[] =>
  runs.map(({ name, result: { total, goodputPerS, p50Ms, p99Ms, tiers } }) => ({
    name,
    ...total,
    goodputPerS,
    p50Ms,
    p99Ms,
    tiers: Object.fromEntries(tiers),
  }))

const plantsOf = (fits: readonly Fit[]): object[] =>
  fits.map(({ sample, ...fit }) => ({ ...fit, serviceMs: sample.reduce((sum, ms) => sum + ms, 0) / sample.length }))

/** An access log as plain data. */
export const logReportOf = (log: LogTrace, fits: readonly Fit[], runs: readonly WhatIf[]): object => ({
  format: log.format,
  requests: log.size,
  lines: log.lines,
  unread: log.unread,
  untimed: log.untimed,
  spanMs: log.spanMs,
  good: log.good,
  plants: plantsOf(fits),
  fitted: fittedOf(runs),
})

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
