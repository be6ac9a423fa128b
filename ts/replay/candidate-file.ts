/** A candidate: settings in a JSON file, to be tried on a recording. Whatever is wrong in it is reported with its line. */

import { isConfigError } from '../base/errors.js'
import { nearestName } from '../base/suggest.js'
import { printable } from '../base/text.js'
import { DEFAULT_CONFIG } from '../core/config.js'
import type { AtrionOptions, RouteProfileOptions } from '../options/options.js'
import { changedProfile, resolveParams, resolveRouteProfile } from '../options/resolve.js'
import type { RouteParams } from '../options/route-params.js'

/** Settings of all routes, and of single ones by the name that the recording has of them. */
export interface Candidate {
  readonly name: string
  /** The settings that `configure()` takes, for every route that was not given its own. */
  readonly changes: RouteProfileOptions
  readonly autoTuner: AtrionOptions['autoTuner']
  readonly routes: ReadonlyMap<string, RouteProfileOptions>
}

/** A candidate that cannot be used: its message names the file and the line. */
export class CandidateError extends Error {}

const SETTINGS = ['profile', 'slo', 'limits', 'pool', 'reserve']
const NAMES = ['config', 'autoTuner', 'routes', ...SETTINGS]

/** V8 shows so many characters on either side of what it found. */
const SHOWN = 10

const lineAt = (text: string, position: number): number => text.slice(0, position).split('\n').length

/** The line in a message of `JSON.parse`; V8 gives the position, or the line, or what it found and the text around it. */
function lineOfSyntax(text: string, message: string): number {
  const line = /\(line (\d+) column/.exec(message)?.[1]
  if (line !== undefined) return Number(line)
  const position = /at position (\d+)/.exec(message)?.[1]
  if (position !== undefined) return lineAt(text, Number(position))
  const found = /^Unexpected token '.*?', (\.\.\.)?"(.*)"(\.\.\.)? is not valid JSON$/s.exec(message)
  if (found === null) return lineAt(text, text.length)
  const [, before, around = '', after] = found
  const from = Math.max(0, text.indexOf(around))
  if (before !== undefined) return lineAt(text, from + SHOWN)
  return lineAt(text, after === undefined ? firstWrong(text) : from + Math.max(0, around.length - SHOWN))
}

/** The first character that can't go on as JSON, of a short text: the shortest beginning that is worse than cut off. */
function firstWrong(text: string): number {
  for (let length = 1; length <= text.length; length++) {
    try {
      JSON.parse(text.slice(0, length))
    } catch (error) {
      if (!/Unexpected end|Unterminated|Expected|No number/.test((error as Error).message)) return length - 1
    }
  }
  return text.length
}

/** A hint for a text that is no JSON. */
function hintOf(text: string, name: string): string {
  if (text.trim() === '') return ': it is empty'
  return /\.ya?ml$/i.test(name) || !text.trimStart().startsWith('{')
    ? ': a candidate is JSON, as in { "slo": { "maxAcceptableLatencyMs": 200 } }'
    : ''
}

/** The line of a setting, by the last of the names of its path that the text has after those before it. */
function lineOfField(text: string, path: readonly string[]): number {
  let at = 0
  for (const name of path) {
    const found = text.indexOf(`${JSON.stringify(name)}`, at)
    if (found >= 0) at = found
  }
  return lineAt(text, at)
}

function requireObject(value: unknown, field: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw Object.assign(new Error(`${field} must be an object, got ${JSON.stringify(value)?.slice(0, 80)}`), { field })
}

/** @throws CandidateError */
export function parseCandidate(text: string, name: string): Candidate {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    const { message } = error as Error
    const shown = message.replace(/\s+/g, ' ')
    throw new CandidateError(`${name}, line ${lineOfSyntax(text, message)}: ${shown}${hintOf(text, name)}`)
  }
  let path: string[] = []
  try {
    const given = requireObject(value, 'a candidate') as Record<string, unknown>
    for (const key of Object.keys(given)) {
      if (NAMES.includes(key) || Object.hasOwn(DEFAULT_CONFIG, key)) continue
      path = [key]
      const nearest = nearestName(key, [...NAMES, ...Object.keys(DEFAULT_CONFIG)])
      const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
      throw new Error(`${key} is not a setting of a candidate; the settings are ${NAMES.join(', ')}${hint}`)
    }
    const { config, autoTuner, routes = {}, ...settings } = given
    path = ['config']
    const changes = { ...(config === undefined ? {} : requireObject(config, 'config')), ...settings }
    path = []
    const base = resolveParams({ autoTuner: autoTuner as never })
    resolveRouteProfile(changes, base)
    path = ['routes']
    const byRoute = new Map<string, RouteProfileOptions>()
    for (const [routeId, one] of Object.entries(requireObject(routes, 'routes'))) {
      path = ['routes', routeId]
      const own = requireObject(one, `routes[${JSON.stringify(routeId)}]`) as RouteProfileOptions
      resolveRouteProfile(own, base)
      byRoute.set(routeId, own)
    }
    return { name, changes, autoTuner: autoTuner as never, routes: byRoute }
  } catch (error) {
    const { message } = error as Error
    const field = isConfigError(error) ? error.field.split('.') : []
    throw new CandidateError(`${name}, line ${lineOfField(text, [...path, ...field])}: ${message}`)
  }
}

