/** The trial that a patch asks for, and the conflict that refuses it. */

import { graceOf, type Layer, type Trial, touching, trialOf } from './layers.js'
import type { CheckedPatch } from './options.js'
import type { PatchConflict } from './types.js'

/** Patches that a conflict shows. */
const MOST_SHOWN = 10

export const trialFrom = (
  { share, keyShare, forMs, fallPoints }: NonNullable<CheckedPatch['canary']>,
  nowMs: number,
): Trial => ({
  ...{ share, forMs, fallPoints },
  ...(keyShare !== undefined && { keyShare }),
  untilMs: nowMs + forMs + graceOf(forMs),
})

/** The patches between a patch and its base; undefined: there are none. */
export function conflictOf(layer: Layer, { base, changes }: CheckedPatch): PatchConflict | undefined {
  const onTrial = trialOf(layer)
  if (layer.version === base && onTrial === undefined) return undefined
  const since = layer.trail.filter(({ version }) => version > base || version === onTrial?.version)
  return {
    base,
    version: layer.version,
    paths: touching(
      changes,
      since.flatMap(({ paths }) => paths),
    ),
    since: since.slice(0, MOST_SHOWN).map(({ version, author, reason, paths }) => ({ version, author, reason, paths })),
  }
}
