/** The check of changes, before anything moves: plain JSON, known names, and the ranges of `configure` and `setRouteProfile`. */

import { ConfigError } from '../base/errors.js'
import { isRouteId, LONGEST_ROUTE_ID } from '../base/input.js'
import { nearestName, unknownName } from '../base/suggest.js'
import { Withheld } from '../base/text.js'
import { DEFAULT_CONFIG } from '../core/index.js'
import { ORDER } from '../engine/port.js'
import type { RouteProfileOptions } from '../options/options.js'
import type { RouteOverlay } from '../routes/overlay.js'
import { type Draft, emptyObject, isObject, type Json, type JsonObject } from './merge.js'

/** Most characters of a layer's settings as JSON. */
export const MOST_CHARACTERS = 1 << 18
/** Most routes that the settings of a layer name. */
export const MOST_ROUTES = 1_024
const MOST_ALLOWED = 1_024
const MOST_DEPTH = 8
const LONGEST_PREFIX = 256

const SHARED = ['slo', 'limits', 'profile', 'pool', 'reserve'] as const
const SECTIONS: readonly string[] = [...SHARED, 'config', 'dryRun', 'routes', 'overrides', 'bans']

/** Options of an instance that cannot change while it runs, secrets among them. */
const FIXED: ReadonlySet<string> = new Set([
  ...['provider', 'autoTuner', 'observer', 'engine', 'scope', 'defaultVoltage', 'maxRoutes', 'clock', 'logger'],
  ...['keySecret', 'useWasm', 'license', 'secret', 'password'],
])

const at = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

/** A copy as plain JSON, whose objects inherit from nothing. @throws ConfigError for what is no JSON, a function above all */
function jsonOf(value: unknown, path: string, depth: number, parents: readonly object[]): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value
    throw new ConfigError(path, 'a finite number', value)
  }
  const isPlain = (given: object): boolean => {
    const prototype: unknown = Object.getPrototypeOf(given)
    return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype as object) === null
  }
  if (typeof value !== 'object' || (!Array.isArray(value) && !isPlain(value))) {
    throw new ConfigError(
      path || 'changes',
      'plain JSON: no function, no secret, no object of a class',
      new Withheld(value),
    )
  }
  if (depth > MOST_DEPTH || parents.includes(value)) {
    throw new ConfigError(path || 'changes', `plain JSON of at most ${MOST_DEPTH} levels`, new Withheld(value))
  }
  const inside = [...parents, value]
  if (Array.isArray(value)) {
    if (value.length > MOST_ALLOWED) throw new ConfigError(path, `an array of at most ${MOST_ALLOWED}`, value)
    return Array.from(value, (one: unknown, i) => jsonOf(one, `${path}[${i}]`, depth + 1, inside))
  }
  const copy = emptyObject()
  for (const name of Object.keys(value)) {
    const given = (value as Record<string, unknown>)[name]
    if (given !== undefined) copy[name] = jsonOf(given, at(path, name), depth + 1, inside)
  }
  return copy
}

function requireSection(path: string, value: Json): JsonObject {
  if (!isObject(value)) throw new ConfigError(path, 'an object or null', value)
  return value
}

/** The allow-list of bans: keys, prefixes, and hashes that stand for them. */
function readAllowed(value: Json): Json {
  const says = `an array of at most ${MOST_ALLOWED} keys and { prefix } of 1 to ${LONGEST_PREFIX} characters`
  if (!Array.isArray(value)) throw new ConfigError('bans.allow', says, value)
  return value.map((one: Json, i) => {
    const text = isObject(one) ? one.prefix : one
    const isTarget = typeof text === 'string' && text !== '' && (!isObject(one) || text.length <= LONGEST_PREFIX)
    if (!isTarget || (isObject(one) && Object.keys(one).length > 1))
      throw new ConfigError(`bans.allow[${i}]`, says, one)
    return one
  })
}

/** Settings by the id of a route. */
function readRoutes(path: string, value: Json, read: (field: string, given: Json) => Json): JsonObject {
  const section = requireSection(path, value)
  const ids = Object.keys(section)
  if (ids.length > MOST_ROUTES) throw new ConfigError(path, `settings of at most ${MOST_ROUTES} routes`, ids.length)
  const copy = emptyObject()
  for (const id of ids) {
    if (!isRouteId(id)) throw new ConfigError(path, `ids of 1 to ${LONGEST_ROUTE_ID} characters`, id)
    const given = section[id]!
    copy[id] = given === null ? null : read(`${path}.${id}`, given)
  }
  return copy
}

const readProfile = (field: string, given: Json): Json => {
  if (typeof given !== 'string') {
    const section = requireSection(field, given)
    if (!Object.hasOwn(section, 'lanes')) return section
    throw new ConfigError(`${field}.lanes`, 'set in code alone, by setRouteProfile()', section.lanes)
  }
  const named = emptyObject()
  named.profile = given
  return named
}

