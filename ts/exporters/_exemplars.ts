/** Exemplars: of each bucket of durations, the trace of the last request in it. Bounded by the labels of routes. */

import { BOUNDS_S } from './_families.js'
import { MOST_LABELS } from './_labels.js'

export interface Exemplar {
  readonly traceId: string
  /** s */
  readonly valueS: number
  /** Since the Unix epoch, ms. */
  readonly atMs: number
}

/** An exemplar's label and value may have 128 characters together, by OpenMetrics. */
const LONGEST_TRACE = 100

export class Exemplars {
  readonly #routes = new Map<string, (Exemplar | undefined)[]>()

  /** A request took so long under a trace; what is no trace is none. */
  note(route: string, durationMs: number, traceId: unknown): void {
    if (typeof traceId !== 'string' || traceId === '' || traceId.length > LONGEST_TRACE) return
    let buckets = this.#routes.get(route)
    if (buckets === undefined) {
      if (this.#routes.size > MOST_LABELS) this.#routes.delete(this.#routes.keys().next().value!)
      buckets = []
      this.#routes.set(route, buckets)
    }
    const valueS = durationMs / 1_000
    const bucket = BOUNDS_S.findIndex((bound) => valueS <= bound)
    buckets[bucket < 0 ? BOUNDS_S.length : bucket] = { traceId, valueS, atMs: Date.now() }
  }

  of(route: string, bucket: number): Exemplar | undefined {
    return this.#routes.get(route)?.[bucket]
  }
}
