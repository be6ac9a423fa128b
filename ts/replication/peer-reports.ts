/** What other nodes report of the routes, through a provider with `subscribe`: the newest report of each node, for 3 s. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import type { VectorOrigin } from '../providers/provider.js'

/** A node's report expires after so long, ms. */
const EXPIRY_MS = 3000
/** Nodes whose reports of one route are kept. */
const MAX_NODES = 16
/** Characters of a node's name that count. */
const MAX_NODE_LENGTH = 256
/** Stands for the node where the provider names none. */
const UNNAMED = ''

interface Report {
  readonly scar: number
  readonly requests: number
  /** When it was so, ms. */
  readonly atMs: number
  readonly receivedMs: number
}

/** A number ≥ 0 as another's code gave it; what is none is 0. */
export const amountOf = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY ? value : 0

/** What a provider says of a change: it may be anything. */
function readOrigin(origin: unknown): Required<VectorOrigin> {
  try {
    const { node, requests, ageMs } = (origin ?? {}) as VectorOrigin
    return {
      node: typeof node === 'string' ? node.slice(0, MAX_NODE_LENGTH) : UNNAMED,
      requests: requests === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : amountOf(requests),
      ageMs: amountOf(ageMs),
    }
  } catch {
    return { node: UNNAMED, requests: 0, ageMs: 0 }
  }
}

export class PeerReports {
  readonly #routes: BoundedRoutes<Map<string, Report>>

  constructor(maxRoutes: number) {
    this.#routes = new BoundedRoutes(maxRoutes)
  }

  receive(routeId: string, scar: number, origin: VectorOrigin | undefined, nowMs: number): void {
    const { node, requests, ageMs } = readOrigin(origin)
    let reports = this.#routes.get(routeId)
    if (reports === undefined) {
      if (!this.#routes.hasRoom(routeId)) return
      reports = new Map()
      this.#routes.set(routeId, reports)
    }
    reports.delete(node)
    if (reports.size >= MAX_NODES) reports.delete(reports.keys().next().value as string)
    reports.set(node, { scar, requests, atMs: nowMs - ageMs, receivedMs: nowMs })
  }

  /** Passes on what is reported of every route now, scars decayed since; once more, with no reports, when the last has expired. */
  current(
    nowMs: number,
    decayRate: number,
    use: (routeId: string, reports: readonly { scar: number; requests: number }[]) => void,
  ): void {
    for (const [routeId, reports] of this.#routes) {
      for (const [node, { receivedMs }] of reports) {
        if (Math.abs(nowMs - receivedMs) > EXPIRY_MS) reports.delete(node)
      }
      const decayed = [...reports.values()].map(({ scar, requests, atMs }) => ({
        scar: scar * Math.exp((-decayRate * Math.max(0, nowMs - atMs)) / 1000),
        requests,
      }))
      if (decayed.length === 0) this.#routes.delete(routeId)
      use(routeId, decayed)
    }
  }

  forget(routeId: string): void {
    this.#routes.delete(routeId)
  }

  /** Drops all reports, and passes on every route that had one. */
  clear(use: (routeId: string) => void): void {
    for (const routeId of this.#routes.keys()) use(routeId)
    this.#routes.clear()
  }
}
