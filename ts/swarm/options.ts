/** The options of swarms and of their calls, checked. */

import { ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import { copyOf, ownOptions } from '../base/own.js'
import { requireSignal } from '../base/signals.js'
import { unknownName } from '../base/suggest.js'
import { TIERS } from '../engine/kinds.js'
import { requireMaxWait, requireTimeout } from '../limiter/request.js'
import { above, requireNumber, requireObject } from '../options/ranges.js'
import { readUpstreamOptions, type UpstreamOptions } from '../upstream/options.js'
import type { PaceOptions } from '../upstream/pace.js'
import type { Pacer } from './pacer.js'
import type { ChildOptions, ModelPrice, Price, SwarmOptions, SwarmRunOptions } from './types.js'
import { isAmount, requireBudget } from './units.js'

/** Longest name of a swarm, characters. */
const LONGEST_NAME = 256
const DEFAULT_SOFT = 0.8
const SHARE = { says: 'a number in (0, 1]', holds: (x: number) => x > 0 && x <= 1 }
const WEIGHT = above(0)

const SWARM_NAMES = [
  'budget',
  'soft',
  'route',
  'upstream',
  'weight',
  'onUnknownPrice',
  'price',
] as const satisfies readonly (keyof SwarmOptions)[]
const CHILD_NAMES = ['budget', 'share', 'soft', 'weight'] as const satisfies readonly (keyof ChildOptions)[]
const RUN_NAMES = [
  'tier',
  'key',
  'maxWaitMs',
  'signal',
  'timeoutMs',
] as const satisfies readonly (keyof SwarmRunOptions)[]

const isGiven = <T>(value: T | null | undefined): value is T => value !== undefined && value !== null

function named<T extends object>(given: T, names: readonly string[]): T {
  const options = copyOf(requireObject('options', given) as T, names)
  for (const name of Object.keys(options)) if (!names.includes(name)) throw unknownName(`options.${name}`, name, names)
  return options
}

export function requireName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME) return name
  if (typeof name !== 'string') throw wrongType('name', 'a non-empty string', name)
  throw new ConfigError('name', `a string of 1 to ${LONGEST_NAME} characters`, name.slice(0, LONGEST_NAME + 1))
}

/** The price of tokens in US dollars; undefined: it is not known. */
export type PriceOf = (model: string | undefined, inputTokens: number, outputTokens: number) => number | undefined

/** Options of a swarm without a parent. */
export interface SwarmTerms {
  readonly limits: readonly [name: string, limit: number][]
  readonly soft: number
  readonly route: string | undefined
  readonly pacer: Pacer | undefined
  /** The options of an upstream whose pacer is to be made, by the object they were given as. */
  readonly upstream: { readonly given: object; readonly options: PaceOptions } | undefined
  readonly weight: number
  readonly warnsOfPrices: boolean
  readonly priceOf: PriceOf | undefined
}

/** @throws ConfigError */
export function readSwarmOptions(options: SwarmOptions): SwarmTerms {
  const given = named(options, SWARM_NAMES)
  const { route, upstream, onUnknownPrice, price } = given
  if (isGiven(route) && (typeof route !== 'string' || route === '')) {
    throw new ConfigError('options.route', 'a non-empty string', route)
  }
  if (isGiven(onUnknownPrice) && onUnknownPrice !== 'refuse' && onUnknownPrice !== 'warn') {
    throw new ConfigError('options.onUnknownPrice', "'refuse' or 'warn'", onUnknownPrice)
  }
  return {
    limits: requireBudget('options.budget', given.budget),
    soft: softOf(given.soft) ?? DEFAULT_SOFT,
    route: route ?? undefined,
    pacer: isGiven(upstream) && isPacer(upstream) ? upstream : undefined,
    upstream: isGiven(upstream) && !isPacer(upstream) ? upstreamOf(upstream) : undefined,
    weight: weightOf(given.weight),
    warnsOfPrices: onUnknownPrice === 'warn',
    priceOf: isGiven(price) ? readPrice(price) : undefined,
  }
}

