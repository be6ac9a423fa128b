/**
 * The snapshot of all routes in a file: JSON, one route a line, the one written longest ago first.
 *
 * Routes are a list and not the keys of an object, so no name can mean anything else; `JSON.stringify` spells out lone
 * surrogates, so every name survives UTF-8. A file is taken whole or not at all, so that a mistake in one that was edited by hand is reported.
 */

import { isPhysicsVector, type PhysicsVector } from './provider.js'

const FORMAT = 'atrion-state'
const VERSION = 1
/** Routes turned into text at once; in between, others may run. */
const CHUNK = 512

/** A route's state, and when it was so. */
export interface Entry {
  readonly vector: PhysicsVector
  /** Unix time, ms. */
  readonly at: number
}

/** The text of a snapshot, a piece at a time. */
export function* textOf(entries: readonly (readonly [string, Entry])[], savedAt: number): Generator<string> {
  yield `{"format":"${FORMAT}","version":${VERSION},"savedAt":${savedAt},"routes":[`
  for (let from = 0; from < entries.length; from += CHUNK) {
    const lines = entries.slice(from, from + CHUNK).map(lineOf)
    yield `${from === 0 ? '\n' : ',\n'}${lines.join(',\n')}`
  }
  yield '\n]}\n'
}

function lineOf([routeId, { vector, at }]: readonly [string, Entry]): string {
  const { scar, momentumScalar, lastTick, resistance } = vector
  return JSON.stringify({ routeId, at, scar, momentumScalar, lastTick, resistance })
}

/**
 * The routes of a snapshot, the one written longest ago first.
 *
 * @throws Error saying what is wrong with it
 */
export function entriesOf(bytes: Uint8Array): [string, Entry][] {
  const snapshot: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  if (!isRecord(snapshot) || snapshot.format !== FORMAT) throw new Error('it is not a snapshot of Atrion')
  const { version, savedAt, routes } = snapshot
  if (typeof version === 'number' && version > VERSION) {
    throw new Error(`it has version ${version}, which a later Atrion wrote; this one reads version ${VERSION}`)
  }
  if (version !== VERSION) throw new Error('it has no version')
  if (!isTime(savedAt)) throw new Error('savedAt must be a Unix time in ms')
  if (!Array.isArray(routes)) throw new Error('routes must be an array')
  return routes.map((route: unknown, index) => {
    if (!isRecord(route) || typeof route.routeId !== 'string' || !isTime(route.at) || !isPhysicsVector(route)) {
      throw new Error(`routes[${index}] is not the state of a route`)
    }
    const { routeId, at, scar, momentumScalar, lastTick, resistance } = route
    return [routeId as string, { at: at as number, vector: { scar, momentumScalar, lastTick, resistance } }]
  })
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const isTime = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0
