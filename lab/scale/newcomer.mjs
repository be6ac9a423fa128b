// One of some processes before a saturated backend is replaced by a new one, as in a rolling deploy: what it would gain from the others' limits.
// Random plants in virtual time; each rule on the same plants. `node lab/scale/newcomer.mjs [plants] [load,…] [rule,…]` prints the table; a load `3>0.6` falls
// at that moment.
import { createRequire } from 'node:module'
import { steps } from '../driver/curve.mjs'
import { OUTCOME } from '../driver/log.mjs'
import { capacityOf } from '../driver/plants.mjs'
import { SERVICE_LAWS, stream } from '../driver/random.mjs'
import { run } from '../driver/run.mjs'
import { TIERS } from '../driver/tiers.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

const [plants = '40', loads = '0.6,2,3,3>0.6', rules = 'none,initial,max,firm'] = process.argv.slice(2)
/** The time at which the process is replaced, s, and the windows after it. */
const REPLACED_S = 20
const WINDOWS = [
  ['first second', 0, 1],
  ['first 5 s', 0, 5],
  ['10 to 15 s', 10, 15],
]
const MOST_PER_S = 6_000
/** The rules for the new process: the law alone, the median of the others' limits as `limits.initial`, as `limits.max`, or as a limit beyond which `critical` reaches. */
const RULES = rules.split(',')
const TOP = TIERS.indexOf('critical')

/** Processes, the last of which is the new one; `rule` says what it does with the limits of the others. */
function entrantOf(rule, processes) {
  const guards = []
  return {
    id: rule,
    create({ clock, deadlineMs }) {
      const own = guards.length
      const slo = { maxAcceptableLatencyMs: deadlineMs }
      const guard = new Atrion({ clock, slo, keySecret: 'the same in every run' })
      guards.push(guard)
      let median
      return {
        name: rule,
        settings: {},
        admit({ route, tier, key }) {
          if (own === processes - 1 && median === undefined) {
            const limits = guards.slice(0, own).map((other) => other.stats(route).limit)
            median = Math.max(1, Math.round(limits.sort((a, b) => a - b)[(limits.length - 1) >> 1]))
            if (rule === 'max') guard.setRouteProfile(route, { slo, limits: { max: median } })
            if (rule === 'initial') guard.setRouteProfile(route, { slo, limits: { initial: Math.min(512, median) } })
          }
          if (rule === 'firm' && median !== undefined) {
            // The top tier reaches beyond it, as it does beyond the law's own cap.
            if (guard.stats(route).inFlight >= (tier === 'critical' ? 2 * median + 10 : median)) return null
          }
          const permit = guard.acquire(route, { tier, key })
          return permit.allow ? { end: (outcome) => permit.release(outcome) } : null
        },
      }
    },
  }
}

function plantOf(draw) {
  const pick = (choices) => choices[Math.floor(draw() * choices.length)]
  for (;;) {
    const workers = pick([2, 4, 8, 16, 32, 64, 128])
    const serviceMs = pick([5, 10, 20, 50, 100])
    const deadlineMs = serviceMs * pick([4, 8, 10, 20, 40])
    const kind = pick(['pool', 'pool', 'contended'])
    const service = pick(Object.keys(SERVICE_LAWS))
    const processes = pick([3, 5, 8])
    if ((workers * 1000) / serviceMs <= MOST_PER_S) {
      return { plant: { kind, workers, serviceMs, deadlineMs, service }, processes }
    }
  }
}

/** Shares in a window: of what could be answered in time, of critical requests, of the new process's requests. */
function sharesIn({ log }, [, from, to], plant, newcomer) {
  const counts = { sent: 0, good: 0, critical: 0, criticalGood: 0, own: 0, ownGood: 0 }
  for (let i = 0; i < log.length; i += 1) {
    const sentS = log.sentMs[i] / 1000 - REPLACED_S
    if (sentS < from || sentS >= to) continue
    const good = log.outcome[i] === OUTCOME.success && log.endedMs[i] - log.sentMs[i] <= plant.deadlineMs ? 1 : 0
    counts.sent += 1
    counts.good += good
    if (log.tier[i] === TOP) {
      counts.critical += 1
      counts.criticalGood += good
    }
    if (log.process[i] === newcomer) {
      counts.own += 1
      counts.ownGood += good
    }
  }
  const possible = Math.min(counts.sent, capacityOf(plant) * (to - from))
  return [counts.good / possible, counts.criticalGood / counts.critical, counts.ownGood / counts.own]
}

const sums = new Map()
for (let n = 0; n < Number(plants); n += 1) {
  const { plant, processes } = plantOf(stream(`newcomer ${n}`))
  for (const load of loads.split(',')) {
    const [before, after = before] = load.split('>').map((part) => Number(part) / processes)
    const traffic = Array.from({ length: processes - 1 }, (_, process) => ({
      load: steps([0, before], [REPLACED_S, after]),
      process,
    }))
    traffic.push({ load: steps([0, before], [REPLACED_S, 0]), process: processes - 1 })
    traffic.push({ load: steps([0, 0], [REPLACED_S, after]), process: processes })
    const durationS = REPLACED_S + 16
    const scenario = { name: `newcomer-${n}`, plant, processes: processes + 1, traffic, durationS }
    for (const rule of RULES) {
      const result = await run(scenario, entrantOf(rule, processes + 1), 1)
      for (const window of WINDOWS) {
        const key = `${load} | ${window[0]} | ${rule}`
        const shares = sharesIn(result, window, plant, processes)
        if (shares.every(Number.isFinite)) sums.set(key, [...(sums.get(key) ?? []), shares])
      }
    }
  }
}
console.log(
  '| load | window | rule | goodput % | critical in time % | of the new process in time % |\n|---|---|---|---|---|---|',
)
for (const [key, all] of [...sums].sort(([a], [b]) => a.localeCompare(b))) {
  const means = [0, 1, 2].map((i) => (100 * all.reduce((sum, shares) => sum + shares[i], 0)) / all.length)
  console.log(`| ${key} | ${means.map((mean) => mean.toFixed(1)).join(' | ')} |`)
}
