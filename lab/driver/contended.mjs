import { EventHeap } from './heap.mjs'
import { Plant } from './plant.mjs'

/**
 * @typedef {object} ContendedSpec a plant whose throughput falls with the work in flight: a contended lock, a cache that
 * thrashes. It is shared equally by all that is in it.
 * @property {'contended'} kind
 * @property {number} serviceMs mean time of a request that is alone in it
 * @property {keyof typeof import('./random.mjs').SERVICE_LAWS} service
 * @property {number} deadlineMs
 * @property {number} [workers] requests that it works on at full speed each, default 1
 * @property {number} [serial] share of the work that only one at a time can do (Gunther's σ), default 0
 * @property {number} [crosstalk] what each pair costs each other (Gunther's κ), default 0
 * @property {number} [thrashBeyond] in-flight from which throughput falls
 * @property {number} [thrashPower] throughput beyond it falls with (thrashBeyond ÷ n)^thrashPower, default 1
 */

/**
 * Throughput with n in flight, as a multiple of that of one request alone.
 * @param {ContendedSpec} spec
 * @param {number} n
 */
export function throughputOf({ workers = 1, serial = 0, crosstalk = 0, thrashBeyond, thrashPower = 1 }, n) {
  const usl = n / (1 + serial * (n - 1) + crosstalk * n * (n - 1))
  const bounded = serial > 0 || crosstalk > 0 ? usl : Math.min(n, workers)
  return thrashBeyond !== undefined && n > thrashBeyond ? bounded * (thrashBeyond / n) ** thrashPower : bounded
}

const MOST = 4096

/** The least n in flight with the highest throughput. @param {ContendedSpec} spec */
export function kneeOf(spec) {
  let best = 1
  for (let n = 2; n <= MOST; n += 1) if (throughputOf(spec, n) > throughputOf(spec, best) * (1 + 1e-9)) best = n
  return best
}

/**
 * Processor sharing: each of n in flight advances at throughput(n)/n. Progress is kept as one number for all, so that
 * a request ends when progress reaches what it was at its arrival plus its work.
 */
export class ContendedPlant extends Plant {
  /** Requests by the progress at which they end. @type {EventHeap<number>} */
  #ends = new EventHeap()
  #cancelled = new Set()
  #inFlight = 0
  #progressMs = 0
  #sinceMs = 0
  #next = 0

  /** @param {number} i */
  admitted(i) {
    const { log, nowMs } = this.world
    this.#advance()
    const work = this.drawService() * this.world.flowOf(i).work
    log.startedMs[i] = nowMs
    log.work[i] = work
    this.#inFlight += 1
    this.#ends.push(this.#progressMs + work * this.spec.serviceMs, i)
    this.#plan()
  }

  /** Request i is given up. @param {number} i */
  cancel(i) {
    this.#advance()
    this.#cancelled.add(i)
    this.#inFlight -= 1
    this.#plan()
  }

  /** The earliest request may have ended; a plan made before the last change is void. @param {number} plan */
  handle(plan) {
    if (plan !== this.#next) return
    this.#advance()
    const i = this.#ends.pop()
    this.#inFlight -= 1
    this.#plan()
    this.world.finish(i, !this.world.fails(i))
  }

  #pace() {
    return this.#inFlight === 0 ? 0 : throughputOf(this.spec, this.#inFlight) / this.#inFlight
  }

  #advance() {
    this.#progressMs += (this.world.nowMs - this.#sinceMs) * this.#pace()
    this.#sinceMs = this.world.nowMs
  }

  #plan() {
    while (this.#cancelled.size > 0 && this.#ends.size > 0 && this.#cancelled.delete(this.#ends.first)) this.#ends.pop()
    this.#next += 1
    if (this.#ends.size === 0) return
    const leftMs = Math.max(0, this.#ends.nextMs - this.#progressMs)
    this.world.schedule(this.world.nowMs + leftMs / this.#pace(), this, this.#next)
  }
}
