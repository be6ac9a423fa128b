// The tuner learns the usual level of each route; the level that is too much stays configured.
import { createRequire } from 'node:module'
import { Stage } from './stage.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

const TICK_MS = 100
/** The package's defaults, and the same with a memory of 20 ticks instead of 100. */
const TUNER = { windowSize: 100, sensitivity: 3, minFloor: 30, hardCeiling: 500, warmupTicks: 50 }
const SHORT = { ...TUNER, windowSize: 20 }
const STATIC_BREAK_OHMS = 100

/** Phases of the day: telemetry drawn between two latencies. */
const DAY = [
  { name: 'warm-up', ticks: 60, latencyMs: [30, 40], errorRate: 0, saturation: 0.2 },
  { name: 'normal', ticks: 40, latencyMs: [35, 45], errorRate: 0, saturation: 0.25 },
  { name: 'spike', ticks: 30, latencyMs: [150, 200], errorRate: 0.05, saturation: 0.8 },
  { name: 'recovery', ticks: 600, latencyMs: [25, 35], errorRate: 0, saturation: 0.15 },
]

const breakPointOf = ({ mean, stdDev }) =>
  Math.max(TUNER.minFloor, Math.min(TUNER.hardCeiling, mean + TUNER.sensitivity * stdDev))

/** Plays phases against one route and notes when its breaker moved and what the tuner knew. */
async function drive(seed, phases, autoTuner) {
  const stage = new Stage(`auto-tuner/${seed}`)
  const guard = new Atrion({ clock: stage, autoTuner, slo: { baselineLatencyMs: 50 } })
  const uniform = stage.chance('latency')
  const seen = { openedAtOhms: Number.NaN, openedTick: Number.POSITIVE_INFINITY, lastMode: '', breakPoints: {} }
  let tick = 0
  for (const { name, ticks, latencyMs, errorRate, saturation, growth = 1 } of phases) {
    for (let k = 0; k < ticks; k += 1) {
      tick += 1
      const thisTick = tick
      stage.at(thisTick * TICK_MS, () => {
        const drawn = latencyMs[0] + uniform() * (latencyMs[1] - latencyMs[0])
        const { mode, resistance } = guard.route('route', { latencyMs: drawn * growth ** k, errorRate, saturation })
        if (mode === 'CIRCUIT_BREAKER' && seen.lastMode !== mode && Number.isNaN(seen.openedAtOhms)) {
          seen.openedAtOhms = resistance
          seen.openedTick = thisTick
        }
        seen.lastMode = mode
        const stats = guard.getTunerStats('route')
        if (stats !== undefined) seen.breakPoints[name] = breakPointOf(stats)
      })
    }
  }
  await stage.play(tick * TICK_MS)
  return seen
}

/** A route whose normal is quiet, and one whose normal is busy. */
const ordinary = (latencyMs, saturation) => [{ name: 'ordinary', ticks: 200, latencyMs, errorRate: 0.01, saturation }]

/** Latency that grows by 1 % a tick: slow enough to be learnt. */
const CREEP = [
  { name: 'normal', ticks: 60, latencyMs: [35, 45], errorRate: 0, saturation: 0.25 },
  { name: 'creep', ticks: 600, latencyMs: [40, 42], errorRate: 0, saturation: 0.6, growth: 1.01 },
]

export default {
  name: 'auto-tuner',
  shows: 'the break point is what is unusual for a route, μ + 3σ, and never above the ceiling',
  setUp:
    '100 ticks at 30–45 ms, 30 at 150–200 ms, then 25–35 ms for a minute; a quiet and a busy route; a creeping one',
  async play({ seed }) {
    const tuned = await drive(seed, DAY, TUNER)
    const fixed = await drive(seed, DAY, false)
    const quiet = await drive(seed, ordinary([20, 30], 0.1), TUNER)
    const busy = await drive(seed, ordinary([45, 95], 0.6), TUNER)
    const creeping = await drive(seed, CREEP, TUNER)
    const short = await drive(seed, DAY, SHORT)
    return {
      tuned: {
        normalBreakOhms: tuned.breakPoints.normal,
        openedTick: tuned.openedTick,
        openedAtOhms: tuned.openedAtOhms,
        endsOpen: tuned.lastMode === 'CIRCUIT_BREAKER' ? 1 : 0,
        breakOhmsAfterSpike: tuned.breakPoints.spike,
        breakOhmsAtEnd: tuned.breakPoints.recovery,
      },
      fixed: { openedTick: fixed.openedTick, openedAtOhms: fixed.openedAtOhms, breakOhms: STATIC_BREAK_OHMS },
      short: { openedTick: short.openedTick, breakOhmsAfterSpike: short.breakPoints.spike },
      quiet: { breakOhms: quiet.breakPoints.ordinary, openedTick: quiet.openedTick },
      busy: { breakOhms: busy.breakPoints.ordinary, openedTick: busy.openedTick },
      creeping: { openedAtOhms: creeping.openedAtOhms, openedTick: creeping.openedTick },
    }
  },
  claims: [
    {
      says: 'normal traffic makes it strict',
      figure: 'tuned.normalBreakOhms',
      is: '<',
      than: 'fixed.breakOhms',
      headline: true,
    },
    { says: 'so it opens in the first ticks of a spike', figure: 'tuned.openedTick', is: '<=', value: 105 },
    { says: 'and sooner than a static one', figure: 'tuned.openedTick', is: '<', than: 'fixed.openedTick' },
    { says: 'a spike makes it lenient', figure: 'tuned.breakOhmsAfterSpike', is: '>', than: 'tuned.normalBreakOhms' },
    { says: 'calm tightens it again', figure: 'tuned.breakOhmsAtEnd', is: '<', than: 'tuned.breakOhmsAfterSpike' },
    { says: 'and the breaker is closed', figure: 'tuned.endsOpen', is: '=', value: 0 },
    { says: 'a quiet route never opens', figure: 'quiet.openedTick', is: '=', value: Number.POSITIVE_INFINITY },
    { says: 'nor does a busy one', figure: 'busy.openedTick', is: '=', value: Number.POSITIVE_INFINITY },
    {
      says: 'too short a memory learns the spike',
      figure: 'short.openedTick',
      is: '>',
      than: 'tuned.openedTick',
    },
    { says: 'a creep does not escape', figure: 'creeping.openedAtOhms', is: '<=', value: 510 },
  ],
}
