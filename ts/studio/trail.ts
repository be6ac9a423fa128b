/** Patches, trials, bans and cancelled requests in the journal: those before Studio began to record, as far as the trail goes back, and all from then on. */

import type { Atrion } from '../atrion.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import type { Journal } from './journal.js'

/** Cancelled requests are entries of their own at this pace, ms; those between are counted. */
const CANCELLED_EVERY_MS = 10_000
/** Entries of the time before. */
const MOST_BEFORE = 40

const STATES = {
  applied: 'applied',
  canary: 'on trial',
  expired: 'expired',
  rolled_back: 'rolled back',
  refused: 'refused',
} as const

interface Entry {
  readonly layer: string
  readonly version: number | undefined
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly paths: readonly string[]
}

const byOf = ({ author, layer }: Entry): string => author ?? (layer === 'file' ? 'file' : 'unknown')

const textOf = ({ layer, version, reason, paths }: Entry, state: keyof typeof STATES, evidence?: string): string => {
  const why = [reason, evidence].filter((text) => text !== undefined).join('; ')
  const number = version === undefined ? '' : ` ${version}`
  return `Patch${number} of the ${layer} ${STATES[state]}: ${paths.join(', ')}${why === '' ? '' : ` (${why})`}`
}

/** Notes what there was, and what comes. @returns a function that ends it */
export function recordTrail(atrion: Atrion, port: TelemetryPort, journal: Journal): () => void {
  for (const entry of port.configTrail().slice(0, MOST_BEFORE).reverse()) {
    journal.record(entry.atMs, byOf(entry), textOf(entry, entry.state))
  }
  const note = (entry: Entry, state: keyof typeof STATES, evidence?: string): void => {
    journal.record(Date.now(), byOf(entry), textOf(entry, state, evidence))
  }
  let cancelledMs = Number.NEGATIVE_INFINITY
  let uncounted = 0
  const ends = [
    atrion.on('cancelled', ({ routeId, tier, ageMs, share }) => {
      const nowMs = performance.now()
      if (nowMs - cancelledMs < CANCELLED_EVERY_MS) {
        uncounted += 1
        return
      }
      const more = uncounted === 0 ? '' : `; ${uncounted} more since the last entry`
      cancelledMs = nowMs
      uncounted = 0
      const what = `${routeId.slice(0, 200)}, ${tier ?? 'by voltage'}, after ${Math.round(ageMs)} ms`
      const held = `it held ${Number(share.toPrecision(3))} while others waited`
      journal.record(Date.now(), 'culprits', `Request of ${what} cancelled: ${held}${more}`)
    }),
    atrion.on('patch', (entry) => note(entry, entry.state)),
    atrion.on('rollback', (entry) => note(entry, 'rolled_back', entry.evidence)),
    atrion.on('patch_refused', (entry) => note(entry, 'refused', entry.error.message)),
    atrion.on('ban', ({ id, origin, scenario, type, simulated, until }) => {
      const what = `${simulated ? 'Simulated ' : ''}${type === 'ban' ? 'ban' : 'demotion'} ${id}`
      const end = new Date(until).toISOString().slice(0, 19)
      journal.record(Date.now(), origin, `${what} until ${end}Z (${scenario})`)
    }),
    atrion.on('unban', ({ id }) => {
      journal.record(Date.now(), 'operator', `Ban ${id} lifted`)
    }),
  ]
  return () => {
    for (const end of ends) end()
  }
}
