// From what was noted to the numbers that are printed. Pure; what was not seen is undefined, never 0.
import { recoveryOf } from '../figures.mjs'
import { OUTCOMES } from './plan.mjs'

const shareOf = (part, whole) => (whole === 0 ? undefined : part / whole)

/** Counts `records` by outcome. */
export function countOutcomes(records) {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]))
  for (const { outcome } of records) counts[outcome] += 1
  return counts
}

const isWasted = ({ outcome }) => outcome === 'wasted'
const isProbe = (record) => isWasted(record) && record.isProbe

/** The counts of one process of a server. */
function summariseProcess({ server, generation, atMs }, records, { diesAtMs, healedAtMs }) {
  const own = records.filter((record) => record.server === server && record.generation === generation)
  const asked = own.filter((record) => record.atMs >= diesAtMs && record.atMs < healedAtMs)
  const first = asked.find((record) => !isWasted(record))
  return {
    server,
    generation,
    startedAtMs: atMs,
    wasted: own.filter(isWasted).length,
    probes: own.filter(isProbe).length,
    /** From the first request that could have shown it, until the first that it did not send. */
    knewAfterMs: first && first.atMs - asked[0].atMs,
  }
}

/** @returns what the tables print of one run */
export function summarise({ records, generations, healedAtMs }, plan) {
  // The dependency is well when its process listens, not when it was asked to start.
  const healed = healedAtMs ?? plan.healedAtMs
  const times = { ...plan, healedAtMs: healed }
  const counts = countOutcomes(records)
  return {
    requests: records.length,
    counts,
    probes: records.filter(isProbe).length,
    processes: generations.map((one) => summariseProcess(one, records, times)),
    recoveryMs: recoveryOf(records, times),
    goodShare: shareOf(counts.good, records.length),
  }
}

/** By what share sharing lessens the waste; undefined when there was none to lessen. */
export const savedShare = (alone, shared) => {
  const share = shareOf(shared.counts.wasted, alone.counts.wasted)
  return share === undefined ? undefined : 1 - share
}
