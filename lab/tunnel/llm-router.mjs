// A better and dearer model beside a cheaper one: who is asked is drawn by resistance.
import { createRequire } from 'node:module'
import { steps } from '../driver/curve.mjs'
import { Stage } from './stage.mjs'

const { Atrion, selectRoute } = createRequire(import.meta.url)('atrion')

const TROUBLE_S = 60
const HEALED_S = 120
const END_S = 300

/** The providers: the price of 1000 tokens, the duration of a call, the share of time that each is overloaded. */
const MODELS = {
  large: { usdPer1k: 0.03, latencyMs: [500, 2000], overload: steps([0, 0.02], [TROUBLE_S, 0.6], [HEALED_S, 0.02]) },
  small: { usdPer1k: 0.005, latencyMs: [50, 200], overload: steps([0, 0.02]) },
}

/**
 * The large model is preferred while both are well: its base resistance is lower. Analog resistance does the routing;
 * the breaker is out of reach, so that a provider in trouble is still asked now and then.
 */
const PHYSICS = {
  large: { baseResistance: 10, scarFactor: 10, decayRate: 0.2, criticalPressure: 0.8, breakMultiplier: 100 },
  small: { baseResistance: 25, scarFactor: 1, decayRate: 0.5, criticalPressure: 0.8, breakMultiplier: 100 },
}
const BETA_PER_OHM = 0.2
const TICK_MS = 1000

/** Keeps a model’s telemetry current: each second, what its answers since the last one looked like. */
class Provider {
  #guard
  #name
  #fresh = { calls: 0, failures: 0, latencyMs: 0 }

  constructor(stage, guard, name) {
    this.#guard = guard
    this.#name = name
    guard.setRouteProfile(name, {
      ...PHYSICS[name],
      bootstrapTicks: 1,
      slo: { baselineLatencyMs: MODELS[name].latencyMs[1], targetErrorRate: 0.05 },
    })
    stage.every(TICK_MS, END_S * 1000, () => this.#tick())
  }

  answered(latencyMs, failed) {
    this.#fresh.calls += 1
    this.#fresh.failures += failed ? 1 : 0
    this.#fresh.latencyMs += latencyMs
  }

  /** A model without requests has shown nothing: it rests at its baseline, and its scar heals. */
  #tick() {
    const { calls, failures, latencyMs } = this.#fresh
    this.#fresh = { calls: 0, failures: 0, latencyMs: 0 }
    const telemetry =
      calls === 0
        ? { latencyMs: MODELS[this.#name].latencyMs[0], errorRate: 0.05, saturation: 0.5 }
        : { latencyMs: latencyMs / calls, errorRate: failures / calls, saturation: 0.5 }
    this.#guard.route(this.#name, telemetry)
  }
}

/** 20 questions a second for five minutes; a failed one is asked once more, of whom the router then says. */
async function play(seed, router) {
  const stage = new Stage(`llm-router/${seed}`)
  const chance = Object.fromEntries(
    ['tokens', 'latency', 'overload', 'route'].map((name) => [name, stage.chance(name)]),
  )
  const { choose, answered = () => {} } = router(stage, chance.route)
  const phases = { well: [0, TROUBLE_S], trouble: [TROUBLE_S + 5, HEALED_S], after: [HEALED_S + 30, END_S] }
  const seen = Object.fromEntries(Object.keys(phases).map((name) => [name, { calls: 0, small: 0 }]))
  const total = { asked: 0, answered: 0, usd: 0, latencyMs: 0 }
  const call = (askedMs, tokens, attempt) => {
    const name = choose()
    const { usdPer1k, latencyMs, overload } = MODELS[name]
    const failed = chance.overload() < overload(stage.now())
    const tookMs = failed
      ? 1000 + chance.latency() * 2000
      : latencyMs[0] + chance.latency() * (latencyMs[1] - latencyMs[0])
    for (const [phase, [from, to]] of Object.entries(phases)) {
      if (stage.now() < from * 1000 || stage.now() >= to * 1000) continue
      seen[phase].calls += 1
      if (name === 'small') seen[phase].small += 1
    }
    stage.after(tookMs, () => {
      answered(name, tookMs, failed)
      if (failed && attempt === 0) return call(askedMs, tokens, 1)
      if (failed) return
      total.answered += 1
      total.usd += (tokens / 1000) * usdPer1k
      total.latencyMs += stage.now() - askedMs
    })
  }
  stage.arrivals('questions', steps([0, 20]), END_S * 1000, () => {
    total.asked += 1
    call(stage.now(), 100 + chance.tokens() * 200, 0)
  })
  await stage.play((END_S + 10) * 1000)
  return {
    success: total.answered / total.asked,
    usd: total.usd,
    meanLatencyMs: total.latencyMs / total.answered,
    smallWhileWell: seen.well.small / seen.well.calls,
    smallInTrouble: seen.trouble.small / seen.trouble.calls,
    smallAfter: seen.after.small / seen.after.calls,
  }
}

const always = (name) => () => ({ choose: () => name })
const coin = (_stage, uniform) => ({ choose: () => (uniform() < 0.5 ? 'large' : 'small') })

function atrion(stage, uniform) {
  const guard = new Atrion({ clock: stage, autoTuner: false })
  const providers = Object.fromEntries(Object.keys(MODELS).map((name) => [name, new Provider(stage, guard, name)]))
  return {
    choose() {
      const states = Object.keys(MODELS).map((name) => guard.getState(name))
      return selectRoute(states, BETA_PER_OHM, uniform)?.routeId ?? 'small'
    },
    answered: (name, latencyMs, failed) => providers[name].answered(latencyMs, failed),
  }
}

export default {
  name: 'llm-router',
  shows: 'selectRoute between an expensive model and a cheap one: traffic leaves the one that fails, and returns to it',
  setUp: '20 questions/s for 5 min; the large model refuses 60 % in the second minute, 2 % otherwise; one retry; β 0.2',
  async play({ seed }) {
    return {
      large: await play(seed, always('large')),
      small: await play(seed, always('small')),
      coin: await play(seed, coin),
      atrion: await play(seed, atrion),
    }
  },
  claims: [
    { says: 'trouble moves the traffic', figure: 'atrion.smallInTrouble', is: '>=', value: 0.8, headline: true },
    { says: 'while well, the large model answers', figure: 'atrion.smallWhileWell', is: '<=', value: 0.2 },
    { says: 'and does so again after', figure: 'atrion.smallAfter', is: '<=', value: 0.2 },
    { says: 'more is answered than by the large alone', figure: 'atrion.success', is: '>', than: 'large.success' },
    { says: 'nearly everything', figure: 'atrion.success', is: '>=', value: 0.98 },
    { says: 'for less', figure: 'atrion.usd', is: '<', than: 'large.usd' },
  ],
}
