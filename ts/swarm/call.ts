/** A call as its budget sees it: what it needs of each unit, from the caller's estimate, from what was learnt, and from prices. */

import { ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import { keptName } from '../base/keys.js'
import { copyOf } from '../base/own.js'
import type { SafeLogger } from '../events/safe-logger.js'
import { SOME } from './budget.js'
import { DEFAULT_INPUT_TOKENS, DEFAULT_OUTPUT_TOKENS, type Estimates } from './estimates.js'
import type { SwarmNode } from './node.js'
import type { SwarmRoot } from './root.js'
import type { Estimate } from './types.js'
import { isAmount, MAX_UNITS, STANDARD_UNITS, STRUCTURAL_UNITS } from './units.js'

/** Names in an estimate that are no units. */
const ESTIMATE_NAMES = ['model', 'agent', 'maxTokens'] as const

/** The highest price of a call that is believed, US dollars. */
const MOST_USD = 1e6

/** Most models whose unknown price is logged. */
const WARNED_MODELS = 64

export interface Call {
  /** Quanta by unit, or {@link SOME}. */
  readonly needs: Float64Array
  /** Time that the call takes, ms. */
  readonly wallMs: number
  readonly model: string | undefined
  readonly agent: string | undefined
  readonly inputTokens: number
  readonly outputTokens: number
  /** True: the estimate of its output was learnt. */
  readonly isLearnt: boolean
}

/** The sources of an estimate besides its caller. */
export interface CallHost {
  readonly root: SwarmRoot
  readonly estimates: Estimates
  readonly logger: SafeLogger
  /** Models of which a warning was logged. */
  readonly warned: Set<string>
}

const nameOf = (field: string, value: unknown): string | undefined => {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrongType(field, 'a string', value)
  return keptName(value)
}

const amountOf = (field: string, value: unknown): number | undefined => {
  if (value === undefined || value === null) return undefined
  if (!isAmount(value)) throw new ConfigError(field, 'a finite number ≥ 0', value)
  return value
}

/** @throws ConfigError, TypeError for an estimate that cannot be read; BudgetError where the price is not known and has to be */
export function readCall(host: CallHost, node: SwarmNode, estimate: Estimate | null | undefined): Call {
  const { root } = host
  const { units } = root
  if (estimate !== undefined && estimate !== null && typeof estimate !== 'object') {
    throw wrongType('estimate', 'an object', estimate)
  }
  const given: Estimate = copyOf(estimate ?? {}, [...units.names, ...STANDARD_UNITS, ...ESTIMATE_NAMES])
  const model = nameOf('estimate.model', given.model)
  const agent = nameOf('estimate.agent', given.agent)
  const maxTokens = amountOf('estimate.maxTokens', given.maxTokens)
  const needs = new Float64Array(MAX_UNITS)
  for (let unit = 0; unit < units.count; unit++) {
    needs[unit] = STRUCTURAL_UNITS.has(units.names[unit]!) ? 0 : SOME
  }
  for (const name of Object.keys(given)) {
    const amount = given[name]
    if (amount === undefined || amount === null || (ESTIMATE_NAMES as readonly string[]).includes(name)) continue
    const index = units.find('estimate', name, ESTIMATE_NAMES)
    if (name === 'depth' || name === 'children') {
      throw new ConfigError(`estimate.${name}`, 'absent: only swarms take it up, by child()', amount)
    }
    if (index < 0 || name === 'wallMs') amountOf(`estimate.${name}`, amount)
    else needs[index] = units.up(`estimate.${name}`, index, amount)
  }
  const learntOutput = given.outputTokens == null ? host.estimates.output(model, agent) : undefined
  const outputTokens =
    amountOf('estimate.outputTokens', given.outputTokens) ??
    Math.min(
      learntOutput ?? maxTokens ?? root.atMost(node, 'outputTokens', DEFAULT_OUTPUT_TOKENS),
      maxTokens ?? Number.POSITIVE_INFINITY,
    )
  const inputTokens =
    amountOf('estimate.inputTokens', given.inputTokens) ??
    host.estimates.input(model, agent) ??
    root.atMost(node, 'inputTokens', DEFAULT_INPUT_TOKENS)
  const put = (name: string, amount: number): void => {
    const index = units.indexOf(name)
    if (index >= 0 && needs[index] === SOME) needs[index] = units.up(`estimate.${name}`, index, amount)
  }
  put('outputTokens', outputTokens)
  put('inputTokens', inputTokens)
  put('requests', 1)
  const usd = units.indexOf('usd')
  if (usd >= 0 && needs[usd] === SOME && isLimited(node, usd)) {
    const price = priceOf(root, model, inputTokens, outputTokens)
    if (price !== undefined) needs[usd] = units.up('estimate.usd', usd, price)
    else if (!root.terms.warnsOfPrices) throw root.accounts.refused(node, 'unknown_price', limiting(node, usd), 'usd')
    else warnOfPrice(host, node, model)
  }
  return {
    needs,
    wallMs: given.wallMs ?? 0,
    model,
    agent,
    inputTokens,
    outputTokens,
    isLearnt: learntOutput !== undefined,
  }
}

/** The nearest swarm upwards that limits a unit. */
function limiting(node: SwarmNode, unit: number): SwarmNode {
  for (const at of node.upwards()) if (at.limited.includes(unit)) return at
  return node
}
const isLimited = (node: SwarmNode, unit: number): boolean => limiting(node, unit).limited.includes(unit)

/** The price of tokens, US dollars; undefined: it is not known. */
export function priceOf(
  { terms }: SwarmRoot,
  model: string | undefined,
  inputTokens: number,
  outputTokens: number,
): number | undefined {
  try {
    const usd = terms.priceOf?.(model, inputTokens, outputTokens)
    return usd === undefined || usd > MOST_USD ? undefined : usd
  } catch {
    // A function of the caller's that fails has no price.
    return undefined
  }
}

function warnOfPrice({ logger, warned }: CallHost, node: SwarmNode, model: string | undefined): void {
  for (const at of node.upwards()) at.unknownPrices += 1
  const name = model ?? ''
  if (warned.has(name) || warned.size >= WARNED_MODELS) return
  warned.add(name)
  logger.warn('the price of a call is not known: the call is admitted, and its cost counts only if it is reported', {
    swarm: node.path,
    model,
  })
}
