/** The sections of the page's state: each is sent as a whole, when it differs from what was sent before. */

import { LIMITED_BY } from '../base/limited-by.js'
import { nameInLog } from '../base/text.js'
import { METRIC, SHED_CAUSES } from '../engine/metric-cells.js'
import { TIERS } from '../engine/port.js'
import type { Actions } from './actions.js'
import { TERM_NAMES, termsNow } from './archive.js'
import { type Board, keyOf, type Query, short } from './board.js'
import { findings, NO_LIMIT, type Verdict } from './diagnosis.js'
import type { ClusterState, Finding, ProcessState, RouteDetail, RouteList, TierState } from './protocol.js'
import { RATE } from './rates.js'
import type { Sampler } from './sampler.js'
import { SentRows } from './sent-rows.js'
import { isNearProcess, isSameList, Steady } from './steady.js'

const RECENT_MS = 30_000
const BEFORE_FROM_MS = 330_000
const BEFORE_TO_MS = 300_000
const MOST_CHANGES = 40
const MOST_ENTRIES = 40
/** Routes of which the time of the next probe is kept. */
const MOST_PROBES = 512

export class Sections {
  readonly #sampler: Sampler
  readonly #board: Board
  readonly #actions: Actions
  readonly #probes = new Map<string, number>()
  readonly #rows = new SentRows()
  readonly #processes = new Steady<ProcessState>(isNearProcess)
  readonly #lists = new Steady<RouteList>(isSameList)
  #ofArchive:
    | {
        readonly version: number
        readonly sections: { readonly tiers: readonly TierState[]; readonly causes: Readonly<Record<string, number>> }
      }
    | undefined
  #common: (readonly [string, string])[] = []

  constructor(sampler: Sampler, board: Board, actions: Actions) {
    this.#sampler = sampler
    this.#board = board
    this.#actions = actions
  }

