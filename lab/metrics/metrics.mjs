import { OUTCOME } from '../driver/log.mjs'
import { TIERS } from '../driver/tiers.mjs'

const SWING = 0.1
const NEVER = Number.POSITIVE_INFINITY

/** Quantile of sorted values, NaN when there are none. */
const quantile = (sorted, q) =>
  sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]

/** Good answers ÷ ceiling; NaN where nothing good was possible. */
function goodputIn(view, fromMs, toMs) {
  const ceiling = view.ceilingIn(fromMs, toMs)
  return ceiling === 0 ? Number.NaN : view.goodIn(fromMs, toMs) / ceiling
}

/** Goodput of every whole second of a span. */
function secondsOf(view, [from, to]) {
  const seconds = []
  for (let s = Math.ceil(from); s + 1 <= to; s += 1) seconds.push(goodputIn(view, s * 1000, (s + 1) * 1000))
  return seconds.filter((g) => !Number.isNaN(g))
}

/** Turns of a zigzag whose every leg is longer than `swing`. */
export function reversalsOf(values, swing = SWING) {
  let turns = 0
  let direction = 0
  let extreme = values[0]
  let low = values[0]
  let high = values[0]
  for (const value of values) {
    if (direction === 0) {
      low = Math.min(low, value)
      high = Math.max(high, value)
      if (value - low > swing) direction = 1
      else if (high - value > swing) direction = -1
      if (direction !== 0) extreme = value
    } else if ((value - extreme) * direction > 0) {
      extreme = value
    } else if ((extreme - value) * direction > swing) {
      turns += 1
      direction = -direction
      extreme = value
    }
  }
  return turns
}

/** A second in which a lower tier fared better than a higher one, by more than 5 points and 4.5 standard errors (chance alone gives one in 300,000). */
function inversionsIn(view, [from, to]) {
  let count = 0
  for (let s = Math.ceil(from); s + 1 <= to; s += 1) {
    const tiers = view.tiersIn(s * 1000, (s + 1) * 1000)
    for (let high = 0; high < tiers.length; high += 1) {
      for (let low = high + 1; low < tiers.length; low += 1) {
        const a = tiers[high]
        const b = tiers[low]
        if (a.requests < 10 || b.requests < 10) continue
        const pooled = (a.served + b.served) / (a.requests + b.requests)
        const error = Math.sqrt(pooled * (1 - pooled) * (1 / a.requests + 1 / b.requests))
        const gap = b.served / b.requests - a.served / a.requests
        if (gap > 0.05 && gap > 4.5 * error) count += 1
      }
    }
  }
  return count
}

/** Seconds from the mark until a full second from then on reaches that share of the ceiling. */
function recoveryS(view, markS, share) {
  for (let after = 0; (markS + after + 1) * 1000 <= view.endMs; after += 0.1) {
    const fromMs = (markS + after) * 1000
    if (goodputIn(view, fromMs, fromMs + 1000) >= share) return Math.round(after * 10) / 10
  }
  return NEVER
}

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length

/**
 * Every metric: (view, window in seconds, target) → number. `target.tier` narrows to a tier by name, `target.mark`
 * names a moment of the scenario.
 */
