/// <reference lib="esnext.disposable" preserve="true" />
/** Swarms as callers hold them. */

import type { BudgetCause } from '../base/budget-error.js'
import type { Tier } from '../engine/kinds.js'
import type { AtrionEvents } from '../events/events.js'
import type { LeaseOptions, TaskLease } from '../leases/types.js'
import type { Classified } from '../upstream/classify.js'
import type { UpstreamOptions } from '../upstream/options.js'
import type { PaceStats } from '../upstream/pace.js'
import type { Pacer } from './pacer.js'

/** Amounts by unit, each finite and ≥ 0; one that is null or undefined is not given. Custom units may have any other name. */
export interface Amounts {
  /** US dollars. */
  readonly usd?: number | null | undefined
  readonly inputTokens?: number | null | undefined
  readonly outputTokens?: number | null | undefined
  /** Calls of `run()`. */
  readonly requests?: number | null | undefined
  readonly [unit: string]: number | null | undefined
}

/** The limits of a swarm. 0 is none; a unit that is not named is limited by the swarm's ancestors alone. */
export interface Budget extends Amounts {
  /** Time from the creation of the swarm, ms: past it nothing begins, and what is under way is aborted. */
  readonly wallMs?: number | null | undefined
  /** Levels of children below this swarm: 0: it may have none, 1: children, but no grandchildren. */
  readonly depth?: number | null | undefined
  /** Swarms below this one that are open at once, at whatever level. */
  readonly children?: number | null | undefined
}

/** The estimate of a call: amounts, and what the rest of them is learnt from. */
export interface Estimate {
  readonly usd?: number | null | undefined
  readonly inputTokens?: number | null | undefined
  /** Default: the 90th percentile of what this model and agent gave so far, at most `maxTokens`; until it is known `maxTokens`, else 4,096 or the rest of the budget. */
  readonly outputTokens?: number | null | undefined
  /** Default 1. */
  readonly requests?: number | null | undefined
  /** Time that the call takes, ms: it does not begin where less is left of a `wallMs`. */
  readonly wallMs?: number | null | undefined
  readonly model?: string | null | undefined
  /** The kind of agent. */
  readonly agent?: string | null | undefined
  /** The most output tokens that the call may give. */
  readonly maxTokens?: number | null | undefined
  readonly [unit: string]: number | string | null | undefined
}

/** US dollars per million tokens. */
export interface ModelPrice {
  readonly inputUsdPerMTok: number
  readonly outputUsdPerMTok: number
}

/** Prices by model, or a function: the price of a call in US dollars, undefined where it is not known. */
export type Price =
  | Readonly<Record<string, ModelPrice>>
  | ((
      model: string | undefined,
      tokens: { readonly inputTokens: number; readonly outputTokens: number },
    ) => number | undefined)

export interface SwarmOptions {
  readonly budget: Budget
  /** Share of a limit at whose use the event `soft` comes, once, (0, 1]. Default 0.8. */
  readonly soft?: number | null | undefined
  /** The route whose limiter every call passes, as everything else on it. Default: none. */
  readonly route?: string | null | undefined
  /** Paces calls by the quota of their provider, or by a custom pacer. Default: none. */
  readonly upstream?: UpstreamOptions | Pacer | null | undefined
  /** Weight of its calls' equal share, > 0. Default 1. */
  readonly weight?: number | null | undefined
  /** The answer to a call whose price is not known in a budget in `usd`: refuse it, or admit it and warn in the log. Default 'refuse'. */
  readonly onUnknownPrice?: 'refuse' | 'warn' | null | undefined
  /** Prices, for estimates and reports that have no `usd`. Default: none. */
  readonly price?: Price | null | undefined
}

export interface ChildOptions {
  /** The child's own limits, each at most its parent's. Default: none of its own. */
  readonly budget?: Budget | null | undefined
  /** Instead of a budget: that share of every limit of the parent's that is spent, (0, 1]. */
  readonly share?: number | null | undefined
  /** As the parent's by default. */
  readonly soft?: number | null | undefined
  /** Weight of its equal share among its siblings, > 0. Default 1. */
  readonly weight?: number | null | undefined
}

export interface SwarmRunOptions {
  /** Default 'normal'. */
  readonly tier?: Tier | null | undefined
  /** The tenant. Default: the child of the budget that is short which the call comes through. */
  readonly key?: string | number | bigint | null | undefined
  /** Time that it may wait for budget, quota and a permit, ms, in [0, 2147483647], or Infinity. Default: it does not wait. */
  readonly maxWaitMs?: number | null | undefined
  /** Aborts the wait, or the work. */
  readonly signal?: AbortSignal | null | undefined
  /** Aborts the work after this long, ms, > 0. Default: never. */
  readonly timeoutMs?: number | null | undefined
}

