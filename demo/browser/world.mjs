/** The two services, the traffic that reaches both, and the two hundred routes beside them. */
import { Service } from './service.mjs'

export const TIERS = ['critical', 'high', 'normal', 'low', 'bulk']
export const ROUTES = 200
const SERVERS = 20
const ROUTE = 'GET /checkout'

const exponential = (mean) => -Math.log(1 - Math.random()) * mean

/** The counts of one second. */
const newTally = () => ({
  offered: 0,
  inTime: [0, 0],
  late: [0, 0],
  failed: [0, 0],
  latencies: [[], []],
  admitted: Object.fromEntries(TIERS.map((tier) => [tier, 0])),
  shed: Object.fromEntries(TIERS.map((tier) => [tier, 0])),
})

export class World {
  nowMs = 0
  settings
  tally = newTally()
  #atrion
  #guarded
  #bare
  #nextArrivalMs = 0
  #ids = Array.from({ length: ROUTES }, (_, i) => `GET /route/${i}`)
  #samples = new Float64Array(ROUTES * 3)
  #batch = new Float64Array(ROUTES * 2)

  /** @param createAtrion makes an Atrion from its options */
  constructor(createAtrion, settings) {
    this.settings = settings
    this.#atrion = createAtrion({ clock: { now: () => this.nowMs } })
    this.#guarded = new Service(SERVERS, (request, endsAt) => this.#end(0, request, endsAt))
    this.#bare = new Service(SERVERS, (request, endsAt) => this.#end(1, request, endsAt))
    this.configure(settings)
  }

  get engine() {
    return this.#atrion.engine
  }

  /** Requests a second that keep every server busy. */
  get capacity() {
    return (SERVERS * 1000) / this.settings.serviceMs
  }

  configure(settings) {
    this.settings = settings
    const { physics, deadlineMs } = settings
    const profile = { ...physics, slo: { maxAcceptableLatencyMs: deadlineMs } }
    this.#atrion.setRouteProfile(ROUTE, profile)
    for (const id of this.#ids) this.#atrion.setRouteProfile(id, profile)
  }

  /** Lets time pass. */
  advance(elapsedMs) {
    const until = this.nowMs + elapsedMs
    for (;;) {
      const next = Math.min(this.#nextArrivalMs, this.#guarded.nextMs, this.#bare.nextMs)
      if (next > until) break
      this.nowMs = Math.max(this.nowMs, next)
      if (next === this.#guarded.nextMs) this.#guarded.step()
      else if (next === this.#bare.nextMs) this.#bare.step()
      else this.#arrive()
    }
    this.nowMs = until
    this.#tickRoutes()
  }

  #arrive() {
    const { load, serviceMs, mix } = this.settings
    this.#nextArrivalMs = this.nowMs + exponential(1000 / (this.capacity * load))
    this.tally.offered++
    const tier = this.#tierOf(mix)
    const request = { startedAt: this.nowMs, serviceMs: exponential(serviceMs), permit: undefined, endsAt: 0 }
    this.#bare.enter({ ...request }, this.nowMs)
    request.permit = this.#atrion.acquire(ROUTE, { tier })
    if (!request.permit.allow) {
      this.tally.shed[tier]++
      return
    }
    this.tally.admitted[tier]++
    this.#guarded.enter(request, this.nowMs)
  }

  /** `mix` is how important the traffic is, 0 to 1: at 0.5 the tiers are equally frequent. */
  #tierOf(mix) {
    const skew = 2 ** (4 * (mix - 0.5))
    return TIERS[Math.min(4, Math.floor(Math.random() ** skew * 5))]
  }

  #end(side, { startedAt, permit }, endsAt) {
    const { errors, deadlineMs } = this.settings
    const hasFailed = Math.random() < errors
    const latencyMs = endsAt - startedAt
    permit?.release(hasFailed ? 'failure' : 'success')
    if (hasFailed) this.tally.failed[side]++
    else if (latencyMs <= deadlineMs) this.tally.inTime[side]++
    else this.tally.late[side]++
    this.tally.latencies[side].push(latencyMs)
  }

  /** The other routes report telemetry that wanders with the load. */
  #tickRoutes() {
    const { load, errors } = this.settings
    for (let i = 0; i < ROUTES; i++) {
      const wave = 1 + 0.9 * Math.sin(this.nowMs / (2000 + 37 * i) + i)
      this.#samples[i * 3] = 60 * wave * Math.max(1, load * load)
      this.#samples[i * 3 + 1] = Math.min(1, errors * wave)
      this.#samples[i * 3 + 2] = Math.min(1, 0.45 * load * wave)
    }
    this.#atrion.routeBatch(this.#ids, this.#samples, this.#batch)
  }

  /** R in Ω and mode of each of the two hundred, side by side. */
  get routes() {
    return this.#batch
  }

  /** Returns the counts of the last second and the engine's statistics, and begins a new second. */
  read(seconds) {
    const { tally } = this
    this.tally = newTally()
    const stats = this.#atrion.stats(ROUTE)
    const state = this.#atrion.getState(ROUTE)
    const { dampingFactor, baseResistance } = this.settings.physics
    const momentum = dampingFactor * (state?.momentum ?? 0)
    const own = state?.resistance ?? baseResistance
    const strain = own - baseResistance - momentum - stats.scar
    return {
      ...tally,
      perSecond: (n) => n / seconds,
      stats,
      terms: {
        R: stats.resistance,
        R_base: baseResistance,
        P·W: state?.mode === 'BOOTSTRAP' ? 0 : strain,
        D·M: momentum,
        S: stats.scar,
        crowd: Math.max(0, stats.resistance - own),
      },
      inside: [this.#guarded.inside, this.#bare.inside],
    }
  }
}
