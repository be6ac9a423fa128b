import { OUTCOME } from '../driver/log.mjs'
import { capacityOf } from '../driver/plants.mjs'
import { TIERS } from '../driver/tiers.mjs'

/** Fewer draws than this say too little about their mean; the nominal one is taken. */
const MIN_DRAWS = 100

/**
 * The log of a run, seen through its scenario: everything a metric needs, for any span of time. Answers count in the
 * span in which they were given, arrivals and success by tier in the span in which the request was meant to be sent.
 */
export class RunView {
  /**
   * @param {object} scenario
   * @param {import('../driver/log.mjs').RequestLog} log
   * @param {{ goodIn(fromMs: number, toMs: number): number }[]} [references] runs of the same scenario that make its ceiling, where it
   * says `byReference`
   */
  constructor(scenario, log, references = []) {
    this.scenario = scenario
    this.#references = references
    this.log = log
    this.deadlineMs = scenario.plant.deadlineMs
    this.endMs = scenario.durationS * 1000
    const good = new Float64Array(log.length)
    let goods = 0
    const started = []
    this.#firstAttempts = new Uint32Array(log.length + 1)
    for (let i = 0; i < log.length; i += 1) {
      const succeeded = log.outcome[i] === OUTCOME.success
      if (succeeded && log.endedMs[i] - log.sentMs[i] <= this.deadlineMs) good[goods++] = log.endedMs[i]
      if (!Number.isNaN(log.startedMs[i])) started.push(i)
      this.#firstAttempts[i + 1] = this.#firstAttempts[i] + (log.attempt[i] === 0 ? 1 : 0)
    }
    this.#goodMs = good.slice(0, goods).sort()
    this.#drawn = new Draws(log, started)
  }

  #references
  /** Times of the good answers, rising. */
  #goodMs
  /** Running count of first attempts. */
  #firstAttempts
  #drawn

  /** Times of the good answers, rising. @returns {Float64Array} */
  get goodMs() {
    return this.#goodMs
  }

  /** Good answers given in [fromMs, toMs). */
  goodIn(fromMs, toMs) {
    return lowerBound(this.#goodMs, toMs) - lowerBound(this.#goodMs, fromMs)
  }

  /** Indexes [first, last) of the attempts sent in [fromMs, toMs). */
  sentIn(fromMs, toMs) {
    const sent = this.log.sentMs.subarray(0, this.log.length)
    return [lowerBound(sent, fromMs), lowerBound(sent, toMs)]
  }

  /** First attempts (requests, not retries) sent in [fromMs, toMs). */
  requestsIn(fromMs, toMs) {
    const [first, last] = this.sentIn(fromMs, toMs)
    return this.#firstAttempts[last] - this.#firstAttempts[first]
  }

  /**
   * The most good answers that any controller could have drawn from the plant in the span: arrivals or capacity,
   * whichever is less, by the second; on a cpu plant less what refusing the rest costs. Capacity is that of the service
   * times which were really drawn: a run that drew long ones is not blamed for it.
   * With references, the ceiling is what the best of them answered in the span, and no more than was sent in
   * it: what a waiting room still answers of an overload that is over is no measure of a controller that has none.
   */
  ceilingIn(fromMs, toMs) {
    const { plant, ceilingPerS } = this.scenario
    if (ceilingPerS !== undefined) return (ceilingPerS * (toMs - fromMs)) / 1000
    if (this.#references.length > 0) {
      const best = Math.max(...this.#references.map((view) => view.goodIn(fromMs, toMs)))
      return Math.min(this.requestsIn(fromMs, toMs), best)
    }
    const luck = this.#luckIn(fromMs, toMs)
    let ceiling = 0
    for (let at = fromMs; at < toMs; at = nextSecond(at)) {
      const until = Math.min(toMs, nextSecond(at))
      const offered = this.requestsIn(at, until)
      const capacity = capacityIn(plant, at, until) / luck.meanWork
      let best = Math.min(offered, capacity)
      if (plant.kind === 'cpu' && offered > capacity) {
        const r = plant.rejectCost / luck.meanWork
        best = Math.max(0, (capacity - r * offered) / (1 - r))
      }
      ceiling += best
    }
    return ceiling * luck.successShare
  }

  #luckIn(fromMs, toMs) {
    const { errorRate } = this.scenario.plant
    const { draws, work, ended, failed } = this.#drawn.between(fromMs, toMs)
    const nominal = errorRate === undefined ? 1 : 1 - errorRate((fromMs + toMs) / 2)
    return {
      meanWork: draws >= MIN_DRAWS ? work / draws : 1,
      successShare: errorRate !== undefined && ended >= MIN_DRAWS ? 1 - failed / ended : nominal,
    }
  }

  /** Indexes of the scenario's flows of that name. */
  flowsNamed(name) {
    const { traffic, clients = [] } = this.scenario
    return [...traffic, ...clients].flatMap((flow, k) => (flow.name === name ? [k] : []))
  }

  /** Counts of a span by tier: requests, those served in the end, attempts and refusals; of the flows of a name, or of all. */
  tiersIn(fromMs, toMs, flowName) {
    const { log } = this
    const tiers = TIERS.map(() => ({ requests: 0, served: 0, attempts: 0, shed: 0 }))
    const flows = flowName === undefined ? null : this.flowsNamed(flowName)
    const [first, last] = this.sentIn(fromMs, toMs)
    for (let i = first; i < last; i += 1) {
      if (flows !== null && !flows.includes(log.flow[i])) continue
      const tier = tiers[log.tier[i]]
      tier.attempts += 1
      if (log.outcome[i] === OUTCOME.shed) tier.shed += 1
      if (log.attempt[i] === 0) {
        tier.requests += 1
        tier.served += log.served[i]
      }
    }
    return tiers
  }

  /** Good answers of the flows of a name given in [fromMs, toMs). */
  goodOfFlowIn(flowName, fromMs, toMs) {
    const { log } = this
    const flows = this.flowsNamed(flowName)
    let good = 0
    for (let i = 0; i < log.length; i += 1) {
      if (!flows.includes(log.flow[i]) || log.outcome[i] !== OUTCOME.success) continue
      if (log.endedMs[i] >= fromMs && log.endedMs[i] < toMs && log.endedMs[i] - log.sentMs[i] <= this.deadlineMs)
        good += 1
    }
    return good
  }

  /** Requests and those served in the end of a span, by user. @returns {Map<number, { requests: number, served: number }>} */
  usersIn(fromMs, toMs) {
    const { log } = this
    const users = new Map()
    const [first, last] = this.sentIn(fromMs, toMs)
    for (let i = first; i < last; i += 1) {
      if (log.attempt[i] !== 0) continue
      const user = users.get(log.user[i]) ?? { requests: 0, served: 0 }
      user.requests += 1
      user.served += log.served[i]
      users.set(log.user[i], user)
    }
    return users
  }

  /** Latencies from the intended send time, sorted, of the admitted attempts of a span; unanswered ones count as they stand. */
  admittedLatenciesMs(fromMs, toMs, tier = -1) {
    const last = this.#latencies
    if (last?.fromMs === fromMs && last.toMs === toMs && last.tier === tier) return last.sortedMs
    const sortedMs = this.#sortLatencies(fromMs, toMs, tier)
    this.#latencies = { fromMs, toMs, tier, sortedMs }
    return sortedMs
  }

  /** The last answer: one quantile of a span follows another. */
  #latencies

  #sortLatencies(fromMs, toMs, tier) {
    const { log } = this
    const [first, last] = this.sentIn(fromMs, toMs)
    const latencies = new Float64Array(last - first)
    let count = 0
    for (let i = first; i < last; i += 1) {
      if (log.outcome[i] === OUTCOME.shed || (tier >= 0 && log.tier[i] !== tier)) continue
      const endedMs = Number.isNaN(log.endedMs[i]) ? this.endMs + this.deadlineMs : log.endedMs[i]
      latencies[count++] = endedMs - log.sentMs[i]
    }
    return latencies.subarray(0, count).sort()
  }
}

