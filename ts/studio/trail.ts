/** Patches, trials and bans in the journal: those before Studio began to record, as far as the trail goes back, and all from then on. */

import type { Atrion } from '../atrion.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import type { Journal } from './journal.js'

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
  const ends = [
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
