/**
 * One layer of the configuration: what holds for good, and the patches over it that expire or are on trial. A layer is a value: every
 * change makes a new one, so that what held before is still there when a change cannot be applied.
 */

import { ConfigError } from '../base/errors.js'
import { nameNumber } from '../base/keys.js'
import { ownOptions } from '../base/own.js'
import { printable } from '../base/text.js'
import { emptyObject, isObject, type JsonObject, leavesOf, mergeObjects, valueAt } from './merge.js'
import { LONGEST_AUTHOR, LONGEST_REASON, LONGEST_TRIAL_MS, LONGEST_TTL_MS } from './options.js'
import { namesOfPointer, overlap, overlapAsPointers, pointerOf, textOfPath } from './paths.js'
import type { PatchState } from './types.js'
import { MOST_ROUTES, readStored, readStoredSettings } from './validate.js'

/** Patches of a layer that expire or are on trial. */
export const MOST_STANDING = 64
/** Entries of a layer's trail, paths of an entry, and the longest of those, characters. */
export const MOST_ENTRIES = 100
const MOST_PATHS = 16
const LONGEST_PATH = 1_024
/** Most bytes, and characters, of a layer as text. */
const MOST_BYTES = 1 << 20
/** Leaves whose origins are known: as many as there may be in so many bytes. */
const MOST_ORIGINS = MOST_BYTES / 16
/** Versions beyond this are no times of any clock. */
const MOST_VERSION = Number.MAX_SAFE_INTEGER - 2 ** 32
/** One so far ahead of the store's clock, ms, is of no clock either: the next one does not go on from it. Ten years. */
const MOST_AHEAD_MS = 315_360_000_000

/** The origin of a setting. */
export interface Origin {
  readonly version: number
  readonly author?: string
  readonly reason?: string
}

/** A trial of a patch. */
export interface Trial {
  /** The share of the other nodes that try it, too, [0, 1]: each node derives from its id and the version whether it takes part. */
  readonly share: number
  /** The share of keys that it is tried on, on these nodes, (0, 1); undefined: it holds for all requests there. */
  readonly keyShare?: number
  /** Unix ms of the store: without a result by then it is taken back. */
  readonly untilMs: number
  readonly forMs: number
  readonly fallPoints: number
}

export interface StandingPatch extends Origin {
  readonly changes: JsonObject
  /** Unix ms of the store; undefined: it stays. */
  readonly expiresAtMs?: number
  readonly trial?: Trial
  readonly node: string
}

export interface TrailEntry extends Origin {
  readonly atMs: number
  readonly paths: readonly string[]
  readonly state: PatchState
  readonly node: string
}

export interface Layer {
  readonly version: number
  /** The settings that hold for good. */
  readonly settled: JsonObject
  /** Origins of the leaves of `settled`, by pointer. */
  readonly origins: Readonly<Record<string, Origin>>
  /** Patches over them, the oldest first. */
  readonly standing: readonly StandingPatch[]
  /** The newest first. */
  readonly trail: readonly TrailEntry[]
}

export const EMPTY_LAYER: Layer = Object.freeze({
  version: 0,
  settled: emptyObject(),
  origins: Object.create(null) as Record<string, Origin>,
  standing: [],
  trail: [],
})

/** Returns whether a patch has expired, or its trial had no result in time. */
export const isOver = ({ expiresAtMs, trial }: StandingPatch, nowMs: number): boolean =>
  (expiresAtMs !== undefined && expiresAtMs <= nowMs) || (trial !== undefined && trial.untilMs <= nowMs)

/** The time in which the result of a trial has to be stored, ms. */
export const graceOf = (forMs: number): number => Math.max(5_000, forMs)

const LOTS = 2 ** 53

/** Returns whether a patch is tried on a node. */
export const isTriedOn = ({ trial, version, node: origin }: StandingPatch, node: string): boolean =>
  trial !== undefined && (origin === node || nameNumber(`${version} ${node}`) / LOTS < trial.share)

