// Figures that the demos have in common. Pure; one that does not exist is undefined, never 0.

/** A guard has recovered when from then on, in every second, at least this share of arrivals is answered well. */
const RECOVERED_SHARE = 0.95

/** A quantile of rising values; undefined of none. */
export const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]

export const shareOf = (part, whole) => (whole === 0 ? undefined : part / whole)

export const isGood = ({ outcome }) => outcome === 'good'

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
