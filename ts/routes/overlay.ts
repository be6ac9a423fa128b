/** Settings that are laid over those of the code: by an operator, while the process runs. */

import { own } from '../base/own.js'
import type { WorkloadProfile } from '../core/index.js'
import { TIERS } from '../engine/port.js'
import type { RouteProfileOptions } from '../options/options.js'
import type { RouteParams } from '../options/route-params.js'

export interface RouteOverlay {
  /** Over the settings of every route that was not given its own; undefined: none. */
  readonly base: RouteProfileOptions | undefined
  /** Over the settings of routes. */
  readonly routes: ReadonlyMap<string, RouteProfileOptions>
  /** Orders, in place of those that the code gave. */
  readonly orders: ReadonlyMap<string, number>
}

export const NO_OVERLAY: RouteOverlay = Object.freeze({ base: undefined, routes: new Map(), orders: new Map() })

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** The given object with another's members over it, to any depth. */
function over(given: unknown, upper: unknown): unknown {
  if (!isObject(given) || !isObject(upper)) return upper
  const merged: Record<string, unknown> = Object.assign(Object.create(null), given)
  for (const [name, value] of Object.entries(upper)) {
    merged[name] = Object.hasOwn(merged, name) ? over(merged[name], value) : value
  }
  return merged
}

/** The profile that a route was given, with an overlay's settings over it. */
export function overlaid(
  below: WorkloadProfile | RouteProfileOptions | undefined,
  upper: RouteProfileOptions | undefined,
): WorkloadProfile | RouteProfileOptions | undefined {
  if (upper === undefined) return below
  const options: RouteProfileOptions = below === undefined ? {} : typeof below === 'string' ? { profile: below } : below
  return over(options, upper) as RouteProfileOptions
}

/** An overlay's settings for every route, completed where the code's are of several parts that replace each other whole. */
export function baseChanges(code: RouteParams, base: RouteProfileOptions): RouteProfileOptions {
  const reserve: unknown = own(base, 'reserve')
  const profile: unknown = own(base, 'profile')
  const reserved = TIERS.flatMap((tier, i) => (code.reserve[i]! > 0 ? [[tier, code.reserve[i]!] as const] : []))
  return {
    ...base,
    ...(isObject(reserve) && { reserve: { ...Object.fromEntries(reserved), ...reserve } }),
    ...(isObject(profile) && { profile: over(code.profile, profile) }),
  } as RouteProfileOptions
}