/** Options of a child. */
export interface ChildTerms {
  readonly limits: readonly [name: string, limit: number][]
  readonly share: number | undefined
  readonly soft: number | undefined
  readonly weight: number
}

/** @throws ConfigError */
export function readChildOptions(options: ChildOptions): ChildTerms {
  const { budget, share, soft, weight } = named(options, CHILD_NAMES)
  if (isGiven(budget) && isGiven(share)) throw new ConfigError('options.share', 'left out where budget is given', share)
  return {
    limits: isGiven(budget) ? requireBudget('options.budget', budget) : [],
    share: isGiven(share) ? requireNumber('options.share', share, SHARE) : undefined,
    soft: softOf(soft),
    weight: weightOf(weight),
  }
}

const softOf = (soft: unknown): number | undefined =>
  isGiven(soft) ? requireNumber('options.soft', soft, SHARE) : undefined
const weightOf = (weight: unknown): number => (isGiven(weight) ? requireNumber('options.weight', weight, WEIGHT) : 1)

const upstreamOf = (given: UpstreamOptions) => ({ given, options: readUpstreamOptions('options.upstream', given) })

const isPacer = (value: unknown): value is Pacer => {
  const { tryAdmit, admit } = value as Partial<Pacer>
  return typeof tryAdmit === 'function' && typeof admit === 'function'
}

const PRICE_NAMES = ['inputUsdPerMTok', 'outputUsdPerMTok'] as const satisfies readonly (keyof ModelPrice)[]

function readPrice(given: Price): PriceOf {
  if (typeof given === 'function') {
    return (model, inputTokens, outputTokens) => {
      const usd: unknown = given(model, { inputTokens, outputTokens })
      return isAmount(usd) ? usd : undefined
    }
  }
  requireObject('options.price', given)
  const prices = new Map<string, ModelPrice>()
  for (const [model, price] of Object.entries(given)) {
    const field = `options.price.${model}`
    const { inputUsdPerMTok, outputUsdPerMTok } = ownOptions(
      requireObject(field, price),
      PRICE_NAMES,
    ) as Partial<ModelPrice>
    for (const [name, usd] of Object.entries({ inputUsdPerMTok, outputUsdPerMTok })) {
      if (!isAmount(usd)) throw new ConfigError(`${field}.${name}`, 'a finite number ≥ 0', usd)
    }
    prices.set(model, { inputUsdPerMTok: inputUsdPerMTok!, outputUsdPerMTok: outputUsdPerMTok! })
  }
  return (model, inputTokens, outputTokens) => {
    const price = model === undefined ? undefined : prices.get(model)
    if (price === undefined) return undefined
    return (inputTokens * price.inputUsdPerMTok + outputTokens * price.outputUsdPerMTok) / 1e6
  }
}

/** Options of a call. */
export interface RunTerms {
  /** 0 (bulk) to 4 (critical) */
  readonly tier: number
  readonly key: string | undefined
  readonly maxWaitMs: number
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
}

const NORMAL = TIERS.indexOf('normal')
const NO_TERMS: RunTerms = { tier: NORMAL, key: undefined, maxWaitMs: 0, signal: undefined, timeoutMs: undefined }

/** @throws ConfigError, TypeError */
export function readRunOptions(options: SwarmRunOptions | null | undefined): RunTerms {
  if (!isGiven(options)) return NO_TERMS
  const { tier, key, maxWaitMs, signal, timeoutMs } = named(options, RUN_NAMES)
  const index = isGiven(tier) ? TIERS.indexOf(tier) : NORMAL
  if (index < 0) throw unknownName('options.tier', tier, [...TIERS].reverse())
  if (isGiven(key) && typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') {
    throw wrongType('options.key', 'a string', key)
  }
  return {
    tier: index,
    key: isGiven(key) ? String(key) : undefined,
    maxWaitMs: isGiven(maxWaitMs) ? requireMaxWait(maxWaitMs) : 0,
    signal: requireSignal('options.signal', signal),
    timeoutMs: requireTimeout(timeoutMs),
  }
}
