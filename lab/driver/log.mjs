/** The ends of a request: values of {@link RequestLog.outcome}. */
export const OUTCOME = Object.freeze({ pending: 0, success: 1, failure: 2, shed: 3, gaveUp: 4 })

const grown = (array, length) => {
  const next = new array.constructor(length)
  next.set(array)
  return next
}

/** The record of every attempt of a run, as columns. Metrics are computed from it afterwards, never on the way. */
export class RequestLog {
  length = 0
  /** Intended send time, ms. */
  sentMs = new Float64Array(4096)
  /** Time of the answer, ms; NaN while there is none. */
  endedMs = new Float64Array(4096)
  tier = new Uint8Array(4096)
  outcome = new Uint8Array(4096)
  /** 0 for the first attempt of a request, 1… for its retries. */
  attempt = new Uint8Array(4096)
  /** The user who sent it. */
  user = new Uint32Array(4096)
  /** Index of the first attempt of the same request. */
  root = new Uint32Array(4096)
  /** On first attempts: 1 when any attempt of the request was answered well and in time. */
  served = new Uint8Array(4096)
  /** Time the plant began to work on it, ms; NaN if never. */
  startedMs = new Float64Array(4096)
  /** Index of the flow that it belongs to. */
  flow = new Uint8Array(4096)
  /** Index of the process that it reached. */
  process = new Uint8Array(4096)
  /** Work drawn for it, as a multiple of the mean service time. */
  work = new Float32Array(4096)

  /**
   * @param {number} sentMs
   * @param {number} tier
   * @param {number} user
   * @param {number} attempt
   * @param {number} root index of the first attempt, −1 when this is it
   * @param {number} [flow]
   * @returns {number} index of the new attempt
   */
  add(sentMs, tier, user, attempt, root, flow = 0) {
    const i = this.length
    if (i === this.sentMs.length) this.#grow()
    this.length += 1
    this.sentMs[i] = sentMs
    this.endedMs[i] = Number.NaN
    this.startedMs[i] = Number.NaN
    this.tier[i] = tier
    this.user[i] = user
    this.attempt[i] = attempt
    this.flow[i] = flow
    this.root[i] = root < 0 ? i : root
    return i
  }

  #grow() {
    const length = this.sentMs.length * 2
    for (const column of COLUMNS) this[column] = grown(this[column], length)
  }
}

const NUMBERS = ['sentMs', 'endedMs', 'startedMs', 'work']
const INDEXES = ['tier', 'outcome', 'attempt', 'user', 'root', 'served', 'flow', 'process']
const COLUMNS = [...NUMBERS, ...INDEXES]