/** Returns whether a patch holds on a node. @param ofTried for the keys that it is tried on, where it is a trial on some */
const holdsOn = (patch: StandingPatch, node: string, nowMs: number, ofTried = false): boolean =>
  !isOver(patch, nowMs) &&
  (patch.trial === undefined || (isTriedOn(patch, node) && (ofTried || patch.trial.keyShare === undefined)))

/** The settings of a layer as they hold on a node. @param ofTried for the keys that a patch is tried on */
export function settingsOf(layer: Layer, node: string, nowMs: number, ofTried = false): JsonObject {
  let settings = layer.settled
  for (const patch of layer.standing) {
    if (holdsOn(patch, node, nowMs, ofTried)) settings = mergeObjects(settings, patch.changes)
  }
  return settings
}

/** The times at which something of the layer expires, Unix ms. */
export const expiriesOf = (layer: Layer): number[] =>
  layer.standing.flatMap(({ expiresAtMs, trial }) =>
    [expiresAtMs, trial?.untilMs].filter((at): at is number => at !== undefined),
  )

/** The earliest of them that is still to come; Infinity: there is none. */
export const nextExpiryOf = (layer: Layer, nowMs: number): number =>
  Math.min(Number.POSITIVE_INFINITY, ...expiriesOf(layer).filter((at) => at > nowMs))

/** The patch that is on trial. */
export const trialOf = (layer: Layer): StandingPatch | undefined =>
  layer.standing.find(({ trial }) => trial !== undefined)

/** The origin of the value that a layer has at a path on a node. */
export function originAt(
  layer: Layer,
  path: readonly string[],
  node: string,
  nowMs: number,
): (Origin & { readonly expiresAtMs?: number }) | undefined {
  for (const patch of [...layer.standing].reverse()) {
    if (holdsOn(patch, node, nowMs) && leavesOf(patch.changes).some((leaf) => overlap(leaf, path))) return patch
  }
  const asked = pointerOf(path)
  const found = Object.keys(layer.origins).filter((pointer) => overlapAsPointers(pointer, asked))
  return found
    .map((pointer) => layer.origins[pointer]!)
    .reduce<Origin | undefined>((newest, one) => (newest && newest.version > one.version ? newest : one), undefined)
}

const originOf = ({ version, author, reason }: Origin): Origin => ({
  version,
  ...(author !== undefined && { author }),
  ...(reason !== undefined && { reason }),
})

/** The entries of the trail for the patches of a layer that are over, those that ended last at the end. */
export function endsOf(layer: Layer, nowMs: number): TrailEntry[] {
  return layer.standing
    .filter((patch) => isOver(patch, nowMs))
    .map((patch) => {
      const { expiresAtMs = Number.POSITIVE_INFINITY, trial } = patch
      const endMs = Math.min(expiresAtMs, trial?.untilMs ?? Number.POSITIVE_INFINITY)
      return entryOf(patch, endMs, trial ? 'rolled_back' : 'expired')
    })
    .sort((a, b) => a.atMs - b.atMs)
}

/**
 * The layer with what expired taken out, and noted: no node may have written that. What stands for good at its head is made a part of its
 * settings.
 */
export function settle(layer: Layer, nowMs: number): Layer {
  const standing = layer.standing.filter((patch) => !isOver(patch, nowMs))
  const trail = endsOf(layer, nowMs).reduce(noted, layer.trail)
  let { settled, origins } = layer
  while (standing[0] !== undefined && standing[0].expiresAtMs === undefined && standing[0].trial === undefined) {
    const patch = standing.shift()!
    settled = mergeObjects(settled, patch.changes)
    const merged = Object.assign(Object.create(null) as Record<string, Origin>, origins)
    for (const leaf of leavesOf(patch.changes)) merged[pointerOf(leaf)] = originOf(patch)
    for (const pointer of Object.keys(merged)) {
      if (valueAt(settled, namesOfPointer(pointer)) === undefined) delete merged[pointer]
    }
    origins = merged
  }
  return { ...layer, settled, origins, standing, trail }
}

