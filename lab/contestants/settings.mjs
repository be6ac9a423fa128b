// The settings of other guards as the first example of their documentation has them. The arena, the benchmarks and the demos say what they
// change. This file imports nothing, so that a command's help needs no package.

/** opossum's breaker, but for its time limit: that is the deadline of whatever is guarded. */
export const OPOSSUM = { errorThresholdPercentage: 50, resetTimeout: 30_000 }

/** cockatiel's breaker. */
export const COCKATIEL = { consecutiveFailures: 5, halfOpenAfterMs: 10_000 }
