// The figures that scenarios ask for, in words that read like the claims they test.

/** @param {number} value @param {string} [window] */
export const goodput = (value, window) => ({ metric: 'goodput', is: '>=', value, window })
export const firstSecond = (value) => ({ metric: 'firstSecond', is: '>=', value })
export const minSecond = (value, window) => ({ metric: 'minSecond', is: '>=', value, window })
export const success = (tier, value, window) => ({ metric: 'success', tier, is: '>=', value, window })
/** Success of the flows of a name. */
export const successOf = (flow, value, window, tier) => ({ metric: 'success', flow, tier, is: '>=', value, window })
/** Good answers of the flows of a name, as a share of the whole ceiling. */
export const shareOf = (flow, value, window) => ({ metric: 'share', flow, is: '>=', value, window })
/** Success of the worst of these flows ÷ that of the best. */
export const evenly = (flows, value, window) => ({ metric: 'evenness', flows, is: '>=', value, window })
/** Share of users of whose requests fewer than a tenth are served. */
export const darkUsersAtMost = (value, window) => ({ metric: 'darkUsers', is: '<=', value, window })
/** A target of these contestants only: of those that can. */
export const only = (of, target) => ({ ...target, of })
/** p99 of the admitted, as a share of the deadline. */
export const p99Share = (value, window) => ({ metric: 'p99Share', is: '<=', value, window })
export const shedAtMost = (value, window) => ({ metric: 'shed', is: '<=', value, window })
export const shedAtLeast = (value, window) => ({ metric: 'shed', is: '>=', value, window })
export const noReversals = (window) => ({ metric: 'reversals', is: '<=', value: 0, window })
export const noInversions = (window) => ({ metric: 'inversions', is: '<=', value: 0, window })
/** Seconds into the window after which nothing is refused any more. */
export const zeroShedsWithinS = (value, window = 'calm') => ({ metric: 'timeToZeroShedsS', is: '<=', value, window })
export const recoveredWithinS = (value) => ({ metric: 'recoveryS', is: '<=', value })
export const probesPerS = (value, window) => ({ metric: 'probesPerS', is: '>=', value, window })

/** The reference plant: 10 workers, 10 ms, a deadline of 200 ms; capacity 1000 a second. */
export const pool = (over = {}) => ({
  kind: 'pool',
  workers: 10,
  serviceMs: 10,
  service: 'exponential',
  deadlineMs: 200,
  ...over,
})

/** A handler that computes: 2 ms on the event loop, a refusal 2 % of that; capacity 500 a second. */
export const cpu = (over = {}) => ({
  kind: 'cpu',
  serviceMs: 2,
  service: 'exponential',
  rejectCost: 0.02,
  deadlineMs: 200,
  ...over,
})

/** A dependency without a queue: an answer takes 100 ms under any load. */
export const free = (over = {}) => ({
  kind: 'free',
  perS: 100,
  serviceMs: 100,
  service: 'exponential',
  deadlineMs: 2000,
  ...over,
})

/** Ten cores behind a lock: beyond the knee, throughput falls with the work in flight. */
export const contended = (over = {}) => ({
  kind: 'contended',
  serviceMs: 10,
  service: 'exponential',
  deadlineMs: 200,
  workers: 10,
  ...over,
})