  /** Makes what all views share, after a sample. */
  update(): void {
    this.#noteProbes()
    this.#board.update()
    const { journal } = this.#sampler
    this.#common = Object.entries({
      findings: this.#findings(),
      ...this.#recent(),
      changes: journal.changes(MOST_CHANGES),
      audit: journal.audit(MOST_ENTRIES),
      orders: this.#actions.orders(),
      cluster: this.#cluster(),
    }).map(([name, section]) => [name, JSON.stringify(section)] as const)
    this.#common.push(['process', this.#processes.jsonOf('', this.#process())])
  }

  /** The sections of a view, as JSON by name. */
  of(query: Query): Map<string, string> {
    const { list, rows } = this.#board.list(query)
    const sections = new Map(this.#common)
    // While every route is well their order hardly matters: it may stand for a second.
    const isCalm = this.#board.troubled === 0
    sections.set('list', isCalm ? this.#lists.jsonOf(JSON.stringify(query), list) : JSON.stringify(list))
    for (const row of rows) sections.set(`row.${row.key}`, this.#rows.jsonOf(row))
    const at = query.route === undefined ? undefined : this.#board.find(query.route)
    if (at !== undefined) {
      const row = this.#board.row(at)
      sections.set(`row.${row.key}`, this.#rows.jsonOf(row))
      sections.set('detail', JSON.stringify(this.#detail(at)))
    }
    return sections
  }

  #noteProbes(): void {
    const nowMs = Date.now()
    for (const [routeId, at] of this.#probes) if (at < nowMs - 1_000) this.#probes.delete(routeId)
    for (const [routeId, { limitedBy, atMs, retryAfterMs }] of this.#sampler.refusals) {
      if (limitedBy !== 'breaker' || retryAfterMs === undefined) continue
      if (this.#probes.size < MOST_PROBES || this.#probes.has(routeId)) this.#probes.set(routeId, atMs + retryAfterMs)
    }
  }

  #findings(): readonly Finding[] {
    const { loop, process, port, atrion } = this.#sampler
    const nowMs = performance.now()
    const { count, longestMs, sumMs } = loop.recent(nowMs)
    const { isDegraded } = port.cluster()
    const isShared = atrion.providerName !== 'InMemoryProvider' && this.#sampler.atrion.isConnected
    const whole = {
      blocks: count,
      longestBlockMs: longestMs,
      sumBlockMs: sumMs,
      blamed: loop.blamed(nowMs),
      utilization: process.utilization,
      heap: process.heap,
      store: {
        name: atrion.providerName,
        isDegraded,
        isShared: isShared || atrion.providerName !== 'InMemoryProvider',
      },
      engineFault: isDegraded && atrion.providerName === 'InMemoryProvider',
    }
    const routes = this.#board.worst(8).map(({ routeId, figures, verdict }) => ({
      figures,
      verdict,
      next: this.#nextOf(routeId, verdict),
    }))
    return findings(whole, routes).map((finding) =>
      finding.cause === 'loop' && finding.route !== undefined
        ? { ...finding, route: nameInLog(finding.route), key: this.#keyOf(finding.route) }
        : finding,
    )
  }

  #keyOf(routeId: string): string | undefined {
    const at = this.#sampler.metrics?.routes.indexOf(routeId) ?? -1
    if (at < 0) return undefined
    const { cells, stride } = this.#sampler.metrics!
    return keyOf(cells[at * stride + METRIC.SLOT]!, routeId)
  }

  #nextOf(routeId: string, { cause }: Verdict): string | undefined {
    if (cause === 'dependency') {
      const at = this.#probes.get(routeId)
      if (at === undefined) return 'Repair the dependency; the route recovers by itself within seconds.'
      const seconds = Math.max(0, Math.ceil((at - Date.now()) / 1_000))
      return `The breaker probes in about ${seconds} s. Repair the dependency; the route then recovers by itself.`
    }
    if (cause === 'demand') return 'Add capacity, or find out what made it slower: compare p50 with its baseline.'
    if (cause === 'operator') return 'Lift the order below, where it is needed no longer.'
    if (cause === 'tenant') return 'Other tenants are served. Look up the failing one by your own keys.'
    return undefined
  }

  #process(): ProcessState {
    const { process, loop, atrion, port, metrics, intervalMs } = this.#sampler
    const { count, longestMs } = loop.recent(performance.now())
    return {
      loopMs: Math.round(process.loopMs),
      blocks: count,
      longestBlockMs: Math.round(longestMs),
      utilization: short(process.utilization),
      queueAgeMs: Math.round(process.queueAgeMs),
      acceptQueueMs: Math.round(process.acceptQueueMs),
      heap: Number(process.heap.toFixed(2)),
      engine: atrion.engine,
      hasClosedLoop: atrion.engine !== 'ts',
      isDryRun: port.isDryRun(),
      routes: metrics?.size ?? 0,
      intervalMs,
    }
  }

  /** The sections that the archive leads to: made anew when it has grown. */
  #recent(): { readonly tiers: readonly TierState[]; readonly causes: Readonly<Record<string, number>> } {
    const { version } = this.#sampler.archive
    if (this.#ofArchive?.version !== version) {
      this.#ofArchive = { version, sections: { tiers: this.#tiers(), causes: this.#causes() } }
    }
    return this.#ofArchive.sections
  }

  #tiers(): readonly TierState[] {
    const { archive } = this.#sampler
    const nowMs = Date.now()
    const recent = archive.tiers(nowMs, RECENT_MS, 0)
    const before = archive.tiers(nowMs, BEFORE_FROM_MS, BEFORE_TO_MS)
    const share = (sum: { offered: number; succeeded: number }): number | null =>
      sum.offered > 0 ? Number((sum.succeeded / sum.offered).toFixed(3)) : null
    return TIERS.map((tier, i) => {
      const { offered, succeeded, seconds } = recent[i]!
      return {
        tier,
        perS: seconds > 0 ? short(offered / seconds) : 0,
        shedPerS: seconds > 0 ? short((offered - succeeded) / seconds) : 0,
        success: share(recent[i]!),
        before: share(before[i]!),
      }
    }).reverse()
  }

  /** Refusals of the last half minute by obstacle, 1/s. */
  #causes(): Readonly<Record<string, number>> {
    const { archive } = this.#sampler
    const { columns, points } = archive.history(Date.now(), RECENT_MS / 60_000)
    const seconds = points.reduce((sum, point) => sum + (point[point.length - 1] ?? 0), 0)
    const found: Record<string, number> = {}
    for (const name of new Set(LIMITED_BY)) {
      const column = name === undefined ? -1 : columns.indexOf(name)
      if (name === undefined || column < 0 || seconds === 0) continue
      const count = points.reduce((sum, point) => sum + (point[column + 1] ?? 0), 0)
      if (count > 0) found[name] = short(count / seconds)
    }
    return found
  }

  #cluster(): ClusterState {
    const { port, atrion, settings } = this.#sampler
    const { nodes, isDegraded } = port.cluster()
    return {
      provider: nameInLog(atrion.providerName),
      isShared: atrion.providerName !== 'InMemoryProvider',
      nodes: nodes ?? null,
      isDegraded,
      since: settings.degradedSince ?? null,
      counts: port.providerCounts(),
    }
  }

  #detail(i: number): RouteDetail {
    const { metrics, rates, port, archive } = this.#sampler
    const { routes, cells, stride } = metrics!
    const at = i * stride
    const routeId = routes[i]!
    const slot = cells[at + METRIC.SLOT]!
    const terms = termsNow(this.#sampler, routeId, cells, at)
    const { slo, limits, profile } = port.paramsOf(routeId)
    const causes: Record<string, number> = {}
    for (let cause = 0; cause < SHED_CAUSES; cause++) {
      const name = LIMITED_BY[cause]
      const rate = rates.rate(slot, RATE.CAUSES + cause)
      if (name !== undefined && rate > 0) causes[name] = short((causes[name] ?? 0) + rate)
    }
    return {
      key: keyOf(slot, routeId),
      name: nameInLog(routeId),
      terms: Object.fromEntries(TERM_NAMES.map((name, term) => [name, short(terms[term]!)])),
      resistance: short(terms.reduce((sum, term) => sum + term, 0)),
      scar: short(cells[at + METRIC.SCAR]!),
      clusterScar: short(cells[at + METRIC.CLUSTER]!),
      baselineMs: short(cells[at + METRIC.BASELINE_MS]!),
      ratePerS: short(cells[at + METRIC.RATE_PER_S]!),
      deadlineMs: slo.maxAcceptableLatencyMs,
      waiting: port.waitingOf(routeId),
      openClasses: cells[at + METRIC.OPEN_CLASSES]!,
      causes,
      limitMin: limits.min,
      limitMax: limits.max,
      probeAt: this.#probes.get(routeId) ?? null,
      nextLimit: nextLimit(cells[at + METRIC.LIMIT]!, cells[at + METRIC.RATE_PER_S]!, slo.maxAcceptableLatencyMs),
      trend: trendOf(archive.history(Date.now(), 2, routeId).points),
      profile: typeof profile === 'string' ? profile : 'CUSTOM',
    }
  }
}

