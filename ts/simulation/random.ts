/**
 * Seeded randomness: every source of chance in a run has a stream of its own, so that settings which admit less do not shift the arrivals,
 * tiers or keys that others see.
 */

/** A uniform number in [0, 1). */
export type Uniform = () => number

/** 32-bit hash of a text (FNV-1a with a final avalanche). */
function hash32(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return (h ^ (h >>> 16)) >>> 0
}

/** A stream of uniform numbers in [0, 1): the sfc32 generator, seeded by a name: what the stream is for, with the run's seed in it. */
export function stream(name: string): Uniform {
  let a = hash32(`${name}/a`)
  let b = hash32(`${name}/b`)
  let c = hash32(`${name}/c`)
  let counter = 1
  const next = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return (sum >>> 0) / 4294967296
  }
  for (let i = 0; i < 12; i += 1) next()
  return next
}

/** A standard exponential variate (mean 1). */
export const exponential = (uniform: Uniform): number => -Math.log(1 - uniform())

/** Share of the short kind for a variance of 4 with balanced means: (1 + √((4 − 1)/(4 + 1)))/2. */
const HYPER_SHORT = (1 + Math.sqrt(3 / 5)) / 2

/** Service-time laws, each with mean 1; multiply by the mean service time. */
export const SERVICE_LAWS = {
  constant: () => 1,
  exponential,
  /** 90 % of the work takes half the mean, 10 % takes 5.5 times the mean. */
  bimodal: (uniform: Uniform): number => (uniform() < 0.9 ? 0.5 : 5.5),
  /** σ = 1, shifted so that the mean is 1. */
  lognormal: (uniform: Uniform): number => {
    const radius = Math.sqrt(2 * exponential(uniform))
    return Math.exp(radius * Math.cos(2 * Math.PI * uniform()) - 0.5)
  },
  /** σ = 0.5: an ordinary web service. */
  'lognormal-half': (uniform: Uniform): number => {
    const radius = Math.sqrt(2 * exponential(uniform))
    return Math.exp(0.5 * radius * Math.cos(2 * Math.PI * uniform()) - 0.125)
  },
  /** Anything from nothing to twice the mean. */
  uniform: (uniform: Uniform): number => 2 * uniform(),
  /** Four exponential stages one after another: variance 1/4. */
  erlang: (uniform: Uniform): number =>
    (exponential(uniform) + exponential(uniform) + exponential(uniform) + exponential(uniform)) / 4,
  /** Two exponential kinds of work that take half of the time each: 89 % short, 11 % long, variance 4. */
  hyperexponential: (uniform: Uniform): number => {
    const share = uniform() < HYPER_SHORT ? HYPER_SHORT : 1 - HYPER_SHORT
    return exponential(uniform) / (2 * share)
  },
} as const satisfies Record<string, (uniform: Uniform) => number>
