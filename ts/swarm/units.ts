/**
 * The units of a tree of budgets, and their amounts as whole numbers. Sums of binary fractions drift (0.1 + 0.2 is not 0.3), and a budget
 * that is added to a million times would leak or gain. So amounts are counted in whole quanta, of which a double holds 2^53 exactly: a
 * billionth of a US dollar, a token, a request, a ms, and a millionth of a custom unit (one, where its first limit is above a billion).
 *
 * An amount that is used or reserved is rounded up to a quantum and a limit is rounded down, so that rounding never lets anything past.
 */

import { ConfigError } from '../base/errors.js'
import { copyOf, isForeign } from '../base/own.js'
import { nearestName } from '../base/suggest.js'

/** Units that every budget knows, and their quanta a unit. */
const STANDARD: Readonly<Record<string, number>> = {
  usd: 1e9,
  inputTokens: 1,
  outputTokens: 1,
  requests: 1,
  wallMs: 1,
  depth: 1,
  children: 1,
}
export const STANDARD_UNITS: readonly string[] = Object.keys(STANDARD)

/** Units that follow from the tree and the clock: no run uses them up. */
export const STRUCTURAL_UNITS: ReadonlySet<string> = new Set(['wallMs', 'depth', 'children'])

/** Most units in a tree: sets of them are the bits of one number. */
export const MAX_UNITS = 24

/** Longest name of a unit, characters. */
const LONGEST_UNIT = 64

const FINE = 1e6
/** Parts of a quantum in which the reports of a call are added up. */
export const FINE_PARTS = 1_000
const COARSE_ABOVE = 1e9

/** The fewest whole quanta that are no less than an amount: an amount that is used is rounded up. */
export function quantaUp(amount: number, scale: number): number {
  const quanta = Math.round(amount * scale)
  return quanta / scale < amount ? quanta + 1 : quanta
}

/** The most whole quanta that are no more than an amount: a limit is rounded down. */
function quantaDown(amount: number, scale: number): number {
  const quanta = Math.round(amount * scale)
  return quanta / scale > amount ? quanta - 1 : quanta
}

const outOfRange = (field: string, scale: number, got: unknown): ConfigError =>
  new ConfigError(field, `a finite number in [0, ${Math.floor(Number.MAX_SAFE_INTEGER / scale)}]`, got)

export const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY

export class Units {
  readonly names: string[] = []
  readonly scales: number[] = []
  readonly #index = new Map<string, number>()

  get count(): number {
    return this.names.length
  }

  /** The number of a unit; −1: no budget of the tree names it. */
  indexOf(name: string): number {
    return this.#index.get(name) ?? -1
  }

  /** The number of a unit that a budget names. @param limit its first limit, which decides how fine a custom unit is counted */
  declare(name: string, limit: number): number {
    const known = this.#index.get(name)
    if (known !== undefined) return known
    const index = this.names.length
    this.names.push(name)
    this.scales.push(Object.hasOwn(STANDARD, name) ? STANDARD[name]! : limit > COARSE_ABOVE ? 1 : FINE)
    this.#index.set(name, index)
    return index
  }

  /** In the unit itself. */
  amountOf(index: number, quanta: number): number {
    return quanta / this.scales[index]!
  }

  /** Whole quanta of an amount that is used or reserved. @throws ConfigError for what is none, and where a double cannot count so many */
  up(field: string, index: number, amount: unknown): number {
    const scale = this.scales[index]!
    if (isAmount(amount)) {
      const quanta = quantaUp(amount, scale)
      if (quanta <= Number.MAX_SAFE_INTEGER) return quanta
    }
    throw outOfRange(field, scale, amount)
  }

  /**
   * The same in whole thousandths of a quantum, {@link FINE_PARTS} of them: sums of many small amounts are rounded up once, and those of
   * decimal fractions are what they seem. @throws ConfigError
   */
  fineUp(field: string, index: number, amount: unknown): number {
    const quanta = this.up(field, index, amount)
    return quanta === 0 ? 0 : quantaUp(amount as number, this.scales[index]! * FINE_PARTS)
  }

  /** Whole quanta of a limit. @throws ConfigError where a double cannot count so many */
  limit(field: string, index: number, amount: number): number {
    const scale = this.scales[index]!
    const quanta = quantaDown(amount, scale)
    if (quanta <= Number.MAX_SAFE_INTEGER) return quanta
    throw outOfRange(field, scale, amount)
  }

  /**
   * The number of a unit that a run names; −1: a standard one that no budget limits, so that it needs no account.
   *
   * @throws ConfigError for a unit that is neither standard nor named by a budget
   */
  find(field: string, name: string, also: readonly string[]): number {
    const index = this.indexOf(name)
    if (index >= 0 || Object.hasOwn(STANDARD, name)) return index
    const known = [...new Set([...this.names, ...STANDARD_UNITS, ...also])]
    throw new ConfigError(`${field}.${name}`, `a unit of the budget, one of ${known.join(', ')}`, name, {
      nearest: nearestName(name, known),
    })
  }
}

/** The units of a budget as they were given, checked. @throws ConfigError */
export function requireBudget(field: string, given: unknown): [name: string, limit: number][] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new ConfigError(field, 'an object', given)
  const limits: [string, number][] = []
  // Units may have any name: what it was created from has them as well.
  const names = [...STANDARD_UNITS]
  for (const name in given) if (!isForeign(given, name)) names.push(name)
  for (const [name, limit] of Object.entries(copyOf(given as Record<string, unknown>, names))) {
    if (limit === undefined || limit === null) continue
    if (name === '' || name.length > LONGEST_UNIT) {
      throw new ConfigError(field, `units with names of 1 to ${LONGEST_UNIT} characters`, name)
    }
    if (!isAmount(limit)) throw new ConfigError(`${field}.${name}`, 'a finite number ≥ 0', limit)
    limits.push([name, limit])
  }
  if (limits.length > MAX_UNITS) throw new ConfigError(field, `at most ${MAX_UNITS} units`, limits.length)
  return limits
}
