// Random worlds that repeat to the last bit wherever JavaScript runs: nothing in here uses more than arithmetic that
// IEEE-754 fixes. What an engine answers in one of them is folded into a digest of all its bits.

const TELEMETRY_NOISE = [Number.NaN, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, -1e-300]
const TELEMETRY_EXTREMES = [0, 5e-324, 1e300, Number.MAX_VALUE]
const MODES = ['BOOTSTRAP', 'OPERATIONAL', 'CIRCUIT_BREAKER']
const TIERS = ['bulk', 'low', 'normal', 'high', 'critical']
const OUTCOMES = ['success', 'success', 'success', 'success', 'failure', 'ignored']

/** Numbers in [0, 1) from a seed (Mulberry32's shape). */
const randomOf = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000
  }
}

/** Folds numbers, by their bits, into 64 bits of digest. */
class Digest {
  #number = new Float64Array(1)
  #bits = new Uint32Array(this.#number.buffer)
  #a = 0x811c9dc5
  #b = 0x01000193

  add(number) {
    // There are many NaNs, and they are one number.
    this.#number[0] = Number.isNaN(number) ? Number.NaN : number
    this.#a = Math.imul(this.#a ^ this.#bits[0], 0x01000193)
    this.#a = Math.imul(this.#a ^ this.#bits[1], 0x01000193) ^ (this.#a >>> 15)
    this.#b = Math.imul(this.#b ^ this.#bits[1], 0x85ebca6b) ^ (this.#b >>> 13)
    this.#b = Math.imul(this.#b ^ this.#bits[0], 0xc2b2ae35)
  }

  /** Every number in a tree of plain objects, in the order of its keys. */
  addAll(value) {
    if (typeof value === 'number') this.add(value)
    else if (typeof value === 'boolean') this.add(Number(value))
    else if (value === undefined) this.add(Number.NaN)
    else if (typeof value === 'object' && value !== null) for (const key of Object.keys(value)) this.addAll(value[key])
  }