const pathsOf = (changes: JsonObject): string[] => leavesOf(changes).map(textOfPath)

/** An entry of the trail for a patch. */
export const entryOf = (patch: StandingPatch, atMs: number, state: PatchState): TrailEntry => ({
  ...originOf(patch),
  atMs,
  paths: pathsOf(patch.changes).slice(0, MOST_PATHS),
  state,
  node: patch.node,
})

/** The trail with an entry more, which takes the place of one about the same patch. */
export const noted = (trail: readonly TrailEntry[], entry: TrailEntry): readonly TrailEntry[] =>
  [entry, ...trail.filter(({ version }) => version !== entry.version)].slice(0, MOST_ENTRIES)

/** A version after another: the time where that is later, and where the other is no time. */
export const nextVersion = (version: number, nowMs: number): number =>
  version > nowMs + MOST_AHEAD_MS ? Math.floor(nowMs) : Math.max(version + 1, Math.floor(nowMs))

/** The layer with a patch more. */
export function withPatch(layer: Layer, given: Omit<StandingPatch, 'version'>, nowMs: number): Layer {
  const version = nextVersion(layer.version, nowMs)
  const patch: StandingPatch = { ...given, version }
  const state = patch.trial === undefined ? 'applied' : 'canary'
  const standing = [...layer.standing, patch]
  const trail = noted(layer.trail, entryOf(patch, nowMs, state))
  return settle({ ...layer, version, standing, trail }, nowMs)
}

/** The layer with the patch on trial made one for all, or taken back. */
export function withVerdict(layer: Layer, version: number, state: 'applied' | 'rolled_back', nowMs: number): Layer {
  const patch = layer.standing.find((one) => one.version === version && one.trial !== undefined)
  if (patch === undefined) return layer
  const { trial: _, ...proven } = patch
  const standing = layer.standing.flatMap((one) => (one !== patch ? [one] : state === 'applied' ? [proven] : []))
  const trail = noted(layer.trail, entryOf(patch, nowMs, state))
  return settle({ ...layer, version: nextVersion(layer.version, nowMs), standing, trail }, nowMs)
}

/** Paths of changes that touch any of some paths. */
export function touching(changes: JsonObject, paths: readonly string[]): string[] {
  const others = new Set(paths)
  return pathsOf(changes).filter(
    (path) => others.has(path) || paths.some((one) => path.startsWith(`${one}.`) || one.startsWith(`${path}.`)),
  )
}

export { pathsOf }

const textOf = (value: unknown, most: number): string | undefined =>
  typeof value === 'string' ? printable(value.slice(0, most)).slice(0, most) : undefined
const isVersion = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_VERSION
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0

/** Names in a layer, and in the origins, trials, patches and entries of it. */
const NAMES = [
  ...['format', 'version', 'settled', 'origins', 'standing', 'trail', 'author', 'reason', 'node'],
  ...['changes', 'expiresAtMs', 'trial', 'share', 'keyShare', 'untilMs', 'forMs', 'fallPoints', 'atMs', 'paths'],
  'state',
]
/** An object of a document, without what `Object.prototype` may have been given; undefined: it is none. */
const objectIn = (value: unknown): JsonObject | undefined => (isObject(value) ? ownOptions(value, NAMES) : undefined)

function readOrigin(given: JsonObject): Origin | undefined {
  const { version } = given
  if (!isVersion(version)) return undefined
  const author = textOf(given.author, LONGEST_AUTHOR)
  const reason = textOf(given.reason, LONGEST_REASON)
  return { version, ...(author !== undefined && { author }), ...(reason !== undefined && { reason }) }
}

