/** The settings of an instance as Studio sees them: a look at every sample notes what changed, whichever way it was changed. */

import type { Atrion } from '../atrion.js'
import { METRIC } from '../engine/metric-cells.js'
import type { Metrics } from '../limiter/metrics.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import type { RouteParams } from '../options/route-params.js'
import type { Journal } from './journal.js'

const ORDERS = [null, 'open', 'closed'] as const
export type Order = (typeof ORDERS)[number]
/** Orders that are kept an eye on. */
const MOST_ORDERS = 1_024

export const ORDER_TEXTS: Readonly<Record<'open' | 'closed', string>> = {
  open: 'refuse everything',
  closed: 'admit everything',
}

/** Numbers of settings by their paths. */
export function numbersOf(params: RouteParams): Readonly<Record<string, number>> {
  const { config, slo, limits } = params
  const found: Record<string, number> = {}
  for (const [name, value] of Object.entries(config)) if (typeof value === 'number') found[name] = value
  for (const [name, value] of Object.entries(slo)) if (typeof value === 'number') found[`slo.${name}`] = value
  for (const [name, value] of Object.entries(limits)) found[`limits.${name}`] = value
  return found
}

/** The differences of two settings, as 'slo.maxAcceptableLatencyMs 500 → 200'. */
export function differences(before: RouteParams, after: RouteParams): readonly string[] {
  const old = numbersOf(before)
  return Object.entries(numbersOf(after))
    .filter(([name, value]) => old[name] !== value)
    .map(([name, value]) => `${name} ${old[name]} → ${value}`)
}

export class Settings {
  readonly #atrion: Atrion
  readonly #port: TelemetryPort
  readonly #journal: Journal
  readonly #orders = new Map<string, 'open' | 'closed'>()
  #params: RouteParams | undefined
  #isDryRun: boolean | undefined
  #nodes: number | undefined
  #isDegraded = false
  #isFirst = true
  /** Since when the store is in trouble, ms since the epoch. */
  degradedSince: number | undefined

  constructor(atrion: Atrion, port: TelemetryPort, journal: Journal) {
    this.#atrion = atrion
    this.#port = port
    this.#journal = journal
  }

  /** The orders of operators that stand, by route. */
  get orders(): ReadonlyMap<string, 'open' | 'closed'> {
    return this.#orders
  }

  look(metrics: Metrics): void {
    const at = Date.now()
    this.#lookAtOrders(metrics, at)
    const params = this.#port.paramsOf()
    if (params !== this.#params) {
      const changed = this.#params === undefined ? [] : differences(this.#params, params)
      if (changed.length > 0) this.#journal.note({ at, kind: 'configure', text: `All routes: ${changed.join(', ')}` })
      this.#params = params
    }
    const isDryRun = this.#port.isDryRun()
    if (isDryRun !== this.#isDryRun) {
      if (!this.#isFirst || isDryRun) {
        this.#journal.note({ at, kind: 'dryRun', text: `Dry run ${isDryRun ? 'on: everything is admitted' : 'off'}` })
      }
      this.#isDryRun = isDryRun
    }
    this.#lookAtCluster(at)
    this.#isFirst = false
  }

  #lookAtOrders({ routes, cells, stride }: Metrics, at: number): void {
    const seen = this.#orders.size > 0 ? new Set<string>() : undefined
    for (let i = 0; i < routes.length; i++) {
      const order = ORDERS[cells[i * stride + METRIC.ORDER]!]
      if (order === null || order === undefined) continue
      const routeId = routes[i]!
      seen?.add(routeId)
      if (this.#orders.get(routeId) === order || this.#orders.size >= MOST_ORDERS) continue
      this.#orders.set(routeId, order)
      this.#journal.note({ at, kind: 'override', text: `${routeId.slice(0, 200)}: ${ORDER_TEXTS[order]}` })
    }
    if (seen === undefined) return
    for (const routeId of this.#orders.keys()) {
      if (seen.has(routeId)) continue
      this.#orders.delete(routeId)
      this.#journal.note({ at, kind: 'override', text: `${routeId.slice(0, 200)}: no order any more` })
    }
  }

  #lookAtCluster(at: number): void {
    const { nodes, isDegraded } = this.#port.cluster()
    if (nodes !== this.#nodes) {
      if (this.#nodes !== undefined && nodes !== undefined) {
        const change = nodes - this.#nodes
        const count = Math.abs(change)
        const text = `${count} ${count === 1 ? 'node' : 'nodes'} ${change > 0 ? 'joined' : 'left'}: ${nodes} besides this one`
        this.#journal.note({ at, kind: 'cluster', text })
      }
      this.#nodes = nodes
    }
    if (isDegraded !== this.#isDegraded) {
      this.#isDegraded = isDegraded
      this.degradedSince = isDegraded ? at : undefined
      const { providerName } = this.#atrion
      const text = isDegraded
        ? `${providerName} is in trouble: this process decides alone`
        : `${providerName} works again`
      this.#journal.note({ at, kind: 'store', text })
    }
  }
}
