/**
 * Long-lived answers: feeds, upgrades, long polls. They mostly wait, so a limit of work in flight has no say over their number,
 * and their length is no sample of their route; each route has a budget of them of its own.
 */

import type { Atrion } from '../atrion.js'

/** Content types whose answers are fed for as long as the client likes. */
const FEEDS: ReadonlySet<string> = new Set([
  'text/event-stream',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
  'application/json-seq',
  'application/stream+json',
  'application/grpc',
  'multipart/x-mixed-replace',
])

let lastType = ''
let lastIsFeed = false

/** Returns whether a content type is that of a feed. The last answer is kept: most requests repeat it. */
export function isFeed(contentType: unknown): boolean {
  if (typeof contentType !== 'string') return false
  if (contentType !== lastType) {
    const end = contentType.indexOf(';')
    const type = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
    lastIsFeed = FEEDS.has(type) || type.startsWith('application/grpc')
    lastType = contentType
  }
  return lastIsFeed
}

/** The content type among the headers given to `writeHead`, in any of their forms. */
export function contentTypeIn(headers: unknown): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  if (Array.isArray(headers)) {
    const flat = headers.flat(1)
    const at = flat.findIndex((name, i) => i % 2 === 0 && String(name).toLowerCase() === 'content-type')
    return at < 0 ? undefined : flat[at + 1]
  }
  for (const name in headers) {
    if (name.length === 12 && name.toLowerCase() === 'content-type') return (headers as Record<string, unknown>)[name]
  }
  return undefined
}

/** Returns whether the connection has left HTTP: Node says so only where the server takes upgrades, whatever the client claims. */
export const isUpgrade = (request: { readonly method?: string | undefined; readonly upgrade?: boolean }): boolean =>
  request.upgrade === true

/** Streams open, by route. A route without any has no entry. */
const tables = new WeakMap<Atrion, Map<string, number>>()

/** Returns whether one more stream fits into the route's budget. */
export const hasRoom = (atrion: Atrion, routeId: string, max: number): boolean => openStreams(atrion, routeId) < max

/** The number of long-lived answers that are open on a route of this instance: what its adapters count apart from `stats().inFlight`. */
export function openStreams(atrion: Atrion, routeId: string): number {
  return tables.get(atrion)?.get(routeId) ?? 0
}

/** Opens a stream; returns what closes it, which counts once, or undefined where the budget is spent. */
export function openStream(atrion: Atrion, routeId: string, max: number): (() => void) | undefined {
  let table = tables.get(atrion)
  if (table === undefined) {
    table = new Map()
    tables.set(atrion, table)
  }
  const open = table.get(routeId) ?? 0
  if (open >= max) return undefined
  table.set(routeId, open + 1)
  let isOpen = true
  return () => {
    if (!isOpen) return
    isOpen = false
    const left = (table.get(routeId) ?? 1) - 1
    if (left > 0) table.set(routeId, left)
    else table.delete(routeId)
  }
}