/** Settings of a candidate that are valid alone may contradict the recorded ones: a limit below the least one of a route. @throws CandidateError */
function beside(whose: string, resolve: () => RouteParams): RouteParams {
  try {
    return resolve()
  } catch (error) {
    if (!isConfigError(error)) throw error
    throw new CandidateError(`${whose}, beside the recorded settings: ${error.message}`)
  }
}

/** The parameters of every route under a candidate. @throws CandidateError */
export function candidateBase({ name, changes, autoTuner }: Candidate, recorded: RouteParams): RouteParams {
  const params = beside(name, () => resolveRouteProfile(changes, recorded))
  return autoTuner === undefined ? params : { ...params, tuner: resolveParams({ autoTuner }).tuner }
}

/** The parameters of a route under a candidate. @param given what was set for it, as recorded @throws CandidateError */
export function candidateParams(
  candidate: Candidate,
  base: RouteParams,
  name: string,
  given: RouteProfileOptions | undefined,
): RouteParams {
  const own = candidate.routes.get(name)
  if (own === undefined && given === undefined) return base
  return beside(`${candidate.name}, route ${printable(name)}`, () =>
    resolveRouteProfile(changedProfile(given ?? {}, own ?? {}), base),
  )
}

/** The parameters that a recording says governed every route, found right. @throws ConfigError, TypeError */
export function recordedBase(value: unknown): RouteParams {
  const { config, slo, tuner, limits, profile, pool, reserve } = value as RouteParams
  const names = ['bulk', 'low', 'normal', 'high', 'critical']
  const shares = Object.fromEntries(
    names.map((tier, i) => [tier, reserve[i]] as const).filter(([, share]) => share !== undefined && share > 0),
  )
  const base = resolveParams({ config, slo, autoTuner: tuner ?? false })
  return resolveRouteProfile({ limits, profile, pool: pool ?? null, reserve: shares }, base)
}

/**
 * The recorded settings of a route, found right; undefined where they are none.
 *
 * @param laneOf the number of a key's lane, from 1 on; 0: it is in none. The function of the code that put keys into lanes is not recorded,
 *   the lane of each request is
 */
export function recordedProfile(
  value: unknown,
  base: RouteParams,
  laneOf: (key: string) => number = () => 0,
): RouteProfileOptions | undefined {
  try {
    const recorded = (
      typeof value === 'string' ? { profile: value } : requireObject(value, 'profile')
    ) as RouteProfileOptions
    const reserve = recorded.lanes?.reserve
    const names = reserve === undefined ? [] : Object.keys(requireObject(reserve, 'lanes.reserve'))
    const of = (key: string): string | undefined => names[laneOf(key) - 1]
    const given = reserve === undefined ? recorded : { ...recorded, lanes: { of, reserve } }
    resolveRouteProfile(given, base)
    return given
  } catch {
    return undefined
  }
}
