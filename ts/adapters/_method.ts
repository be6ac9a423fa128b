/** Names of routes that begin with a method. Both parts are bounded, whatever a client sends. */

import { builtin } from '../base/builtin.js'

/** Those that Node knows; elsewhere those that HTTP itself has. */
const METHODS = builtin('node:http').METHODS ?? ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)

/** Shared routes of requests without a pattern, one a method: strings made once. */
const SHARED = new Map(METHODS.map((method) => [method, `${method} *`]))

/** `GET *`: the route of everything that has no pattern of its own. Names of methods are bounded, too. */
export function sharedRoute(method: string | undefined): string {
  return SHARED.get(method ?? 'GET') ?? 'OTHER *'
}

/** `GET /users/:id` */
export function patternRoute(method: string | undefined, pattern: string): string {
  const known = method !== undefined && KNOWN_METHODS.has(method) ? method : 'OTHER'
  return `${known} ${pattern}`
}
