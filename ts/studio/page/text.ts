/** Numbers and times as the page writes them. */

/** A rate or a count: three figures at most. */
export function count(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value))
  return value >= 10 ? value.toFixed(1) : value >= 0.05 ? value.toFixed(1) : value > 0 ? '<0.1' : '0'
}

export function duration(ms: number | null): string {
  if (ms === null) return '–'
  if (ms >= 9_950) return `${Math.round(ms / 1_000)} s`
  if (ms >= 995) return `${(ms / 1_000).toFixed(1)} s`
  return ms >= 10 || ms === 0 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`
}

/** A share in per cent, never 100 for what is less. */
export function share(value: number | null): string {
  if (value === null) return '–'
  const percent = value * 100
  if (value < 1 && percent > 99) return `${Math.min(99.9, percent).toFixed(1)} %`
  return `${percent < 10 && percent > 0 ? percent.toFixed(1) : Math.round(percent)} %`
}

/** A limit from here on is none: no queue was seen yet. */
const NO_LIMIT = 50_000

export function inFlightText(inFlight: number, limit: number): string {
  if (!(limit > 0)) return '–'
  return limit >= NO_LIMIT ? String(inFlight) : `${inFlight} of ${count(limit)}`
}

export const ohms = (value: number): string => `${count(value)} Ω`

export const clock = (at: number): string => new Date(at).toTimeString().slice(0, 8)

export function until(at: number | null): string {
  if (at === null) return 'no end'
  const seconds = Math.max(0, Math.round((at - Date.now()) / 1_000))
  if (seconds < 90) return `${seconds} s left`
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min left` : `${Math.round(seconds / 3_600)} h left`
}

export const CAUSE_TEXTS: Readonly<Record<string, string>> = {
  breaker: 'breaker open',
  occupancy: 'too much in flight',
  queue_age: 'queue before the process',
  process: 'process short of resources',
  scar: 'failures of late',
  wait_timeout: 'waited in vain',
  wait_full: 'waiting room full',
  budget: 'budget spent',
  override: 'order of an operator',
  ban: 'banned',
}

export const MODE_TEXTS: Readonly<Record<string, string>> = {
  BOOTSTRAP: 'learning',
  OPERATIONAL: 'closed',
  CIRCUIT_BREAKER: 'open',
}

export const LEVEL_SIGNS: Readonly<Record<string, string>> = { sick: '✖', watch: '▲', well: '●' }
export const LEVEL_TEXTS: Readonly<Record<string, string>> = { sick: 'sick', watch: 'watch', well: 'well' }

export const TERM_TEXTS: Readonly<Record<string, string>> = {
  base: 'base',
  pressure: 'pressure (slow, failing, full)',
  momentum: 'momentum (getting worse)',
  scar: 'scar (failures and past trauma)',
  cluster: 'other nodes',
  occupancy: 'in flight',
  queueAge: 'queue age',
  process: 'process',
}