function nextLimit(limit: number, ratePerS: number, deadlineMs: number): string {
  if (!(limit > 0)) return 'No request of the closed loop came yet.'
  if (limit >= NO_LIMIT || !(ratePerS > 0)) return 'None yet: no queue was seen.'
  const most = (ratePerS * deadlineMs) / 1_000
  return `${Math.round(limit)} now; at ${short(ratePerS)}/s at most ${short(most)} can make the deadline.`
}

/** Compares the last quarter minute with the time before it. @param points of a route: refusals and failures over requests */
function trendOf(points: readonly (readonly (number | null)[])[]): string {
  const ADMITTED = 11
  const share = (part: readonly (readonly (number | null)[])[]): number | undefined => {
    let offered = 0
    let hurt = 0
    for (const point of part) {
      offered += (point[ADMITTED] ?? 0) + (point[ADMITTED + 1] ?? 0)
      hurt += (point[ADMITTED + 1] ?? 0) + (point[ADMITTED + 2] ?? 0)
    }
    return offered > 0 ? hurt / offered : undefined
  }
  const now = share(points.slice(-3))
  const before = share(points.slice(-15, -3))
  if (now === undefined || before === undefined) return 'not known yet'
  const change = now - before
  if (Math.abs(change) < 0.02) return now < 0.02 ? 'steady, and well' : 'steady'
  return change < 0 ? 'getting better' : 'getting worse'
}