/** The part of a reference run that is kept: the times of its good answers. */
export class Reference {
  #goodMs

  /** @param {RunView} view */
  constructor(view) {
    this.#goodMs = view.goodMs
  }

  /** Good answers given in [fromMs, toMs). */
  goodIn(fromMs, toMs) {
    return lowerBound(this.#goodMs, toMs) - lowerBound(this.#goodMs, fromMs)
  }
}

/** The service times that the plant drew, in the order in which work began, as running sums. */
class Draws {
  #startedMs
  #work
  #ended
  #failed

  constructor(log, started) {
    started.sort((a, b) => log.startedMs[a] - log.startedMs[b])
    const length = started.length
    this.#startedMs = new Float64Array(length)
    this.#work = new Float64Array(length + 1)
    this.#ended = new Uint32Array(length + 1)
    this.#failed = new Uint32Array(length + 1)
    started.forEach((i, k) => {
      const failed = log.outcome[i] === OUTCOME.failure
      this.#startedMs[k] = log.startedMs[i]
      this.#work[k + 1] = this.#work[k] + log.work[i]
      this.#ended[k + 1] = this.#ended[k] + (failed || log.outcome[i] === OUTCOME.success ? 1 : 0)
      this.#failed[k + 1] = this.#failed[k] + (failed ? 1 : 0)
    })
  }

  between(fromMs, toMs) {
    const first = lowerBound(this.#startedMs, fromMs)
    const last = lowerBound(this.#startedMs, toMs)
    const span = (sums) => sums[last] - sums[first]
    return { draws: last - first, work: span(this.#work), ended: span(this.#ended), failed: span(this.#failed) }
  }
}

const nextSecond = (tMs) => (Math.floor(tMs / 1000 + 1e-9) + 1) * 1000

/** Capacity of a plant between two times within one second, in requests of mean work. */
function capacityIn(plant, fromMs, toMs) {
  const PARTS = 10
  let share = 0
  for (let part = 0; part < PARTS; part += 1) {
    const at = fromMs + ((part + 0.5) * (toMs - fromMs)) / PARTS
    const still = [...(plant.stalls ?? []), ...(plant.refuses ?? [])].some(
      ([from, to]) => at >= from * 1000 && at < to * 1000,
    )
    if (!still) share += (plant.workersShare?.(at) ?? 1) * (plant.speed?.(at) ?? 1)
  }
  return (share / PARTS) * capacityOf(plant) * ((toMs - fromMs) / 1000)
}

/** First index whose value is not below x. */
function lowerBound(sorted, x) {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (sorted[mid] < x) low = mid + 1
    else high = mid
  }
  return low
}
