/**
 * Estimates that learn: the 90th percentile of tokens by model and agent, and how far off the estimates were.
 *
 * The percentile is read from counts by size, in steps of a twelfth of a doubling (6 %), so that it is the upper bound of its step: never
 * below the true one, at most 6 % above. All counts are halved where there are {@link MOST_COUNTED}, so that a change of a model's habits
 * shows within some hundred calls.
 */

import type { EstimateStats } from './types.js'

const STEPS_A_DOUBLING = 12
/** The number of sizes; the last one holds 2^24 tokens and more. */
const SIZES = 24 * STEPS_A_DOUBLING + 1
const MOST_COUNTED = 1_024
/** The fewest samples from which a quantile is known. */
const LEAST_COUNTED = 8
/** Most models with agents; the one that was used longest ago gives way. */
const MOST_NAMES = 1_024
/** Longest name of a model or an agent that is looked at, characters. */
const LONGEST_NAME = 128

/** The estimate where nothing is known: the usual default limit of output tokens of most models. */
export const DEFAULT_OUTPUT_TOKENS = 4_096
export const DEFAULT_INPUT_TOKENS = 4_096

const sizeOf = (tokens: number): number =>
  tokens <= 1 ? 0 : Math.min(SIZES - 1, Math.ceil(Math.log2(tokens) * STEPS_A_DOUBLING - 1e-9))

/** A quantile of a stream of sizes. */
export class SizeQuantile {
  #counts = new Uint16Array(0)
  #total = 0

  add(tokens: number): void {
    const size = sizeOf(tokens)
    if (size >= this.#counts.length) {
      const longer = new Uint16Array(Math.min(SIZES, size + STEPS_A_DOUBLING))
      longer.set(this.#counts)
      this.#counts = longer
    }
    this.#counts[size] = this.#counts[size]! + 1
    this.#total += 1
    if (this.#total < MOST_COUNTED) return
    this.#total = 0
    for (let i = 0; i < this.#counts.length; i++) {
      this.#counts[i] = this.#counts[i]! >> 1
      this.#total += this.#counts[i]!
    }
  }

  /** An upper bound of the quantile, whole tokens; undefined while too little is known. */
  at(share: number): number | undefined {
    if (this.#total < LEAST_COUNTED) return undefined
    let left = Math.ceil(share * this.#total)
    for (let size = 0; size < this.#counts.length; size++) {
      left -= this.#counts[size]!
      if (left <= 0) return Math.ceil(2 ** (size / STEPS_A_DOUBLING) - 1e-6)
    }
    return undefined
  }
}

interface Learnt {
  readonly input: SizeQuantile
  readonly output: SizeQuantile
}

const keyOf = (model: string | undefined, agent: string | undefined): string =>
  `${(model ?? '').slice(0, LONGEST_NAME)}\0${(agent ?? '').slice(0, LONGEST_NAME)}`

const SHARE = 0.9

/** Tokens of models and agents so far; one for all swarms of an instance. */
export class Estimates {
  readonly #learnt = new Map<string, Learnt>()

  /** Tokens that nine of ten calls stay within, of this model and agent, else of the model; undefined where too little is known. */
  input(model: string | undefined, agent: string | undefined): number | undefined {
    return this.#find(model, agent, 'input')
  }

  output(model: string | undefined, agent: string | undefined): number | undefined {
    return this.#find(model, agent, 'output')
  }

  learn(
    model: string | undefined,
    agent: string | undefined,
    inputTokens: number | undefined,
    outputTokens: number | undefined,
  ): void {
    this.#add(keyOf(model, agent), inputTokens, outputTokens)
    if (agent !== undefined && model !== undefined) this.#add(keyOf(model, undefined), inputTokens, outputTokens)
  }

  #find(model: string | undefined, agent: string | undefined, kind: 'input' | 'output'): number | undefined {
    const known = this.#learnt.get(keyOf(model, agent))?.[kind].at(SHARE)
    if (known !== undefined || agent === undefined) return known
    return this.#learnt.get(keyOf(model, undefined))?.[kind].at(SHARE)
  }

  #add(key: string, inputTokens: number | undefined, outputTokens: number | undefined): void {
    const learnt = this.#learnt.get(key) ?? { input: new SizeQuantile(), output: new SizeQuantile() }
    this.#learnt.delete(key)
    this.#learnt.set(key, learnt)
    if (inputTokens !== undefined) learnt.input.add(inputTokens)
    if (outputTokens !== undefined) learnt.output.add(outputTokens)
    if (this.#learnt.size <= MOST_NAMES) return
    for (const oldest of this.#learnt.keys()) {
      this.#learnt.delete(oldest)
      return
    }
  }
}

/** The error of estimates of output tokens. */
export class EstimateError {
  #count = 0
  #learnt = 0
  #low = 0
  #ratios = 0
  #errors = 0

  add(estimated: number, given: number, isLearnt: boolean): void {
    this.#count += 1
    if (isLearnt) this.#learnt += 1
    if (given > estimated) this.#low += 1
    const by = Math.max(1, estimated)
    this.#ratios += given / by
    this.#errors += Math.abs(given - estimated) / by
  }

  read(): EstimateStats {
    const mean = (sum: number): number | undefined => (this.#count > 0 ? sum / this.#count : undefined)
    return {
      count: this.#count,
      learnt: this.#learnt,
      low: this.#low,
      meanRatio: mean(this.#ratios),
      meanError: mean(this.#errors),
    }
  }
}
