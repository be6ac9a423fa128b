/**
 * The listeners of a provider's routes. One that throws, or changes what it is given, affects no other. Reports of the last seconds are kept, so that a
 * listener that comes a moment later than a report has it nevertheless.
 */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { later } from '../base/later.js'
import type { PhysicsVector, VectorOrigin } from './provider.js'

const { performance } = globalThis

export type OnChange = (vector: PhysicsVector, origin?: VectorOrigin) => void

/** A report is kept for so long, ms. */
const KEPT_MS = 3000
/** Nodes whose reports of one route are kept. */
const MOST_NODES = 16

interface Listener {
  readonly onChange: OnChange
}

interface Report {
  readonly vector: PhysicsVector
  readonly origin: VectorOrigin
  readonly receivedMs: number
}

export class RouteListeners {
  readonly #routes = new Map<string, Set<Listener>>()
  readonly #reports: BoundedRoutes<Map<string, Report>>

  constructor(maxRoutes: number) {
    this.#reports = new BoundedRoutes(maxRoutes)
  }

  /** Routes that have a listener. */
  get size(): number {
    return this.#routes.size
  }

  /** @throws TypeError when `onChange` is no function */
  add(routeId: string, onChange: OnChange): () => void {
    if (typeof onChange !== 'function') throw new TypeError('onChange must be a function')
    // Subscribing twice with one function is two subscriptions.
    const listener = { onChange }
    const listeners = this.#routes.get(routeId) ?? new Set()
    this.#routes.set(routeId, listeners.add(listener))
    if (this.#reports.has(routeId)) later(() => this.#repeat(routeId, listeners, listener))
    return () => {
      if (listeners.delete(listener) && listeners.size === 0 && this.#routes.get(routeId) === listeners) {
        this.#routes.delete(routeId)
      }
    }
  }

  /** Passes on a report of another node. */
  call(routeId: string, vector: PhysicsVector, origin: VectorOrigin): void {
    this.#keep(routeId, { vector, origin, receivedMs: performance.now() })
    const listeners = this.#routes.get(routeId)
    if (listeners === undefined) return
    // Another callback may end a subscription meanwhile.
    for (const listener of [...listeners]) if (listeners.has(listener)) pass(listener, vector, origin)
  }

  #keep(routeId: string, report: Report): void {
    const reports = this.#reports.get(routeId) ?? new Map<string, Report>()
    const node = report.origin.node ?? ''
    reports.delete(node)
    if (reports.size >= MOST_NODES) reports.delete(reports.keys().next().value as string)
    this.#reports.set(routeId, reports.set(node, report))
  }

  /** Passes on to a new listener the reports that came before it. */
  #repeat(routeId: string, listeners: ReadonlySet<Listener>, listener: Listener): void {
    const nowMs = performance.now()
    for (const { vector, origin, receivedMs } of [...(this.#reports.get(routeId)?.values() ?? [])]) {
      if (nowMs - receivedMs > KEPT_MS || !listeners.has(listener)) continue
      pass(listener, vector, { ...origin, ageMs: (origin.ageMs ?? 0) + nowMs - receivedMs })
    }
  }
}

function pass({ onChange }: Listener, vector: PhysicsVector, origin: VectorOrigin): void {
  try {
    onChange({ ...vector }, { ...origin })
  } catch {
    // The listener's own.
  }
}
