import { EventHeap, Fifo } from '../driver/heap.mjs'
import { exponential, SERVICE_LAWS, stream } from '../driver/random.mjs'
import { flush, RunClock } from '../driver/time.mjs'

/**
 * Virtual time for a wind-tunnel scenario: what happens when, in order, deterministic for a seed. Its `now()` fits
 * Atrion's `clock` option.
 */
export class Stage {
  #clock = new RunClock()
  /** @type {EventHeap<() => void>} */
  #heap = new EventHeap()
  #seed

  /** @param {string} seed */
  constructor(seed) {
    this.#seed = seed
  }

  /** @returns {number} ms since the beginning */
  now() {
    return this.#clock.now()
  }

  /** A named source of chance, uniform in [0, 1), of its own. */
  chance(name) {
    return stream(`${this.#seed}/${name}`)
  }

  /** Runs `act` at a time, or now when that has passed. */
  at(atMs, act) {
    this.#heap.push(Math.max(atMs, this.now()), act)
  }

  after(ms, act) {
    this.at(this.now() + ms, act)
  }

  /** Runs `act` at 0, ms, 2·ms … before untilMs; `act` is given the count from 0. */
  every(ms, untilMs, act) {
    for (let i = 0; i * ms < untilMs; i += 1) this.at(i * ms, () => act(i))
  }

  /**
   * Poisson arrivals.
   * @param {string} name of its source of chance
   * @param {import('../driver/curve.mjs').Curve} perS arrivals a second over time
   * @param {() => void} arrive
   */
  arrivals(name, perS, untilMs, arrive) {
    const uniform = this.chance(name)
    const next = (fromMs) => {
      const atMs = fromMs + (exponential(uniform) * 1000) / perS.max
      if (atMs >= untilMs) return
      this.at(atMs, () => {
        if (uniform() * perS.max < perS(atMs)) arrive()
        next(atMs)
      })
    }
    next(this.now())
  }

  /**
   * Plays everything up to that time.
   * @param {boolean} [withTimers] the process's `Date` and timers follow, and promises settle between events: for
   *   peers that keep time themselves. `prepare` runs when they do already.
   * @param {() => void} [prepare]
   */
  async play(untilMs, withTimers = false, prepare = () => {}) {
    if (withTimers) this.#clock.install()
    try {
      prepare()
      while (this.#heap.nextMs <= untilMs) {
        this.#clock.advanceTo(this.#heap.nextMs)
        this.#heap.pop()()
        if (withTimers) await flush()
      }
      this.#clock.advanceTo(untilMs)
      if (withTimers) await flush()
    } finally {
      this.#clock.uninstall()
    }
  }
}

/** Workers first come, first served, behind an unbounded queue. */
export class Workers {
  #stage
  #options
  #queue = new Fifo()
  #busy = 0
  #uniform

  /**
   * @param {Stage} stage
   * @param {{ workers: number, serviceMs: number, service?: string, speed?: import('../driver/curve.mjs').Curve }} options
   */
  constructor(stage, options) {
    this.#stage = stage
    this.#options = options
    this.#uniform = stage.chance('service')
  }

  /** Calls `done` when the work is. */
  submit(done) {
    this.#queue.push(done)
    this.#work()
  }

  #work() {
    const { workers, serviceMs, service = 'exponential', speed } = this.#options
    while (this.#busy < workers && this.#queue.length > 0) {
      const done = this.#queue.shift()
      this.#busy += 1
      const pace = speed === undefined ? 1 : speed(this.#stage.now())
      this.#stage.after((SERVICE_LAWS[service](this.#uniform) * serviceMs) / pace, () => {
        this.#busy -= 1
        done()
        this.#work()
      })
    }
  }
}

/** Quantile of a list, NaN of an empty one. */
export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort()
  return sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
}
