/** The error of a budget that refuses. */

import { AtrionError } from './errors.js'
import { define, peek } from './own.js'
import { nameInLog } from './text.js'

const shown = (name: string): string => JSON.stringify(nameInLog(name))

/**
 * The reason why a budget refuses.
 *
 * | | |
 * |---|---|
 * | `hard` | the limit: too little is left of the unit |
 * | `wait_timeout` | it waited for what others hold, and too little came back in time |
 * | `wait_full` | too many wait already |
 * | `unknown_price` | the budget is in `usd`, and the price of the call is not known |
 * | `upstream` | the upstream's quota is used up for now |
 * | `closed` | the swarm is closed |
 * | `settled` | the lease was settled before: a use that is reported now would be counted twice |
 * | `full` | too many swarms or calls are open |
 */
export type BudgetCause =
  | 'hard'
  | 'wait_timeout'
  | 'wait_full'
  | 'unknown_price'
  | 'upstream'
  | 'closed'
  | 'settled'
  | 'full'

/** A refusal by a budget: which one, of what, and by how much. Amounts are in the unit itself. */
export interface BudgetRefusal {
  readonly cause: BudgetCause
  /** The path of the swarm that was asked: its name behind those of its ancestors, as 'root/child'. */
  readonly swarm: string
  /** The path of the swarm whose budget refused: that one, or an ancestor. */
  readonly ancestor?: string | undefined
  readonly unit?: string | undefined
  readonly limit?: number | undefined
  readonly used?: number | undefined
  readonly held?: number | undefined
  readonly wanted?: number | undefined
}

const BUDGET_TEXTS: Readonly<Record<BudgetCause, string>> = {
  hard: 'too little is left',
  wait_timeout: 'too little came back within the time that it may wait',
  wait_full: 'too many wait already',
  unknown_price: 'the price is not known, and the budget is in usd',
  upstream: 'the quota of the upstream is used up for now',
  closed: 'the swarm is closed',
  settled: 'the lease is settled',
  full: 'too many swarms or calls are open',
}

/** A swarm's budget refused a call, or ended it at its limit: the budget is exhausted, and the work did not fail. */
export class BudgetError extends AtrionError implements BudgetRefusal {
  static {
    define(BudgetError.prototype, 'name', 'BudgetError')
  }

  override readonly cause: BudgetCause
  readonly swarm: string
  readonly ancestor: string
  readonly unit: string | undefined
  readonly limit: number | undefined
  readonly used: number | undefined
  readonly held: number | undefined
  readonly wanted: number | undefined
  readonly limitedBy = 'budget'
  /** The result so far, where the work kept one by `lease.keep()`. */
  readonly partial: unknown

  constructor(refusal: BudgetRefusal, partial?: unknown) {
    const { cause, swarm, ancestor = swarm, unit, limit, used, held, wanted } = refusal
    const of = unit === undefined ? '' : ` of ${shown(unit)}`
    const by = ancestor === swarm ? '' : ` in ${shown(ancestor)}`
    const figures = limit === undefined ? '' : ` (limit ${limit}, used ${used}, held ${held}, wanted ${wanted})`
    super(`swarm ${shown(swarm)}: ${BUDGET_TEXTS[cause]}${of}${by}${figures}`, { code: 'ATRION_BUDGET' })
    this.cause = cause
    this.swarm = swarm
    this.ancestor = ancestor
    this.unit = unit
    this.limit = limit
    this.used = used
    this.held = held
    this.wanted = wanted
    this.partial = partial
  }
}

export const isBudgetError = (error: unknown): error is BudgetError => peek(error, 'code') === 'ATRION_BUDGET'
