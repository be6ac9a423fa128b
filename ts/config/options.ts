/** The options of a patch, each read once and in its range. */

import { ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import { ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { printable } from '../base/text.js'
import { requireTriable } from './key-trial.js'
import type { JsonObject } from './merge.js'
import type { CanaryOptions, PatchOptions } from './types.js'
import { readChanges } from './validate.js'

const NAMES = ['base', 'changes', 'ttlMs', 'author', 'reason', 'canary', 'layer'] satisfies (keyof PatchOptions)[]
const CANARY_NAMES = ['share', 'keyShare', 'forMs', 'fallPoints'] satisfies (keyof CanaryOptions)[]
/** The longest that a patch stands, and that a trial takes, ms. */
export const LONGEST_TTL_MS = 2_592_000_000
export const LONGEST_TRIAL_MS = 3_600_000
/** Longest texts, characters. */
export const LONGEST_AUTHOR = 64
export const LONGEST_REASON = 280

export interface CheckedPatch {
  readonly base: number
  readonly changes: JsonObject
  readonly ttlMs: number | undefined
  readonly author: string | undefined
  readonly reason: string | undefined
  readonly canary:
    | Readonly<Record<'share' | 'forMs' | 'fallPoints', number> & { keyShare: number | undefined }>
    | undefined
  readonly layer: 'cluster' | 'node' | undefined
}

function requireNames(path: string, given: object, names: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw unknownName(`${path}${name}`, name, names)
  }
}

function textOf(field: string, value: unknown, most: number): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrongType(field, 'a string', value)
  if (value.length > most) throw new ConfigError(field, `text of at most ${most} characters`, value)
  return printable(value).slice(0, most)
}

function numberOf(field: string, value: unknown, low: number, high: number, unit = ''): number {
  if (typeof value === 'number' && value >= low && value <= high) return value
  throw new ConfigError(field, `a number${unit} in [${low}, ${high}]`, value)
}

function canaryOf(value: unknown): CheckedPatch['canary'] {
  if (value === undefined || value === null || value === false) return undefined
  if (value !== true && typeof value !== 'object') throw new ConfigError('canary', 'true, false or an object', value)
  const given: CanaryOptions = value === true ? {} : value
  requireNames('canary.', given, CANARY_NAMES)
  const { share = 0, keyShare, forMs = 30_000, fallPoints = 2 } = ownOptions(given, CANARY_NAMES)
  return {
    keyShare: keyShare === undefined ? undefined : numberOf('canary.keyShare', keyShare, 0.001, 0.9),
    share: numberOf('canary.share', share, 0, 1),
    forMs: numberOf('canary.forMs', forMs, 100, LONGEST_TRIAL_MS, ' of ms'),
    fallPoints: numberOf('canary.fallPoints', fallPoints, 0.1, 100),
  }
}

/** @throws ConfigError for an option out of its range, TypeError for a wrong type */
export function readPatchOptions(given: PatchOptions): CheckedPatch {
  if (typeof given !== 'object' || given === null) throw wrongType('patch', 'an object', given)
  requireNames('', given, NAMES)
  const { base, changes, ttlMs, author, reason, canary, layer } = ownOptions(given, NAMES)
  if (typeof base !== 'number' || !Number.isSafeInteger(base) || base < 0) {
    throw new ConfigError('base', 'the version that the patch was made on: atrion.config.version', base)
  }
  if (changes === undefined) throw new ConfigError('changes', 'an object', changes)
  if (layer !== undefined && layer !== null && layer !== 'cluster' && layer !== 'node') {
    throw new ConfigError('layer', "'cluster' or 'node'", layer)
  }
  const hasEnd = ttlMs !== undefined && ttlMs !== null
  const checked = readChanges(changes)
  const trial = canaryOf(canary)
  if (trial?.keyShare !== undefined) requireTriable(checked)
  return {
    base,
    changes: checked,
    ttlMs: hasEnd ? numberOf('ttlMs', ttlMs, 1, LONGEST_TTL_MS, ' of ms') : undefined,
    author: textOf('author', author, LONGEST_AUTHOR),
    reason: textOf('reason', reason, LONGEST_REASON),
    canary: trial,
    layer: layer ?? undefined,
  }
}
