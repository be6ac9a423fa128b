/** The facts that a recording states of itself, and the engine that they ask for. */

import type { EngineKind } from '../engine/kinds.js'
import type { Engine } from '../engine/port.js'
import { GarbageError } from './block-reader.js'

/** The facts that a recording states of itself. */
export interface About {
  readonly atrion: string
  readonly engine: EngineKind
  readonly maxRoutes: number
  readonly isWhole: boolean
  readonly isRing: boolean
  readonly isShared: boolean
  readonly sample: number
  readonly redact: unknown
  readonly startedAt: string
  readonly dryRun: boolean
}

export type EngineMaker = (kind: EngineKind, maxRoutes: number) => Engine

const MOST_ROUTES = 2 ** 24

/** The facts that a recording states of itself. @throws GarbageError */
export function requireAbout(value: unknown): About {
  const about = value as (Partial<About> & { readonly scope?: unknown }) | null
  const { engine, maxRoutes, sample } = about ?? {}
  const isNumber = typeof maxRoutes === 'number' && Number.isInteger(maxRoutes)
  if (engine !== 'native' && engine !== 'wasm' && engine !== 'ts') throw new GarbageError('no engine is named')
  if (!isNumber || maxRoutes < 1 || maxRoutes > MOST_ROUTES) throw new GarbageError(`maxRoutes ${maxRoutes}`)
  if (typeof sample !== 'number' || !(sample > 0 && sample <= 1)) throw new GarbageError(`sample ${sample}`)
  return {
    atrion: String(about?.atrion),
    engine,
    maxRoutes,
    sample,
    isWhole: about?.isWhole === true,
    isRing: about?.isRing === true,
    isShared: about?.scope === 'process',
    redact: about?.redact,
    startedAt: String(about?.startedAt),
    dryRun: about?.dryRun === true,
  }
}
