/**
 * Rows of routes as they were sent: of a route that is well, a row whose figures have hardly moved is sent again after a second only. What
 * changes all the time by next to nothing would else be most of what is sent.
 */

import type { RouteRow } from './protocol.js'

const STEADY_MS = 1_000
/** The change of a figure that is next to nothing: a share of it, and of requests in flight a number. */
const NEAR_SHARE = 0.05
const NEAR_IN_FLIGHT = 2
const MOST_ROWS = 4_096

interface Sent {
  readonly row: RouteRow
  readonly json: string
  readonly atMs: number
}

export class SentRows {
  readonly #sent = new Map<string, Sent>()

  /** The JSON of a row: as it was sent lately, or anew. */
  jsonOf(row: RouteRow): string {
    const nowMs = performance.now()
    const last = this.#sent.get(row.key)
    if (last !== undefined && nowMs - last.atMs < STEADY_MS && isNear(last.row, row)) return last.json
    const json = JSON.stringify(row)
    if (this.#sent.size >= MOST_ROWS) this.#sent.clear()
    this.#sent.set(row.key, { row, json, atMs: nowMs })
    return json
  }
}

function isNear(before: RouteRow, now: RouteRow): boolean {
  if (now.level !== 'well' || before.level !== 'well') return false
  if (Math.abs(before.inFlight - now.inFlight) > NEAR_IN_FLIGHT) return false
  return (Object.keys(now) as (keyof RouteRow)[]).every((name) => {
    const [old, value] = [before[name], now[name]]
    if (old === value || name === 'inFlight') return true
    if (typeof old !== 'number' || typeof value !== 'number') return false
    return Math.abs(old - value) <= NEAR_SHARE * Math.max(Math.abs(old), Math.abs(value))
  })
}
