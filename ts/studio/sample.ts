/** A sample of an instance: the figures that the board and the archive are made from. */

import type { LimitedBy } from '../base/limited-by.js'
import type { Metrics } from '../limiter/metrics.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import type { Interval, Rates } from './rates.js'

/** The last refusal of a route since the last sample. */
export interface Refusal {
  readonly atMs: number
  readonly limitedBy: LimitedBy
  readonly retryAfterMs: number | undefined
  readonly terms: readonly number[]
}

export interface ProcessFigures {
  readonly loopMs: number
  readonly queueAgeMs: number
  readonly acceptQueueMs: number
  readonly utilization: number
  readonly heap: number
}

export interface Sample {
  readonly port: TelemetryPort
  readonly metrics: Metrics | undefined
  readonly rates: Rates
  readonly interval: Interval
  readonly process: ProcessFigures
  readonly refusals: ReadonlyMap<string, Refusal>
}