export const METRICS = {
  /** Good answers ÷ ceiling. */
  goodput: (view, [from, to]) => goodputIn(view, from * 1000, to * 1000),
  /** Goodput of the first second after each `marks.step`, averaged. */
  firstSecond: (view) => mean(view.scenario.marks.step.map((s) => goodputIn(view, s * 1000, (s + 1) * 1000))),
  /** ms after `marks.step` at which 200 ms of answers first reach 88 % of the ceiling, the slowest step. */
  timeTo88Ms(view) {
    const times = view.scenario.marks.step.map((s) => {
      for (let after = 0; after < 10_000; after += 50) {
        const fromMs = s * 1000 + after
        if (goodputIn(view, fromMs, fromMs + 200) >= 0.88) return after + 200
      }
      return NEVER
    })
    return Math.max(...times)
  },
  /** Worst whole second of goodput. */
  minSecond: (view, window) => Math.min(...secondsOf(view, window)),
  /** Reversals of more than 10 points between the seconds' goodput. */
  reversals: (view, window) => reversalsOf(secondsOf(view, window)),
  /** Requests of a tier, of the flows of a name, or of all, answered well and in time, retries included. */
  success(view, [from, to], { tier, flow }) {
    const tiers = view.tiersIn(from * 1000, to * 1000, flow)
    const chosen = tier === undefined ? tiers : [tiers[TIERS.indexOf(tier)]]
    return sum(chosen, 'served') / sum(chosen, 'requests')
  },
  /** Good answers of the flows of a name ÷ the ceiling of all. */
  share: (view, [from, to], { flow }) =>
    view.goodOfFlowIn(flow, from * 1000, to * 1000) / view.ceilingIn(from * 1000, to * 1000),
  /** Success of the flow that fares worst ÷ of the one that fares best, of those named. */
  evenness(view, window, { flows }) {
    const successes = flows.map((flow) => METRICS.success(view, window, { flow }))
    return Math.min(...successes) / Math.max(...successes)
  },
  /** Users of whose requests (ten at least) fewer than a tenth were served ÷ users. */
  darkUsers(view, [from, to]) {
    const users = [...view.usersIn(from * 1000, to * 1000).values()].filter(({ requests }) => requests >= 10)
    return users.filter(({ requests, served }) => served < 0.1 * requests).length / users.length
  },
  /** Attempts refused ÷ attempts, of the flows of a name, or of all. */
  shed(view, [from, to], { flow } = {}) {
    const tiers = view.tiersIn(from * 1000, to * 1000, flow)
    return sum(tiers, 'shed') / sum(tiers, 'attempts')
  },
  p50Ms: (view, [from, to], { tier }) =>
    quantile(view.admittedLatenciesMs(from * 1000, to * 1000, tierIndex(tier)), 0.5),
  p99Ms: (view, [from, to], { tier }) =>
    quantile(view.admittedLatenciesMs(from * 1000, to * 1000, tierIndex(tier)), 0.99),
  /** p99 of the admitted ÷ deadline. */
  p99Share: (view, window, target) => METRICS.p99Ms(view, window, target) / view.deadlineMs,
  /** Seconds from `marks.calm` to the last refusal in the window. */
  timeToZeroShedsS(view, [from, to]) {
    const { log } = view
    const [first, last] = view.sentIn(from * 1000, to * 1000)
    for (let i = last - 1; i >= first; i -= 1) {
      if (log.outcome[i] === OUTCOME.shed) return log.sentMs[i] / 1000 - from
    }
    return 0
  },
  /** Seconds from `marks.healed` until a full second has 95 % of the ceiling. */
  recoveryS: (view) => recoveryS(view, view.scenario.marks.healed, 0.95),
  /** Fewest attempts admitted in any second. */
  probesPerS(view, [from, to]) {
    let fewest = NEVER
    for (let s = from; s + 1 <= to; s += 1) {
      const tiers = view.tiersIn(s * 1000, (s + 1) * 1000)
      fewest = Math.min(fewest, sum(tiers, 'attempts') - sum(tiers, 'shed'))
    }
    return fewest
  },
  /** Seconds × pairs of tiers in which the lower one fared better. */
  inversions: (view, window) => inversionsIn(view, window),
}

const tierIndex = (tier) => (tier === undefined ? -1 : TIERS.indexOf(tier))
const sum = (items, field) => items.reduce((total, item) => total + item[field], 0)

const COMPARE = { '>=': (a, b) => a >= b, '<=': (a, b) => a <= b }

/**
 * Holds a run against its scenario's targets; one `of` certain contestants does not apply to others.
 * @param {import('./window.mjs').RunView} view
 * @param {string} [id] the contestant
 * @returns {{ metric: string, tier?: string, window: string, is: string, value: number, got: number, met: boolean }[]}
 */
export function judge(view, id) {
  const asked = view.scenario.targets.filter(({ of }) => of === undefined || id === undefined || of.includes(id))
  return asked.map((target) => {
    const window = windowOf(view.scenario, target.window)
    const got = METRICS[target.metric](view, window, target)
    return { ...target, window: target.window ?? 'all', got, met: COMPARE[target.is](got, target.value) }
  })
}

/** @returns {[number, number]} seconds */
export const windowOf = (scenario, name = 'all') => scenario.windows?.[name] ?? [0, scenario.durationS]

/** The figures of the scoreboard, and those `--verbose` prints. */
export function summarize(view) {
  const { scenario } = view
  const name = scenario.score?.window ?? 'all'
  const window = windowOf(scenario, name)
  const figures = {
    window: name,
    goodput: METRICS.goodput(view, window, {}),
    critical: METRICS.success(view, window, { tier: 'critical' }),
    success: Object.fromEntries(TIERS.map((tier) => [tier, METRICS.success(view, window, { tier })])),
    shed: METRICS.shed(view, window, {}),
    p50Ms: METRICS.p50Ms(view, window, {}),
    p99Ms: METRICS.p99Ms(view, window, {}),
    criticalP99Ms: METRICS.p99Ms(view, window, { tier: 'critical' }),
    minSecond: METRICS.minSecond(view, window, {}),
    reversals: METRICS.reversals(view, window, {}),
    inversions: METRICS.inversions(view, window, {}),
  }
  if (scenario.marks?.step !== undefined) {
    figures.firstSecond = METRICS.firstSecond(view)
    figures.timeTo88Ms = METRICS.timeTo88Ms(view)
  }
  if (scenario.windows?.calm !== undefined) {
    figures.timeToZeroShedsS = METRICS.timeToZeroShedsS(view, scenario.windows.calm)
  }
  if (scenario.marks?.healed !== undefined) figures.recoveryS = METRICS.recoveryS(view)
  return figures
}
