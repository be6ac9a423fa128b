// From what was noted to the numbers that are printed. Pure; a number that does not exist is undefined, never 0.
import { isGood, quantile, recoveryOf, shareOf } from '../figures.mjs'
import { CLASSES, OUTCOMES, phaseAt } from './plan.mjs'

/** Counts `records` by outcome. */
export function countOutcomes(records) {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]))
  for (const { outcome } of records) counts[outcome] += 1
  return counts
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
