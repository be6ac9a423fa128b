/** The diagnosis: where the fault lies, of each route by its own figures, and of the process and the cluster as a whole. Pure. */

import type { LimitedBy } from '../base/limited-by.js'
import type { Blamed } from './loop.js'
import type { Cause, Finding, Level } from './protocol.js'

/** The figures of a route that it is judged by. */
export interface RouteFigures {
  readonly key: string
  readonly name: string
  readonly mode: string
  readonly order: 'open' | 'closed' | null
  readonly openClasses: number
  readonly admittedPerS: number
  readonly shedPerS: number
  readonly failedPerS: number
  readonly limitedBy: LimitedBy | undefined
  readonly inFlight: number
  readonly limit: number
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly baselineMs: number
  readonly deadlineMs: number
}

export interface Verdict {
  readonly level: Level
  readonly cause: Cause
  readonly says: string
}

/** The figures of the process and the cluster. */
export interface WholeFigures {
  readonly blocks: number
  readonly longestBlockMs: number
  readonly sumBlockMs: number
  readonly blamed: readonly Blamed[]
  readonly utilization: number
  readonly heap: number
  readonly store: { readonly name: string; readonly isDegraded: boolean; readonly isShared: boolean }
  readonly engineFault: boolean
}

/** Share of failures from which a route's dependency is at fault, and from which it is to be watched. */
const FAILING = 0.1
const SOME_FAIL = 0.02
const MOST_FAIL = 0.5
/** Share of refusals from which a route is in trouble. */
const SHEDDING = 0.02
/** Fewer requests than these prove nothing, 1/s. */
const LEAST_PER_S = 0.2
/** Blocks that hold up the loop: one so long, or so much of fifteen seconds, ms. */
const LONG_BLOCK_MS = 250
const MUCH_BLOCKED_MS = 800
const HEAP_FULL = 0.92
/** A limit from here on is none: no queue was seen yet. */
export const NO_LIMIT = 50_000

const WELL: Verdict = { level: 'well', cause: 'none', says: 'Well' }

/** A share in per cent, never 0 or 100 for what is not. */
export function percent(share: number): string {
  if (share > 0 && share < 0.01) return '<1 %'
  if (share < 1 && share > 0.99) return '>99 %'
  return `${Math.round(share * 100)} %`
}

