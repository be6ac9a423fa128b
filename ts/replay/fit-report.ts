/** The runs on fitted plants in words, on a page, and as plain data. */

import type { LoadResult } from '../simulation/load.js'
import type { Section } from '../simulation/page.js'
import type { LogTrace } from './log-trace.js'
import { duration, MOST_ROWS, table, whole } from './text.js'
import type { Fit, Requests } from './trace.js'

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

export const fittedOf = (runs: readonly WhatIf[]): object[] =>
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
