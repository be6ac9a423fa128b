/** The changes that an operator makes while routes are in use: of their numbers, and orders to their breakers. */

import { ConfigError } from '../base/errors.js'
import { requireRouteId, wrongType } from '../base/input.js'
import { own } from '../base/own.js'
import { nearestName } from '../base/suggest.js'
import { ORDER } from '../engine/port.js'
import type { RouteProfileOptions } from '../options/options.js'
import { ownProfile } from '../options/resolve.js'
import type { OpenLoop } from './open-loop.js'
import type { Routes } from './routes.js'

/** Settings that call code with the keys of a route. */
const OF_ONE_ROUTE = ['breakBy', 'lanes'] as const

/** Changes of every route that was not given its own numbers. */
export type Changes = RouteProfileOptions & { readonly dryRun?: boolean }

/**
 * Changes the numbers of one route, or of all.
 *
 * @returns the route; '' for all of them
 * @throws ConfigError when a value is out of its range; nothing is changed then
 * @internal
 */
export function configure(
  routes: Routes,
  openLoop: OpenLoop,
  first: string | Changes,
  second?: RouteProfileOptions,
): string {
  if (typeof first === 'string') {
    requireRouteId(first)
    routes.configureRoute(first, second ?? {})
    return first
  }
  if (typeof first !== 'object' || first === null) throw wrongType('changes', 'an object', first)
  const dryRun = own(first, 'dryRun')
  const { dryRun: _, ...changes } = ownProfile(first) as Changes
  if (dryRun !== undefined && typeof dryRun !== 'boolean') throw new ConfigError('dryRun', 'true or false', dryRun)
  for (const name of OF_ONE_ROUTE) {
    const given = own(changes, name)
    if (given !== undefined) throw new ConfigError(name, 'an option of one route', given)
  }
  routes.configure(changes)
  if (dryRun !== undefined) openLoop.setDryRun(dryRun)
  return ''
}

/** The engine's number of an order; null: none. @throws ConfigError for one that there is not */
export function orderOf(order: unknown): number {
  if (order === null) return ORDER.NONE
  if (order === 'open') return ORDER.OPEN
  if (order === 'closed') return ORDER.CLOSED
  throw new ConfigError('order', "'open', 'closed' or null", order, { nearest: nearestName(order, ['open', 'closed']) })
}