function readOrder(field: string, given: Json): Json {
  if (given === 'open' || given === 'closed') return given
  throw new ConfigError(field, "'open', 'closed' or null", given, { nearest: nearestName(given, ['open', 'closed']) })
}

/**
 * Changes as JSON with every section in its form; numbers are not in their ranges yet: see {@link overlayOf}.
 *
 * @param mostCharacters of all of it as JSON
 * @throws ConfigError
 */
export function readChanges(given: unknown, mostCharacters: number = MOST_CHARACTERS): JsonObject {
  const changes = jsonOf(given, '', 0, [])
  if (!isObject(changes)) throw new ConfigError('changes', 'an object', given)
  const result: Draft = emptyObject()
  const config: Draft = emptyObject()
  for (const name of Object.keys(changes)) {
    const value = changes[name]!
    if (Object.hasOwn(DEFAULT_CONFIG, name)) {
      config[name] = value
      continue
    }
    if (FIXED.has(name)) {
      throw new ConfigError(name, `a setting that can be patched: ${SECTIONS.join(', ')}`, new Withheld(value))
    }
    if (!SECTIONS.includes(name)) throw unknownName(name, name, SECTIONS)
    result[name] = value === null ? null : readSection(name, value)
  }
  if (Object.keys(config).length > 0) {
    result.config = Object.assign(emptyObject(), isObject(result.config) ? result.config : {}, config)
  }
  const { length } = JSON.stringify(result)
  if (length > mostCharacters) throw new ConfigError('changes', `JSON of at most ${mostCharacters} characters`, length)
  return result
}

function readSection(name: string, value: Json): Json {
  switch (name) {
    case 'routes':
      return readRoutes(name, value, readProfile)
    case 'overrides':
      return readRoutes(name, value, readOrder)
    case 'dryRun':
      if (typeof value === 'boolean') return value
      throw new ConfigError(name, 'true, false or null', value)
    case 'bans': {
      const section = requireSection(name, value)
      const wrong = Object.keys(section).find((one) => one !== 'allow')
      if (wrong !== undefined) throw unknownName(`bans.${wrong}`, wrong, ['allow'])
      const { allow } = section
      const copy = emptyObject()
      if (allow !== undefined) copy.allow = allow === null ? null : readAllowed(allow)
      return copy
    }
    case 'pool':
    case 'profile':
      return value
    default:
      return requireSection(name, value)
  }
}

/**
 * Changes that another node wrote, as {@link readChanges}: sections that this version does not know, of a later one or of none, are left out.
 *
 * @throws ConfigError
 */
export function readStored(given: JsonObject, mostCharacters: number): JsonObject {
  const known = emptyObject()
  for (const name of SECTIONS) if (Object.hasOwn(given, name)) known[name] = given[name]!
  return readChanges(known, mostCharacters)
}

/** Removes what deletes: settings have none of it, and what stands for a deletion only has no effect. */
function withoutNulls(value: Json): Json {
  if (!isObject(value)) return value
  const copy = emptyObject()
  for (const name of Object.keys(value)) if (value[name] !== null) copy[name] = withoutNulls(value[name]!)
  return copy
}

/** Settings in their form from a document that stands for a whole layer. @throws ConfigError */
export const readSettings = (given: unknown): JsonObject => withoutNulls(readChanges(given)) as JsonObject

/** The same of what another node wrote, see {@link readStored}. @throws ConfigError */
export const readStoredSettings = (given: JsonObject, mostCharacters: number): JsonObject =>
  withoutNulls(readStored(given, mostCharacters)) as JsonObject

/** The overlay of the routes that settings come to. */
export function overlayOf(settings: JsonObject): RouteOverlay {
  const base = emptyObject()
  for (const name of SHARED) if (settings[name] !== undefined) base[name] = settings[name]!
  if (isObject(settings.config)) Object.assign(base, settings.config)
  const routes = new Map<string, RouteProfileOptions>()
  const { routes: profiles, overrides } = settings
  if (isObject(profiles)) {
    for (const id of Object.keys(profiles)) {
      const profile = profiles[id]!
      if (isObject(profile)) routes.set(id, profile as RouteProfileOptions)
    }
  }
  const orders = new Map<string, number>()
  if (isObject(overrides)) {
    for (const id of Object.keys(overrides)) {
      if (overrides[id] === 'open') orders.set(id, ORDER.OPEN)
      else if (overrides[id] === 'closed') orders.set(id, ORDER.CLOSED)
    }
  }
  return { base: Object.keys(base).length === 0 ? undefined : (base as RouteProfileOptions), routes, orders }
}