  toString() {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}

/** The 64 bits of a number in hexadecimal. */
export const bitsOf = (number) => new BigUint64Array(Float64Array.of(number).buffer)[0].toString(16).padStart(16, '0')

/** The number that such bits are of. */
export const numberOf = (bits) => new Float64Array(BigUint64Array.of(BigInt(`0x${bits}`)).buffer)[0]

const helpers = (random) => ({
  random,
  pick: (values) => values[Math.floor(random() * values.length)],
  between: (low, high) => low + (high - low) * random(),
  chance: (share) => random() < share,
})

const configOf = ({ pick, between }) => ({
  baseResistance: pick([10, between(0.5, 200)]),
  decayRate: pick([0.1, 0, between(0.01, 2)]),
  scarFactor: pick([5, 0, between(0.1, 60)]),
  dampingFactor: pick([20, 0, between(0, 500)]),
  criticalPressure: pick([0.7, between(0, 1.6)]),
  breakMultiplier: pick([10, between(1.05, 30)]),
  bootstrapTicks: pick([10, 0, 1, 2, Math.floor(between(0, 40))]),
  minDeltaT: pick([100, between(0.1, 3000)]),
  tanhScale: pick([1, between(0.05, 4)]),
})

const tunerOf = ({ chance, between }) => {
  if (chance(0.25)) return false
  if (chance(0.25)) return true
  const minFloor = between(0, 60)
  return {
    windowSize: between(1, 300),
    sensitivity: between(0, 5),
    minFloor,
    hardCeiling: minFloor + between(0, 800),
    warmupTicks: Math.floor(between(0, 120)),
    recoveryMultiplier: between(0.05, 1),
  }
}

const profileOf = (dice) =>
  dice.pick([
    'LIGHT',
    'STANDARD',
    'HEAVY',
    'EXTREME',
    { scarFactor: dice.between(0, 40) },
    { profile: 'HEAVY', ...configOf(dice) },
    { profile: { baselineLatencyMs: dice.between(1, 900), scarMultiplier: dice.between(0, 3) } },
  ])

const telemetryOf = ({ random, pick, chance }, isBad) => {
  const component = (typical) => {
    if (chance(0.01)) return pick(TELEMETRY_NOISE)
    if (chance(0.01)) return pick(TELEMETRY_EXTREMES)
    return typical * random() * random() * 2
  }
  return {
    latencyMs: component(isBad ? 4000 : 150),
    errorRate: component(isBad ? 1.2 : 0.03),
    saturation: component(isBad ? 1.3 : 0.9),
  }
}

const elapsedOf = ({ between, chance }) => {
  if (chance(0.03)) return -between(0, 20_000)
  if (chance(0.07)) return 0
  if (chance(0.03)) return between(0, 3_600_000)
  return chance(0.5) ? Math.floor(between(1, 400)) : between(0.01, 2500)
}

/** Counts of the cases that a run met, so that a test can see that it met all of them. */
const newSeen = () => ({ modes: {}, refusals: 0, retries: 0, admitted: {}, shed: {}, ticks: 0, permits: 0 })
const count = (counts, name) => {
  counts[name] = (counts[name] ?? 0) + 1
}

/**
 * A world of the open loop.
 *
 * @param create makes an Atrion of the engine in question from options
 * @returns digest of all answers, R and mode of every `every`th tick, and what was met
 */
export const openLoop = (create, { seed, ticks, every }) => {
  const dice = helpers(randomOf(seed))
  const { random, pick, between, chance } = dice
  let now = 1.7e12
  const atrion = create({
    config: configOf(dice),
    autoTuner: tunerOf(dice),
    maxRoutes: pick([4, 12, 100]),
    clock: { now: () => now },
  })
  const digest = new Digest()
  const seen = newSeen()
  const samples = []
  let isBad = false
  for (let i = 0; i < ticks; i++) {
    now += elapsedOf(dice)
    if (chance(0.02)) isBad = !isBad
    const routeId = `route ${Math.floor(random() * random() * 24)}`
    if (chance(0.002)) atrion.setRouteProfile(routeId, profileOf(dice))
    const options = chance(0.02) ? { voltage: between(0, 400), profile: pick(['LIGHT', 'HEAVY']) } : between(0, 150)
    const decision = atrion.route(routeId, telemetryOf(dice, isBad), options)
    digest.add(Number(decision.allow))
    digest.add(decision.resistance)
    digest.add(MODES.indexOf(decision.mode))
    digest.add(decision.retryAfterMs ?? Number.NaN)
    count(seen.modes, decision.mode)
    seen.refusals += Number(!decision.allow)
    seen.retries += Number(decision.retryAfterMs !== undefined)
    if (i % every === every - 1) {
      samples.push(`${MODES.indexOf(decision.mode)}:${bitsOf(decision.resistance)}`)
      const routes = atrion.snapshot().sort((one, other) => (one.routeId < other.routeId ? -1 : 1))
      digest.addAll(routes)
      if (chance(0.3)) atrion.restore(routes.slice(0, 2))
    }
  }
  seen.ticks = ticks
  return { digest: digest.toString(), samples, seen }
}

/** A batch of ticks in one crossing: the same answers as one by one, and as anywhere else. */
export const batches = (create, { seed, rounds, routes }) => {
  const dice = helpers(randomOf(seed))
  let now = 1.7e12
  const atrion = create({ clock: { now: () => now } })
  const ids = Array.from({ length: routes }, (_, i) => `route ${i}`)
  const digest = new Digest()
  const seen = newSeen()
  const samples = new Float64Array(routes * 3)
  const out = new Float64Array(routes * 2)
  for (let round = 0; round < rounds; round++) {
    now += elapsedOf(dice)
    for (let i = 0; i < routes; i++) {
      const { latencyMs, errorRate, saturation } = telemetryOf(dice, (round + i) % 40 > 30)
      samples.set([latencyMs, errorRate, saturation], i * 3)
    }
    atrion.routeBatch(ids, samples, out)
    for (let i = 0; i < routes; i++) {
      digest.add(out[i * 2])
      digest.add(out[i * 2 + 1])
      count(seen.modes, MODES[out[i * 2 + 1]])
    }
  }
  seen.ticks = rounds * routes
  return { digest: digest.toString(), seen }
}

/** A world of the closed loop: work that comes, is admitted or shed, and ends in every way there is. */
export const closedLoop = (create, { seed, permits }) => {
  const dice = helpers(randomOf(seed))
  const { random, pick, between, chance } = dice
  let now = 1.7e12
  const atrion = create({
    keySecret: 'places that repeat',
    clock: { now: () => now },
    slo: { maxAcceptableLatencyMs: pick([500, 200, between(20, 3000)]) },
    maxRoutes: pick([4, 100]),
  })
  const digest = new Digest()
  const seen = newSeen()
  const routes = Array.from({ length: 6 }, (_, i) => ({
    id: `route ${i}`,
    busy: [],
    servers: 1 + Math.floor(random() * 40),
  }))
  let load = 1
  let failing = 0.01
  for (let i = 0; i < permits; i++) {
    if (i % 500 === 0) load = pick([0.5, 1, 2, 5])
    if (i % 700 === 0) failing = pick([0, 0.02, 0.5, 0.97])
    now += random() * (4 / load)
    const route = pick(routes)
    if (chance(0.0005)) atrion.override(route.id, pick(['open', 'closed', null]))
    if (chance(0.0005)) atrion.override(route.id, null)
    const tier = pick(TIERS)
    const options = chance(0.1) ? { voltage: between(0, 300) } : { tier }
    if (chance(0.4)) options.key = `user ${Math.floor(random() * 50)}`
    if (chance(0.1)) options.queueAgeMs = between(0, 400)
    if (chance(0.1)) options.saturation = between(0, 1.5)
    const permit = atrion.acquire(route.id, options)
    digest.addAll([permit.allow, permit.resistance, MODES.indexOf(permit.mode), permit.retryAfterMs])
    count(seen.modes, permit.mode)
    if (permit.allow) {
      count(seen.admitted, options.tier ?? 'voltage')
      const wait = Math.max(0, route.busy.length - route.servers)
      route.busy.push({ permit, until: now + between(1, 40) * (1 + wait / route.servers) })
    } else {
      count(seen.shed, options.tier ?? 'voltage')
      seen.refusals++
    }
    for (const { busy } of routes) {
      for (let at = busy.length - 1; at >= 0; at--) {
        if (busy[at].until > now) continue
        const [{ permit: done }] = busy.splice(at, 1)
        if (chance(0.001)) continue // lost, and found missing later
        done.release(chance(failing) ? 'failure' : pick(OUTCOMES))
      }
    }
    if (i % 1000 === 999) {
      for (const { id } of routes) {
        // With a clock of its own an instance excuses nothing.
        const { excused: _, excusedMs: _ms, ...stats } = atrion.stats(id)
        digest.addAll(stats)
      }
      if (chance(0.1)) now += 60_000
    }
  }
  seen.permits = permits
  return { digest: digest.toString(), seen }
}

/** The worlds of the golden vectors. */
export const PLAN = {
  open: Array.from({ length: 20 }, (_, i) => ({ seed: 1000 + i, ticks: 20_000, every: 500 })),
  batches: [
    { seed: 3000, rounds: 200, routes: 64 },
    { seed: 3001, rounds: 4, routes: 4097 },
  ],
  closed: Array.from({ length: 10 }, (_, i) => ({ seed: 2000 + i, permits: 6000 })),
}

/** The vectors of an engine: digests of whole worlds, and some of the numbers in them. */
export const vectorsOf = (create, plan = PLAN) => ({
  open: plan.open.map((world) => {
    const { digest, samples } = openLoop(create, world)
    return { ...world, digest, samples }
  }),
  batches: plan.batches.map((world) => ({ ...world, digest: batches(create, world).digest })),
  closed: plan.closed.map((world) => ({ ...world, digest: closedLoop(create, world).digest })),
})
