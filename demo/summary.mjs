// From what was noted to the numbers that are printed. Pure; a number that does not exist is undefined, never 0.
import { CLASSES, OUTCOMES, phaseAt } from './plan.mjs'

/** A guard has recovered when from then on, in every second, at least this share of arrivals is answered well. */
const RECOVERED_SHARE = 0.95

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
const shareOf = (part, whole) => (whole === 0 ? undefined : part / whole)
const isGood = ({ outcome }) => outcome === 'good'

/** How many of `records` ended in which way. */
export function countOutcomes(records) {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]))
  for (const { outcome } of records) counts[outcome] += 1
  return counts
}

/** Records by the second in which they arrived. */
export function bySecond(records, runMs) {
  const seconds = Array.from({ length: Math.ceil(runMs / 1000) }, () => [])
  for (const record of records) seconds[Math.min(seconds.length - 1, Math.floor(record.atMs / 1000))].push(record)
  return seconds
}

/**
 * From the healing until answers are good again and stay so, ms; undefined when that was not seen before the end.
 * Windows of one second slide in steps of 100 ms; a return of which less than a second was seen proves nothing.
 */
export function recoveryOf(records, { healedAtMs, runMs }) {
  let recoveredAtMs
  for (let from = runMs - 1000; from >= healedAtMs - 1; from -= 100) {
    const arrived = records.filter(({ atMs }) => atMs >= from && atMs < from + 1000)
    if (arrived.filter(isGood).length < arrived.length * RECOVERED_SHARE) break
    recoveredAtMs = from
  }
  return recoveredAtMs === undefined ? undefined : Math.max(0, recoveredAtMs - healedAtMs)
}

/** @returns what the tables print of one run */
export function summarise({ records, transitions, counts }, plan) {
  const during = (phase) => records.filter(({ atMs }) => phaseAt(plan, atMs) === phase)
  const zombie = during('zombie')
  const refused = ({ outcome }) => outcome === 'refused'
  const firstRefusal = records.find((record) => refused(record) && record.atMs >= plan.illAtMs)
  const latencies = zombie.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b)
  const sent = records.filter((record) => !refused(record))
  const wasted = sent.filter((record) => !isGood(record))
  return {
    requests: records.length,
    outcomes: countOutcomes(records),
    detectionMs: firstRefusal && firstRefusal.atMs < plan.healedAtMs ? firstRefusal.atMs - plan.illAtMs : undefined,
    transitions: transitions.length,
    callsAsZombie: counts.callsAsZombie,
    healthChecksPassed: counts.healthChecks,
    wasted: wasted.length,
    wastedMs: wasted.reduce((sum, { latencyMs }) => sum + latencyMs, 0),
    recoveryMs: recoveryOf(records, plan),
    medianAsZombieMs: quantile(latencies, 0.5),
    p99AsZombieMs: quantile(latencies, 0.99),
    refusedWhileWell: during('healthy').filter(refused).length,
    refusedOnceHealed: during('healed').filter(refused).length,
    classes: CLASSES.map(({ name }) => {
      const share = (some) => {
        const own = some.filter((record) => record.class === name)
        return shareOf(own.filter(isGood).length, own.length)
      }
      const refusal = zombie.find((record) => refused(record) && record.class === name)
      return {
        class: name,
        run: share(records),
        zombie: share(zombie),
        firstRefusedMs: refusal && refusal.atMs - plan.illAtMs,
        recoveryMs: recoveryOf(
          records.filter((record) => record.class === name),
          plan,
        ),
      }
    }),
    goodShare: shareOf(records.filter(isGood).length, records.length),
  }
}