/** A trial that is over when it has to be, whatever was written. */
function readTrial(value: unknown, nowMs: number): Trial | undefined {
  const given = objectIn(value)
  if (given === undefined) return undefined
  const { share, keyShare, untilMs, forMs: wantedMs, fallPoints } = given
  if (!isTime(share) || !isTime(untilMs) || !isTime(wantedMs) || !isTime(fallPoints)) return undefined
  if (keyShare !== undefined && (!isTime(keyShare) || keyShare >= 1)) return undefined
  const forMs = Math.min(wantedMs, LONGEST_TRIAL_MS)
  return {
    ...{ share, ...(keyShare !== undefined && { keyShare }), forMs, fallPoints },
    untilMs: Math.min(untilMs, nowMs + forMs + graceOf(forMs)),
  }
}

function readPatch(value: unknown, nowMs: number): StandingPatch | undefined {
  const given = objectIn(value)
  if (given === undefined || !isObject(given.changes)) return undefined
  const origin = readOrigin(given)
  const { expiresAtMs, trial, node } = given
  const known = readTrial(trial, nowMs)
  if (origin === undefined || (trial !== undefined && known === undefined)) return undefined
  return {
    ...origin,
    changes: readStored(given.changes, MOST_BYTES),
    // It stands no longer than it may, whatever was written.
    ...(isTime(expiresAtMs) && { expiresAtMs: Math.min(expiresAtMs, nowMs + LONGEST_TTL_MS) }),
    ...(known && { trial: known }),
    node: textOf(node, 64) ?? '',
  }
}

const STATES: readonly unknown[] = ['applied', 'canary', 'rolled_back', 'expired', 'refused'] satisfies PatchState[]

function readEntry(value: unknown): TrailEntry | undefined {
  const given = objectIn(value)
  if (given === undefined) return undefined
  const origin = readOrigin(given)
  const { atMs, paths, state, node } = given
  if (origin === undefined || !isTime(atMs) || !Array.isArray(paths) || !STATES.includes(state)) return undefined
  return {
    ...origin,
    atMs,
    paths: paths.slice(0, MOST_PATHS).flatMap((path: unknown) => textOf(path, LONGEST_PATH) ?? []),
    state: state as PatchState,
    node: textOf(node, 64) ?? '',
  }
}

/**
 * The layer in a text that another node wrote, or anything else that can write to the store.
 *
 * @param nowMs the store's clock, Unix ms
 * @throws Error for what is none, ConfigError for settings that have no such form
 */
export function readLayer(text: string, nowMs: number): Layer {
  const given = objectIn(JSON.parse(text))
  if (given === undefined || given.format !== 1)
    throw new Error('it is not a configuration in a format that this version reads')
  const { version, settled, origins, standing, trail } = given
  if (!isVersion(version) || !isObject(settled) || !Array.isArray(standing)) throw new Error('its content is damaged')
  const patches = standing.slice(0, MOST_STANDING).map((patch) => readPatch(patch, nowMs))
  if (patches.includes(undefined)) throw new Error('a patch in it is damaged')
  const known = Object.create(null) as Record<string, Origin>
  if (isObject(origins)) {
    for (const pointer of Object.keys(origins).slice(0, MOST_ORIGINS)) {
      const given = objectIn(origins[pointer])
      const origin = given && readOrigin(given)
      if (origin !== undefined) known[pointer] = origin
    }
  }
  return {
    version,
    settled: readStoredSettings(settled, MOST_BYTES),
    origins: known,
    standing: patches as StandingPatch[],
    trail: Array.isArray(trail) ? trail.slice(0, MOST_ENTRIES).flatMap((entry) => readEntry(entry) ?? []) : [],
  }
}

export const writeLayer = (layer: Layer): string => JSON.stringify({ format: 1, ...layer })

/** @throws ConfigError for a layer that is too large to be stored */
export function requireSize(layer: Layer): void {
  for (const section of ['routes', 'overrides']) {
    const routes = layer.settled[section]
    const count = isObject(routes) ? Object.keys(routes).length : 0
    if (count > MOST_ROUTES) throw new ConfigError(section, `settings of at most ${MOST_ROUTES} routes`, count)
  }
  const { length } = new TextEncoder().encode(writeLayer(layer))
  if (length > MOST_BYTES) throw new ConfigError('changes', `settings of at most ${MOST_BYTES} bytes in all`, length)
}
