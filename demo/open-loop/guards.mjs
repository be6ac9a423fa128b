// The two ways to stand before the same dependency. Each runs a call, or refuses it.
import { Atrion } from 'atrion'
import CircuitBreaker from 'opossum'
import { ATRION, CLASSES, CLASSIC, POOL_SIZE, WINDOW_MS } from './plan.mjs'
import { CallTelemetry } from './telemetry.mjs'

/** The request was not sent to the dependency. */
export class Refusal extends Error {
  constructor(reason, retryAfterMs) {
    super(reason)
    this.retryAfterMs = retryAfterMs
  }
}

/** A health check that looks once a second, and opossum. */
export class ClassicGuard {
  #breaker
  #timer
  #healthy = true
  #streak = 0
  #resetMs

  /**
   * @param call order → answer; rejects for a wrong one
   * @param checkHealth resolves when the dependency says that it is well
   */
  constructor({ call, checkHealth, onTransition, plan }) {
    this.#resetMs = plan.breaker.resetTimeout
    this.#breaker = new CircuitBreaker(call, plan.breaker)
    let state = 'closed'
    for (const event of ['open', 'halfOpen', 'close']) {
      this.#breaker.on(event, () => {
        const to = event === 'close' ? 'closed' : event
        onTransition({ from: state, to })
        state = to
      })
    }
    this.#timer = setInterval(() => this.#check(checkHealth, onTransition), CLASSIC.healthCheck.everyMs)
  }

  async run(order) {
    if (!this.#healthy) throw new Refusal('health check failed', CLASSIC.healthCheck.everyMs)
    try {
      return await this.#breaker.fire(order)
    } catch (error) {
      if (error.code === 'EOPENBREAKER') throw new Refusal('breaker open', this.#resetMs)
      throw error
    }
  }

  /** The guard's state, as a monitoring page would show it. */
  sample() {
    return { mode: this.#breaker.opened ? 'open' : this.#breaker.halfOpen ? 'half-open' : 'closed' }
  }

  async close() {
    clearInterval(this.#timer)
    this.#breaker.shutdown()
  }

  async #check(checkHealth, onTransition) {
    const passed = await checkHealth(CLASSIC.healthCheck.timeoutMs).then(
      () => true,
      () => false,
    )
    this.#streak = passed === this.#healthy ? 0 : this.#streak + 1
    const enough = passed ? CLASSIC.healthCheck.successesToReturn : CLASSIC.healthCheck.failuresToLeave
    if (this.#streak < enough) return
    onTransition({ from: this.#healthy ? 'in rotation' : 'left', to: passed ? 'in rotation' : 'left' })
    this.#healthy = passed
    this.#streak = 0
  }
}

const ROUTE = 'POST /price'
const VOLTAGES = new Map(CLASSES.map(({ name, voltage }) => [name, voltage]))

/** Atrion's open loop: the service measures, `route()` decides. */
export class AtrionGuard {
  #call
  #atrion
  #telemetry = new CallTelemetry({
    windowMs: WINDOW_MS,
    poolSize: POOL_SIZE,
    expectedMs: ATRION.slo.baselineLatencyMs,
  })
  #last = { resistance: 0, mode: 'BOOTSTRAP' }

  constructor({ call, onTransition }) {
    this.#call = call
    this.#atrion = new Atrion({
      ...ATRION,
      observer: { onUpdate: ({ modeTransition }) => modeTransition && onTransition(modeTransition) },
    })
  }

  get engine() {
    return this.#atrion.engine
  }

  async run(order) {
    const decision = this.#atrion.route(ROUTE, this.#telemetry.read(), { voltage: VOLTAGES.get(order.class) })
    this.#last = decision
    if (!decision.allow) throw new Refusal(decision.reason, decision.retryAfterMs)
    return this.#telemetry.measure(() => this.#call(order))
  }

  sample() {
    const { resistance, mode } = this.#last
    return { mode, resistance, scar: this.#atrion.getState(ROUTE)?.scarTissue ?? 0 }
  }

  async close() {
    await this.#atrion.disconnect()
  }
}