/** The budget of one call, while it is under way. */
export interface SwarmLease {
  /** The path of its swarm. */
  readonly swarm: string
  /** Aborted at a limit, with a {@link BudgetError} as its reason, or by the caller. The work gets the same one. */
  readonly signal: AbortSignal
  /** The limit that ended it, if one did. */
  readonly exhausted: Error | undefined
  /**
   * Reports what was used of each unit since the call began; the total, not what was added. May be called as often as wanted. A
   * total that is lower than before changes nothing. Above the reservation it takes what is left of the budget, and at the limit
   * it counts in full and aborts the signal. Units that are never reported count as reserved.
   *
   * @returns false where the limit is reached
   * @throws ConfigError for what is no amount or no unit: nothing is counted then; BudgetError 'settled' after the end of the work
   */
  used(usage: Amounts): boolean
  /** Reports what was used since the last report: as `used` with the sum. */
  debit(usage: Amounts): boolean
  /** Reserves more, all of it or nothing. @throws BudgetError where too little is left */
  extend(more: Amounts): void
  /** Amounts that may still be used before the limit, by unit that is limited. */
  remaining(): Record<string, number>
  /** Keeps a result so far: the `partial` of the BudgetError, should a limit end the work. */
  keep(partial: unknown): void
  /**
   * Reports the head of the provider's answer, by which the swarm's `upstream` learns its quota. The first report counts.
   *
   * @param headers in any form: `Headers`, an object, names and values in turn
   * @param body of an error, as text, bytes or parsed: without it a 429 is taken for quota, not for credit that is gone
   */
  answered(status: number, headers: unknown, body?: unknown): Classified
  /** Nothing else was used: units that were not reported count as they stand, and not as reserved. */
  refund(): void
  /** Ends it, as the end of the work does. @returns false where it was settled before: nothing changes then */
  settle(usage?: Amounts): boolean
}

export interface UnitStats {
  readonly limit: number
  /** Of a budget that processes share, by all of them, as far as this one knows. */
  readonly used: number
  /** The same: other processes hold what they have reserved and their slices. */
  readonly held: number
  /** limit − used − held: negative where calls used more than they had reserved and more than there was. */
  readonly left: number
}

/** The error of estimates of output tokens. */
export interface EstimateStats {
  /** Calls that reported what they gave. */
  readonly count: number
  /** Of those, calls whose estimate was learnt. */
  readonly learnt: number
  /** Of those, calls that gave more than estimated. */
  readonly low: number
  /** Mean of given by estimated, 1 is exact; undefined before the first. */
  readonly meanRatio: number | undefined
  /** Mean of |given − estimated| by estimated. */
  readonly meanError: number | undefined
}

export interface SwarmStats {
  readonly name: string
  readonly path: string
  /** Limits of its own, by unit. */
  readonly units: Readonly<Record<string, UnitStats>>
  /** Calls under way, of this swarm and those below. */
  readonly inFlight: number
  /** Calls that wait for budget, of this swarm and those below. */
  readonly waiting: number
  /** Swarms directly below. */
  readonly children: readonly string[]
  /** Calls that began, of this swarm and those below. */
  readonly runs: number
  /** Calls that a limit ended. */
  readonly exhausted: number
  /** Calls that did not begin, by cause. */
  readonly refusals: Readonly<Partial<Record<BudgetCause | 'shed', number>>>
  /** Calls whose price was not known. */
  readonly unknownPrices: number
  readonly estimates: EstimateStats
  /** The quota of its upstream as far as it is known; undefined: it has none. */
  readonly upstream: PaceStats | undefined
}

/** The events of a budget; they are the instance's as well. */
export type BudgetEvents = Pick<AtrionEvents, 'soft' | 'hard' | 'refund'>

export interface SwarmTaskOptions extends LeaseOptions {
  /** The amounts that the task reserves. Default: as of a call. */
  readonly estimate?: Estimate | null | undefined
}

/** A task that is under way, in the budget of a swarm. Its end settles the budget. */
export interface SwarmTaskLease extends TaskLease {
  readonly budget: SwarmLease
}

/** Work that shares a budget. */
export interface Swarm extends Disposable {
  readonly name: string
  /** The swarm's name behind those of its ancestors: 'root/child'. */
  readonly path: string
  readonly isClosed: boolean
  /**
   * A swarm below this one. What it uses, this one uses as well.
   *
   * @throws ConfigError for an option out of its range, a limit above the parent's, and a name that is taken; BudgetError where `depth`
   *   or `children` is used up, and after `close()`
   */
  child(name: string, options?: ChildOptions): Swarm
  /**
   * Runs work within the budget: the estimate is reserved in this swarm and all its ancestors at once, or the call is refused. When the
   * work ends, what it reported is counted as used and the rest is left again, exactly once, however it ends.
   *
   * @returns what the work resolves to, also where a limit had aborted its signal
   * @throws (rejects) BudgetError where a budget refuses or has ended the work; ShedError where the route does; whatever the work
   *   rejects with; the signal's reason; ConfigError and TypeError for options that cannot be honoured
   */
  run<T>(
    estimate: Estimate | null | undefined,
    work: (lease: SwarmLease, signal: AbortSignal) => T | PromiseLike<T>,
    options?: SwarmRunOptions | null,
  ): Promise<T>
  /** Leases a long task on a route, as `atrion.startTask()` does, within the budget. @throws (rejects) as `run` */
  startTask(routeId: string, options?: SwarmTaskOptions | null): Promise<SwarmTaskLease>
  stats(): SwarmStats
  /** Listens to an event of this swarm and those below. @returns what stops that */
  on<K extends keyof BudgetEvents>(name: K, listener: (event: BudgetEvents[K]) => void): () => void
  /** Ends it and those below: calls under way are aborted, those that wait are refused. Its name is free again. Once is enough. */
  close(): void
}
