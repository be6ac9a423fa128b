/** The reports of other nodes on the routes, through a provider with `subscribe`: the newest report of each node, for 3 s. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { ownOptions } from '../base/own.js'
import type { VectorOrigin } from '../providers/provider.js'
import { type PeerScar, Seniority } from './seniority.js'

/** A node's report expires after so long, ms. */
const EXPIRY_MS = 3000
/** Nodes whose reports of one route are kept. */
const MAX_NODES = 16
/** Characters of a node's name that count. */
const MAX_NODE_LENGTH = 256
/** The factor by which a report from the same zone weighs more; that of the engine's own table of peers. */
const NEAR = 4
/** Requests that count of a report. */
const MAX_REQUESTS = 1e12
const ORIGIN_NAMES = ['node', 'requests', 'ageMs', 'zone'] satisfies (keyof VectorOrigin)[]
/** Stands for the node where the provider names none. */
const UNNAMED = ''

interface Report {
  readonly scar: number
  readonly requests: number
  /** The time at which it was so, ms. */
  readonly atMs: number
  readonly receivedMs: number
}

/** A number ≥ 0 as another's code gave it; what is none is 0. */
export const amountOf = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY ? value : 0

/** The description that a provider gives of a change: it may be anything. */
function readOrigin(origin: unknown): Required<VectorOrigin> {
  try {
    const { node, requests, ageMs, zone } = ownOptions((origin ?? {}) as VectorOrigin, ORIGIN_NAMES)
    return {
      node: typeof node === 'string' ? node.slice(0, MAX_NODE_LENGTH) : UNNAMED,
      requests: requests === Number.POSITIVE_INFINITY ? MAX_REQUESTS : Math.min(amountOf(requests), MAX_REQUESTS),
      ageMs: amountOf(ageMs),
      zone: typeof zone === 'string' ? zone : UNNAMED,
    }
  } catch {
    return { node: UNNAMED, requests: 0, ageMs: 0, zone: UNNAMED }
  }
}

export class PeerReports {
  readonly #routes: BoundedRoutes<Map<string, Report>>

  readonly #seniority: Seniority | undefined
  readonly #zone: string | undefined

  /**
   * @param isProved false: a client may report under ids of nodes that do not exist, so that those that come later count less
   * @param zone this node's, if it has one
   */
  constructor(maxRoutes: number, isProved = true, zone?: string) {
    this.#routes = new BoundedRoutes(maxRoutes)
    this.#zone = zone
    this.#seniority = isProved ? undefined : new Seniority()
  }

  /** Notes that this node begins to listen. */
  listen(nowMs: number): void {
    this.#seniority?.listen(nowMs)
  }

  receive(routeId: string, scar: number, origin: VectorOrigin | undefined, nowMs: number): void {
    const { node, requests, ageMs, zone } = readOrigin(origin)
    // The weight is 1 + requests.
    const weighing = this.#zone !== undefined && this.#zone === zone ? NEAR * (1 + requests) - 1 : requests
    if (this.#seniority?.see(node, nowMs) === false) return
    let reports = this.#routes.get(routeId)
    if (reports === undefined) {
      if (!this.#routes.hasRoom(routeId)) return
      reports = new Map()
      this.#routes.set(routeId, reports)
    }
    reports.delete(node)
    if (reports.size >= MAX_NODES && !this.#makeRoom(reports, node, nowMs)) return
    reports.set(node, { scar, requests: weighing, atMs: nowMs - ageMs, receivedMs: nowMs })
  }

  /** Drops the oldest report of a full route, of a later node where there is one; false where a later one must not take the place. */
  #makeRoom(reports: Map<string, Report>, node: string, nowMs: number): boolean {
    const nodes = [...reports.keys()]
    const seniority = this.#seniority
    seniority?.settle(nowMs)
    const later = seniority && nodes.find((known) => !seniority.counts(known))
    if (seniority !== undefined && later === undefined && !seniority.counts(node)) return false
    reports.delete(later ?? nodes[0]!)
    return true
  }

  /** Passes on what is reported of every route now, scars decayed since; once more, with no reports, when the last has expired. */
  current(nowMs: number, decayRate: number, use: (routeId: string, reports: readonly PeerScar[]) => void): void {
    this.#seniority?.settle(nowMs)
    for (const [routeId, reports] of this.#routes) {
      for (const [node, { receivedMs }] of reports) {
        if (Math.abs(nowMs - receivedMs) > EXPIRY_MS) reports.delete(node)
      }
      const decayed = [...reports].map(([node, { scar, requests, atMs }]) => {
        const faded = scar * Math.exp((-decayRate * Math.max(0, nowMs - atMs)) / 1000)
        return [node, { scar: faded, requests }] as const
      })
      if (decayed.length === 0) this.#routes.delete(routeId)
      use(routeId, this.#seniority?.join(decayed) ?? decayed.map(([, report]) => report))
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
