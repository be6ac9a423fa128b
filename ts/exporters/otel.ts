/** `atrion/otel`: the metrics of an instance on OpenTelemetry's API, and a span for each call of `run()`. */

import {
  type Attributes,
  type BatchObservableResult,
  type Histogram,
  type Meter,
  metrics,
  type Observable,
  type ObservableResult,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { copyOf } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import type { RunContext } from '../events/watchers.js'
import { BOUNDS_S, FAMILIES, type Family, type FamilyKey, LABELS } from './_families.js'
import { collectorOf, portOf } from './_series.js'

export type { Attributes, BatchObservableResult, Histogram, Meter, Observable, ObservableResult, Span, Tracer }

export interface OtelOptions {
  /** Default: a meter of the global provider. */
  readonly meter?: Meter
  /** Default: a tracer of the global provider. */
  readonly tracer?: Tracer
  /** false: no spans. Default true. */
  readonly spans?: boolean
}

const SCOPE = 'atrion'
const NAMES = ['meter', 'tracer', 'spans'] as const

/** Instruments whose values add up over routes and processes. */
const ADDITIVE: ReadonlySet<FamilyKey> = new Set<FamilyKey>(['active', 'waiting'])

function validated(given: OtelOptions): OtelOptions {
  if (typeof given !== 'object' || given === null) throw new ConfigError('options', 'an object', given)
  const options = copyOf(given, NAMES)
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name as never)) throw unknownName(name, name, NAMES)
  }
  const { meter, tracer, spans } = options
  if (meter !== undefined && typeof meter?.createHistogram !== 'function') {
    throw new ConfigError('meter', 'a Meter', meter)
  }
  if (tracer !== undefined && typeof tracer?.startActiveSpan !== 'function') {
    throw new ConfigError('tracer', 'a Tracer', tracer)
  }
  if (spans !== undefined && typeof spans !== 'boolean') throw new ConfigError('spans', 'true or false', spans)
  return options
}

function observableOf(meter: Meter, key: FamilyKey, { name, kind, unit, help }: Family): Observable {
  const options = { unit, description: help }
  if (kind === 'counter') return meter.createObservableCounter(name, options)
  if (ADDITIVE.has(key)) return meter.createObservableUpDownCounter(name, options)
  return meter.createObservableGauge(name, options)
}

function histogramOf(meter: Meter, { name, unit, help }: Family): Histogram {
  return meter.createHistogram(name, {
    unit,
    description: help,
    advice: { explicitBucketBoundaries: [...BOUNDS_S] },
  })
}

/** Ends a span: a refusal has its obstacle, and is no error. */
function endSpan(span: Span, context: RunContext, error: unknown, hasFailed: boolean): void {
  try {
    describe(span, context, error, hasFailed)
    span.end()
  } catch {
    // A span's own fault is no caller's.
  }
}

function describe(span: Span, { limitedBy }: RunContext, error: unknown, hasFailed: boolean): void {
  if (limitedBy !== undefined) {
    span.setAttributes({ [LABELS.result]: 'shed', [LABELS.limitedBy]: limitedBy })
  } else {
    span.setAttribute(LABELS.result, 'admitted')
  }
  if (hasFailed && limitedBy === undefined) {
    span.recordException(error as Error)
    span.setStatus({ code: SpanStatusCode.ERROR, message: String((error as Error | undefined)?.message ?? '') })
  }
}

/**
 * Gives the metrics of an instance to OpenTelemetry: the same series as `atrion/prometheus`, by OpenTelemetry's names and units. Calls of
 * `run()` get a span each, `atrion.run`, with the route, the tier and the result; one that is refused ends at once, is no error, and
 * has the obstacle as `atrion.limited_by`. Histograms count from now on.
 *
 * @returns a function that ends it
 * @throws ConfigError for an option that is unknown or of the wrong type
 */
export function atrionOtel(atrion: Atrion, options: OtelOptions = {}): () => void {
  const collector = collectorOf(atrion)
  const port = portOf(atrion)
  const { meter = metrics.getMeter(SCOPE), tracer = trace.getTracer(SCOPE), spans = true } = validated(options)

  const observables = new Map<FamilyKey, Observable>()
  for (const [key, family] of Object.entries(FAMILIES) as [FamilyKey, Family][]) {
    if (family.kind !== 'histogram') observables.set(key, observableOf(meter, key, family))
  }
  const observe = (result: BatchObservableResult): void => {
    for (const [key, points] of collector.collect().points) {
      const observable = observables.get(key)!
      for (const { labels, value } of points) result.observe(observable, value, labels as Attributes)
    }
  }
  const all = [...observables.values()]
  meter.addBatchObservableCallback(observe, all)

  const durations = histogramOf(meter, FAMILIES.duration)
  const waits = histogramOf(meter, FAMILIES.timeInQueue)
  const routeOf = (routeId: string): Attributes => ({ [LABELS.route]: collector.labelOf(routeId) })

  const run = <T>(context: RunContext, work: () => Promise<T>): Promise<T> => {
    const attributes: Attributes = routeOf(context.routeId)
    if (context.tier !== undefined) attributes[LABELS.tier] = context.tier
    let begun = false
    const within = async (span: Span): Promise<T> => {
      begun = true
      try {
        const value = await work()
        endSpan(span, context, undefined, false)
        return value
      } catch (error) {
        endSpan(span, context, error, true)
        throw error
      }
    }
    try {
      return tracer.startActiveSpan('atrion.run', { attributes }, within)
    } catch (error) {
      // A tracer's own fault is no reason not to do the work, nor to do it twice.
      if (begun) throw error
      return work()
    }
  }

  const stop = port.watch({
    completed: (routeId, durationMs) => durations.record(durationMs / 1_000, routeOf(routeId)),
    waited: (routeId, waitedMs) => waits.record(waitedMs / 1_000, routeOf(routeId)),
    ...(spans && { run }),
  })
  return () => {
    stop()
    meter.removeBatchObservableCallback(observe, all)
  }
}
