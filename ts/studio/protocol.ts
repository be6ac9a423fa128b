/** The messages between Studio's server and its page. Times are ms since the epoch, rates 1/s, resistances Ω. */

/** The condition of a route, or of the process. */
export type Level = 'well' | 'watch' | 'sick'

/** The place of a fault. */
export type Cause = 'dependency' | 'demand' | 'tenant' | 'loop' | 'process' | 'store' | 'operator' | 'engine' | 'none'

/** A finding: a fault, where it is, and its evidence in a sentence. */
export interface Finding {
  readonly level: Level
  readonly cause: Cause
  /** The route of the event; undefined: the process or the cluster. */
  readonly route?: string | undefined
  readonly key?: string | undefined
  readonly title: string
  readonly evidence: string
  /** The next thing that happens by itself, or that may be done. */
  readonly next?: string | undefined
}

export interface ProcessState {
  readonly loopMs: number
  readonly blocks: number
  readonly longestBlockMs: number
  readonly utilization: number
  readonly queueAgeMs: number
  readonly acceptQueueMs: number
  readonly heap: number
  readonly engine: string
  readonly hasClosedLoop: boolean
  readonly isDryRun: boolean
  readonly routes: number
  readonly intervalMs: number
}

/** Requests of a tier over the last half minute, and five minutes ago; success is null where none came. */
export interface TierState {
  readonly tier: string
  readonly perS: number
  readonly shedPerS: number
  readonly success: number | null
  readonly before: number | null
}

/** A route as a row of the table. */
export interface RouteRow {
  /** Stands for the route in requests to the server. */
  readonly key: string
  readonly name: string
  readonly level: Level
  readonly cause: Cause
  readonly says: string
  readonly mode: string
  readonly order: 'open' | 'closed' | null
  readonly resistance: number
  readonly inFlight: number
  readonly limit: number
  readonly admittedPerS: number
  readonly shedPerS: number
  readonly failedPerS: number
  /** Share of the requests of late that were admitted and did not fail; null where none came. */
  readonly success: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly limitedBy: string | null
}

export interface RouteList {
  readonly keys: readonly string[]
  readonly total: number
  readonly matched: number
  readonly page: number
  readonly pages: number
}

/** The route that is looked at. */
export interface RouteDetail {
  readonly key: string
  readonly name: string
  readonly terms: Readonly<Record<string, number>>
  readonly resistance: number
  readonly scar: number
  readonly clusterScar: number
  readonly baselineMs: number
  readonly ratePerS: number
  readonly deadlineMs: number
  readonly waiting: number
  readonly openClasses: number
  readonly causes: Readonly<Record<string, number>>
  readonly limitMin: number
  readonly limitMax: number
  /** The time at which the breaker is going to probe; null: not known, or it is closed. */
  readonly probeAt: number | null
  readonly nextLimit: string
  readonly trend: string
  readonly profile: string
}

export interface Change {
  readonly at: number
  readonly kind: 'transition' | 'override' | 'configure' | 'cluster' | 'note' | 'store' | 'dryRun' | 'regression'
  readonly text: string
  readonly evidence?: string | undefined
}

export interface AuditEntry {
  readonly id: number
  readonly at: number
  readonly by: string
  readonly text: string
  readonly canUndo: boolean
}

export interface ActiveOrder {
  readonly text: string
  /** The time at which it lapses; null: never. */
  readonly until: number | null
  readonly key: string | null
}

export interface ClusterState {
  readonly provider: string
  readonly isShared: boolean
  readonly nodes: number | null
  readonly isDegraded: boolean
  readonly since: number | null
  readonly counts: Readonly<Record<string, number>>
}

/** The first message of a stream. */
export interface Hello {
  readonly instance: string
  readonly role: 'read' | 'write'
  readonly name: string
  /** Goes with every change; of writers only. */
  readonly token: string | null
  readonly startedAt: number
}

/** A history: names of the columns, and points of [time, ...cells]. */
export interface History {
  readonly columns: readonly string[]
  readonly points: readonly (readonly (number | null)[])[]
}

/** A change that the page asks for. */
export type Action =
  | { readonly kind: 'override'; readonly key: string; readonly order: 'open' | 'closed' | null; readonly forS: number }
  | { readonly kind: 'dryRun'; readonly on: boolean; readonly forS: number }
  | { readonly kind: 'configure'; readonly key: string | null; readonly changes: Readonly<Record<string, number>> }
  | { readonly kind: 'undo'; readonly id: number }
  | { readonly kind: 'note'; readonly text: string }
