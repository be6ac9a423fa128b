/**
 * Durations, counted by size in steps of 2^(1/16), 4.4 %. A quantile is interpolated within its step, so that it is off by about one per
 * cent of itself.
 */

const STEPS_A_DOUBLING = 16
/** From 2^-10 ms, a microsecond, to 2^32 ms. */
const LOWEST = -10
const SIZES = 42 * STEPS_A_DOUBLING

export class Durations {
  readonly #counts = new Uint32Array(SIZES)
  #count = 0

  get count(): number {
    return this.#count
  }

  add(ms: number): void {
    const step = Math.floor((Math.log2(ms) - LOWEST) * STEPS_A_DOUBLING)
    const at = step > 0 ? Math.min(step, SIZES - 1) : 0
    this.#counts[at] = this.#counts[at]! + 1
    this.#count += 1
  }

  clear(): void {
    this.#counts.fill(0)
    this.#count = 0
  }

  /** Adds all durations of another. */
  merge(other: Durations): void {
    for (let i = 0; i < SIZES; i++) this.#counts[i] = this.#counts[i]! + other.#counts[i]!
    this.#count += other.#count
  }

  /** ms; 0 where there are none. @param share in [0, 1] */
  quantile(share: number): number {
    let rank = share * this.#count
    for (let i = 0; i < SIZES; i++) {
      const here = this.#counts[i]!
      if (here > 0 && rank <= here) return 2 ** ((i + rank / here) / STEPS_A_DOUBLING + LOWEST)
      rank -= here
    }
    return 0
  }

  /** Counts by step, for what is kept: pairs of step and count. */
  toPairs(): number[] {
    const pairs: number[] = []
    this.#counts.forEach((count, step) => {
      if (count > 0) pairs.push(step, count)
    })
    return pairs
  }

  /** Takes pairs over. @returns false where they are none */
  fromPairs(pairs: readonly unknown[]): boolean {
    if (pairs.length % 2 !== 0 || pairs.length > 2 * SIZES) return false
    this.clear()
    for (let i = 0; i < pairs.length; i += 2) {
      const [step, count] = [pairs[i], pairs[i + 1]]
      if (!isCount(step) || step >= SIZES || !isCount(count)) return false
      this.#counts[step] = count
      this.#count += count
    }
    return true
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
