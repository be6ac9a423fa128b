// Twice as many position reports as the database can write: lose some on purpose, and choose which.
import { steps } from '../driver/curve.mjs'
import { OUTCOME } from '../driver/log.mjs'
import { METRICS } from '../metrics/metrics.mjs'
import { contest } from './guards.mjs'
import { quantile } from './stage.mjs'

const FLOOD_S = [2, 22]

const scenario = {
  name: 'iot-dam',
  users: 1000,
  plant: { kind: 'pool', workers: 10, serviceMs: 2, service: 'exponential', deadlineMs: 100 },
  // One report in ten is a key frame.
  traffic: [{ load: steps([0, 0.5], [FLOOD_S[0], 2], [FLOOD_S[1], 0.5]), mix: [0, 0.1, 0, 0.9, 0] }],
  durationS: 26,
  windows: { calm: [24, 26] },
  targets: [],
}

/** Longest silence of each vehicle during the flood, between reports written in time. */
function silencesS({ log, deadlineMs }) {
  const last = new Float64Array(scenario.users).fill(FLOOD_S[0] * 1000)
  const longest = new Float64Array(scenario.users)
  for (let i = 0; i < log.length; i += 1) {
    const atMs = log.sentMs[i]
    if (atMs < FLOOD_S[0] * 1000 || atMs >= FLOOD_S[1] * 1000) continue
    if (log.outcome[i] !== OUTCOME.success || log.endedMs[i] - atMs > deadlineMs) continue
    const vehicle = log.user[i]
    longest[vehicle] = Math.max(longest[vehicle], atMs - last[vehicle])
    last[vehicle] = atMs
  }
  return longest.map((ms, vehicle) => Math.max(ms, FLOOD_S[1] * 1000 - last[vehicle]) / 1000)
}

const read = (view) => ({
  written: METRICS.goodput(view, FLOOD_S),
  keyFrames: METRICS.success(view, FLOOD_S, { tier: 'high' }),
  dropped: METRICS.shed(view, FLOOD_S),
  p99Ms: METRICS.p99Ms(view, FLOOD_S, {}),
  medianSilenceS: quantile(silencesS(view), 0.5),
  droppedAfter: METRICS.shed(view, scenario.windows.calm),
})

export default {
  name: 'iot-dam',
  aliases: ['iot'],
  shows: 'lossy sampling: as much is admitted as can be written, key frames first, and what is admitted is fresh',
  setUp:
    '1000 vehicles, 10,000 reports/s for 20 s before a database that writes 5,000; one report in ten is a key frame; stale after 100 ms',
  play: ({ seed }) => contest(scenario, ['none', 'opossum', 'atrion'], seed, read),
  claims: [
    { says: 'the database writes all it can', figure: 'atrion.written', is: '>=', value: 0.95, headline: true },
    { says: 'key frames are kept', figure: 'atrion.keyFrames', is: '>=', value: 0.995 },
    { says: 'no more is dropped than must be', figure: 'atrion.dropped', is: '<=', value: 0.53 },
    { says: 'what is written is fresh', figure: 'atrion.p99Ms', is: '<=', value: 100 },
    { says: 'without, the queue grows stale', figure: 'none.written', is: '<', value: 0.2 },
    { says: 'a breaker loses key frames', figure: 'opossum.keyFrames', is: '<', than: 'atrion.keyFrames' },
    { says: 'after the flood nothing is dropped', figure: 'atrion.droppedAfter', is: '<=', value: 0.001 },
  ],
}
