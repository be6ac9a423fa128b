// Random traffic on a random instance, for recordings: options, routes, keys, pools, reserves, patches, bans, orders, clocks, and bad input.
import { Atrion, VirtualClock } from 'atrion'
import { numbers } from './_drive.mjs'

const TIERS = ['critical', 'high', 'normal', 'low', 'bulk']
const PROFILES = ['LIGHT', 'STANDARD', 'HEAVY', 'EXTREME', 'AUTO']

/** A clock that goes on, stands still, jumps, and goes back, as a system's that is set does. */
class OddClock {
  #clock = new VirtualClock(1_700_000_000_000)
  #offMs = 0
  now = () => this.#clock.now() + this.#offMs
  advance(ms) {
    this.#clock.advance(ms)
  }
  jump(ms) {
    this.#offMs += ms
  }
}

/** The engine's own clock, and a loop that is blocked from time to time: for stalls. */
const realClock = () => ({
  advance(ms) {
    if (ms < 1_000) return
    const endMs = performance.now() + 60
    while (performance.now() < endMs);
  },
})

/** A world by its seed: an instance and its clock, and what is done with it step by step. */
export function randomWorld(seed, engine, isReal = false) {
  const random = numbers(seed * 7919 + 1)
  random()
  const chance = (share) => random() < share
  const pick = (all) => all[Math.floor(random() * all.length)]
  const whole = (low, high) => low + Math.floor(random() * (high - low + 1))
  const maybe = (share, make) => (chance(share) ? make() : undefined)
  const plain = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

  const routes = Array.from({ length: whole(1, 12) }, (_, i) => `GET /${i}`)
  const limits = () => {
    const min = whole(1, 4)
    const initial = whole(min, 20)
    return { min, initial, max: initial + whole(0, 40) }
  }
  const slo = () => ({ maxAcceptableLatencyMs: whole(2, 400) })
  const reserve = () => plain({ critical: maybe(0.7, () => random() * 0.3), high: maybe(0.5, () => random() * 0.3) })
  const lanes = () => ({
    of: (key) => ['one', 'two', 'three', 'none'][key.length % 4],
    reserve: plain({ one: 0.05 + random() * 0.2, two: maybe(0.7, () => 0.05), three: maybe(0.5, () => random() * 0.1 + 1e-3) }),
  })
  const profile = () =>
    plain({
      slo: maybe(0.3, slo),
      limits: maybe(0.4, limits),
      reserve: maybe(0.3, reserve),
      pool: maybe(0.3, () => pick(['db', 'cache', null])),
      lanes: maybe(0.3, () => (chance(0.8) ? lanes() : null)),
      breakBy: maybe(0.2, () => pick(['key', null])),
      profile: maybe(0.2, () => pick(PROFILES)),
    })

  const clock = isReal ? realClock() : chance(0.5) ? new OddClock() : new VirtualClock(1_700_000_000_000)
  const atrion = new Atrion(
    plain({
      clock: isReal ? undefined : clock,
      watchdog: isReal || undefined,
      engine,
      slo: maybe(0.7, slo),
      maxRoutes: maybe(0.3, () => whole(2, 64)),
      dryRun: maybe(0.1, () => true),
      autoTuner: maybe(0.4, () => chance(0.7)),
      defaultVoltage: maybe(0.2, () => whole(1, 200)),
      keySecret: maybe(0.5, () => 'a secret of this test'),
      bans: maybe(0.2, () => ({ share: 0.5, failures: 20, windowMs: 5_000 })),
    }),
  )
  const open = []
  const waits = []
  const leases = []
  const bans = []
  let taken = []
  let version = 0
  const key = () => pick([undefined, 'one', `k${whole(0, 30)}`, whole(0, 1e6), 7n, '', 'x'.repeat(300)])
  const options = () =>
    plain({
      tier: maybe(0.6, () => pick(TIERS)),
      key: key(),
      weight: maybe(0.3, () => pick([1, 2, 3, 0.5, 17.25])),
      queueAgeMs: maybe(0.2, () => pick([0, random() * 500, 1e9, Number.NaN, -5])),
      saturation: maybe(0.2, () => pick([random(), 0, 1, 2, Number.NaN, -1])),
    })
  const quietly = (run) => {
    try {
      return run()
    } catch (error) {
      // A mistake of the caller is refused, and must leave no trace in the recording.
      if (!/must|unknown|cannot|can't|not|no /i.test(error.message)) throw error
      return undefined
    }
  }
  const acquire = () => {
    const asked = options()
    if (chance(0.05)) {
      delete asked.tier
      asked.voltage = pick([0, 1, 50, 300, -1, Number.NaN])
    }
    const permit = quietly(() => atrion.acquire(pick(routes), asked))
    if (permit?.allow) open.push(permit)
  }
  const give = () => {
    const [permit] = open.splice(Math.floor(random() * open.length), 1)
    if (permit === undefined) return
    permit.release(pick(['success', 'success', 'success', 'failure', 'ignored', undefined]))
    if (chance(0.05)) permit.release()
  }
  const steps = [
    [40, acquire],
    [random() * 40, give],
    [3, () => waits.push(atrion.enter(pick(routes), { ...options(), maxWaitMs: whole(1, 200) }).catch(() => {}))],
    [2, () => void atrion.run(pick(routes), () => (chance(0.2) ? Promise.reject(new Error('no')) : 'answer'), { fallback: 0 }).catch(() => {})],
    [6, () => quietly(() => atrion.route(pick([...routes, 'open']), { latencyMs: pick([random() * 500, -1, Number.NaN, 1e12]), errorRate: pick([0, random(), 5]), saturation: pick([undefined, random()]) }))],
    [1, () => quietly(() => atrion.routeBatch(routes.slice(0, 2), Float64Array.from({ length: 3 * Math.min(2, routes.length) }, random)))],
    [1, () => quietly(() => atrion.setRouteProfile(pick(routes), chance(0.5) ? profile() : pick(PROFILES)))],
    [1, () => quietly(() => atrion.configure(pick(routes), profile()))],
    [1, () => quietly(() => atrion.configure(plain({ slo: maybe(0.5, slo), limits: maybe(0.3, limits), dryRun: maybe(0.2, () => chance(0.5)) })))],
    [1, () => atrion.override(pick(routes), pick(['open', 'closed', null]))],
    [0.5, () => atrion.resetRoute(pick(routes))],
    [0.5, async () => leases.push(await atrion.startTask(pick(routes), { abandonedAfterMs: 60_000 }).catch(() => undefined))],
    [0.5, () => leases.shift()?.release()],
    [0.5, () => bans.push(quietly(() => atrion.ban(`k${whole(0, 30)}`, { forMs: whole(10, 5_000), reason: 'test' }))?.id)],
    [0.5, () => bans.length > 0 && atrion.unban(String(bans.shift()))],
    [0.3, () => { taken = atrion.snapshot() }],
    [0.3, () => quietly(() => atrion.restore(taken))],
    [0.3, async () => {
      const result = await atrion
        .patch(plain({ base: version, changes: plain({ limits: limits(), slo: maybe(0.5, slo), reserve: maybe(0.3, reserve) }), canary: maybe(0.4, () => ({ keyShare: random(), forMs: whole(100, 5_000) })) }))
        .catch(() => undefined)
      version = result?.version ?? version
    }],
    [0.5, () => clock.jump?.(pick([-1e6, -5, 1e3, 3_600_000, 1e-3]))],
    [2, () => clock.advance(pick([0, 1, 50, 1_000, 60_000]))],
    [1, () => { atrion.stats(pick(routes)); atrion.metrics(); atrion.getState(pick(routes)); atrion.getRoutes() }],
  ]
  const sum = steps.reduce((all, [weight]) => all + weight, 0)
  return {
    atrion,
    clock,
    seed,
    /** Does so many things. */
    async drive(count) {
      for (let i = 0; i < count; i++) {
        clock.advance(chance(0.3) ? 0 : random() * 4)
        let left = random() * sum
        await steps.find(([weight]) => (left -= weight) < 0)[1]()
        while (open.length > 60) give()
        if (i % 50 === 0) await new Promise(setImmediate)
      }
    },
    async end() {
      for (const permit of open.splice(0)) permit.release()
      for (const lease of leases.splice(0)) await lease?.release()
      await atrion.disconnect()
      for (const permit of await Promise.all(waits)) permit?.release()
    },
  }
}