const msText = (ms: number): string =>
  ms >= 9_950 ? `${Math.round(ms / 1_000)} s` : ms >= 995 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms)} ms`

/** Judges a route by its own figures. */
export function judge(route: RouteFigures): Verdict {
  const { admittedPerS, shedPerS, failedPerS, limitedBy, deadlineMs, p99Ms, openClasses } = route
  const offeredPerS = admittedPerS + shedPerS
  const failing = admittedPerS > 0 ? Math.min(1, failedPerS / admittedPerS) : failedPerS > 0 ? 1 : 0
  const shedding = offeredPerS > 0 ? shedPerS / offeredPerS : 0
  if (route.order === 'open') return { level: 'watch', cause: 'operator', says: 'Refuses everything, by an order' }
  if (route.mode === 'CIRCUIT_BREAKER' || (limitedBy === 'breaker' && openClasses === 0 && shedding > SHEDDING)) {
    return { level: 'sick', cause: 'dependency', says: 'Dependency fails: breaker open' }
  }
  if (openClasses > 0) {
    const classes =
      openClasses === 1 ? 'One tenant (class of keys) fails' : `${openClasses} tenants (classes of keys) fail`
    return { level: 'sick', cause: 'tenant', says: `${classes}, refused alone` }
  }
  if (failing >= FAILING && failedPerS >= LEAST_PER_S) {
    const part = failing < MOST_FAIL ? 'A part fails' : 'Dependency fails'
    return { level: 'sick', cause: 'dependency', says: `${part}: ${percent(failing)} of what is admitted` }
  }
  if (isHanging(route))
    return { level: 'sick', cause: 'dependency', says: 'Dependency hangs: all in flight, nothing ends' }
  if (shedding > SHEDDING && shedPerS >= LEAST_PER_S) return ofRefusals(limitedBy, shedding)
  if (failing >= SOME_FAIL && failedPerS >= LEAST_PER_S) {
    return { level: 'watch', cause: 'dependency', says: `${percent(failing)} of what is admitted fails` }
  }
  if (route.order === 'closed') return { level: 'watch', cause: 'operator', says: 'Admits everything, by an order' }
  if (p99Ms !== undefined && p99Ms > deadlineMs && offeredPerS >= LEAST_PER_S) {
    return { level: 'watch', cause: 'dependency', says: `Slow: p99 of ${msText(p99Ms)} misses ${msText(deadlineMs)}` }
  }
  return WELL
}

/** Much is in flight while next to nothing is admitted or ends. */
const isHanging = ({ inFlight, limit, admittedPerS, shedPerS, limitedBy, baselineMs }: RouteFigures): boolean =>
  inFlight >= 4 &&
  inFlight >= 0.5 * limit &&
  shedPerS > LEAST_PER_S &&
  limitedBy !== 'queue_age' &&
  admittedPerS * Math.max(baselineMs, 1) < 0.02 * 1_000 * inFlight

function ofRefusals(limitedBy: LimitedBy | undefined, shedding: number): Verdict {
  const refused = `${percent(shedding)} refused`
  if (limitedBy === 'process')
    return { level: 'sick', cause: 'process', says: `Process short of memory or time: ${refused}` }
  if (limitedBy === 'scar') return { level: 'sick', cause: 'dependency', says: `Dependency failed of late: ${refused}` }
  if (limitedBy === 'ban') return { level: 'watch', cause: 'operator', says: `Banned: ${refused}` }
  if (limitedBy === 'override') return { level: 'watch', cause: 'operator', says: `By an order: ${refused}` }
  return { level: 'sick', cause: 'demand', says: `Overload: more is asked for than it can do, ${refused}` }
}

const CAUSE_TITLES: Readonly<Record<Cause, string>> = {
  dependency: 'It is a dependency',
  demand: 'It is overload: more is asked for than can be done',
  tenant: 'It is one tenant',
  loop: 'It is us: the event loop is blocked',
  process: 'It is us: this process is short of resources',
  store: 'Shared state is gone',
  operator: 'By an order of an operator',
  engine: 'The engine failed',
  none: 'All is well',
}

/** Findings shown of routes. */
const MOST_FINDINGS = 6

/** The findings, the gravest first. @param routes judged, those that hurt most first */
export function findings(
  whole: WholeFigures,
  routes: readonly { readonly figures: RouteFigures; readonly verdict: Verdict; readonly next: string | undefined }[],
): readonly Finding[] {
  const found: Finding[] = []
  const isLate = whole.longestBlockMs >= LONG_BLOCK_MS || whole.sumBlockMs >= MUCH_BLOCKED_MS
  const culprit = isLate ? culpritOf(whole) : undefined
  const isBlocked = culprit !== undefined
  if (isLate) found.push(ofBlocks(whole, culprit))
  if (whole.engineFault) {
    found.push({
      level: 'sick',
      cause: 'engine',
      title: CAUSE_TITLES.engine,
      evidence: 'A call of the engine failed; calls that fail are admitted.',
      next: 'Restart the process; report the failure.',
    })
  }
  if (whole.store.isDegraded && whole.store.isShared) {
    found.push({
      level: 'sick',
      cause: 'store',
      title: `${CAUSE_TITLES.store}: ${whole.store.name} does not answer`,
      evidence: 'No route is sick for it: this process decides alone, by what it measures itself.',
      next: 'Nothing has to be done for requests; it reconnects by itself.',
    })
  }
  if (whole.heap >= HEAP_FULL) {
    found.push({
      level: 'sick',
      cause: 'process',
      title: CAUSE_TITLES.process,
      evidence: `The heap is ${percent(whole.heap)} full.`,
      next: 'Requests are refused before memory runs out. Look for a leak, or give it more.',
    })
  }
  for (const { figures, verdict, next } of routes) {
    // A queue before a blocked loop, and what is slow for it, is no route's own fault.
    if (isBlocked && (verdict.cause === 'demand' || verdict.level === 'watch')) continue
    if (found.length >= MOST_FINDINGS || verdict.level === 'well') break
    found.push({
      level: verdict.level,
      cause: verdict.cause,
      route: figures.name,
      key: figures.key,
      title: CAUSE_TITLES[verdict.cause],
      evidence: `${verdict.says}. ${figuresText(figures)}`,
      next,
    })
  }
  return found.sort((a, b) => rank(b) - rank(a))
}

const RANK: Readonly<Record<Level, number>> = { sick: 2, watch: 1, well: 0 }
const rank = ({ level, cause }: Finding): number =>
  RANK[level] * 10 + (cause === 'loop' ? 2 : cause === 'store' ? 0 : 1)

/** The route whose code blocks the loop: measured, or found at the end of most of several blocks. One block alone may be the machine's. */
function culpritOf({ blocks, blamed }: WholeFigures): Blamed | undefined {
  const measured = blamed.find(({ isMeasured }) => isMeasured)
  if (measured !== undefined) return measured
  const [first] = blamed
  return first !== undefined && first.blocks >= 3 && first.blocks >= 0.6 * blocks ? first : undefined
}

function ofBlocks({ blocks, longestBlockMs }: WholeFigures, culprit: Blamed | undefined): Finding {
  const times = blocks <= 1 ? 'once' : `${blocks} times`
  const evidence = `Blocked ${times} within 15 s, for up to ${msText(longestBlockMs)}; every route waits meanwhile.`
  if (culprit === undefined) {
    const next = 'No route was found at work: profile the process, and look whether the machine is short of CPU.'
    return { level: 'watch', cause: 'loop', title: 'It may be us: the event loop is late', evidence, next }
  }
  const { routeId, blocks: found } = culprit
  return {
    level: 'sick',
    cause: 'loop',
    route: routeId,
    title: CAUSE_TITLES.loop,
    evidence: `${evidence} This route was at work in ${found} of these.`,
    next: 'Its code computes for too long at a time: move that to a worker, or cut it up.',
  }
}

function figuresText({ admittedPerS, shedPerS, failedPerS, inFlight, limit, p99Ms, deadlineMs }: RouteFigures): string {
  const per = (n: number): string => (n >= 10 ? String(Math.round(n)) : n.toFixed(1))
  const parts = [`${per(admittedPerS)}/s admitted`]
  if (shedPerS > 0) parts.push(`${per(shedPerS)}/s refused`)
  if (failedPerS > 0) parts.push(`${per(failedPerS)}/s failed`)
  if (limit > 0)
    parts.push(limit < NO_LIMIT ? `${inFlight} of ${Math.round(limit)} in flight` : `${inFlight} in flight`)
  if (p99Ms !== undefined) parts.push(`p99 ${msText(p99Ms)} (deadline ${msText(deadlineMs)})`)
  return `${parts.join(', ')}.`
}
