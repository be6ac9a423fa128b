// atrion/otel: the same series as atrion/prometheus, read back from OpenTelemetry's own SDK, and spans that tell a refusal from a failure.
import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { isConfigError, isShedError } from 'atrion'
import { atrionOtel } from 'atrion/otel'
import { atrionPrometheus } from 'atrion/prometheus'
import test from 'ava'
import { CALM, create, drive, engine, HOSTILE_NAMES, randomOf, virtual } from '../_engine.mjs'
import { samplesOf } from './_exposition.mjs'

const closed = engine === 'ts' ? test.skip : test

/** A meter whose metrics can be read: resolves to [{ name, unit, labels, value | histogram }]. */
const metering = () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 })
  const provider = new MeterProvider({ readers: [reader] })
  const read = async () => {
    exporter.reset()
    await provider.forceFlush()
    return exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap(({ metrics }) => metrics)
      .flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => ({
          name: descriptor.name,
          unit: descriptor.unit,
          attributes,
          value,
        })),
      )
  }
  return { meter: provider.getMeter('test'), read, shutdown: () => provider.shutdown() }
}

const tracing = () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  return { tracer: provider.getTracer('test'), spans: () => exporter.getFinishedSpans() }
}

test.before(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})

/** OpenTelemetry's name of a metric as Prometheus's, by OpenTelemetry's rules of compatibility. */
const SUFFIXES = { s: '_seconds', 1: '_ratio', Ohm: '_ohms' }
const COUNTERS = new Set([
  'atrion.requests',
  'atrion.request.failures',
  'atrion.transitions',
  'atrion.permit.reclaimed',
])
const prometheusName = ({ name, unit }) =>
  `${name.replaceAll('.', '_')}${SUFFIXES[unit] ?? ''}${COUNTERS.has(name) ? '_total' : ''}`

const keyOf = (name, labels) =>
  `${name} ${JSON.stringify(
    Object.entries(labels)
      .map(([label, value]) => [label.replaceAll('.', '_'), value])
      .sort(),
  )}`

/** The series of OpenTelemetry, each histogram as Prometheus has it. */
const otelSeries = (points) => {
  const series = {}
  for (const { name, unit, attributes, value } of points) {
    const prometheus = prometheusName({ name, unit })
    if (typeof value === 'number') {
      series[keyOf(prometheus, attributes)] = value
      continue
    }
    const { boundaries, counts } = value.buckets
    let below = 0
    for (const [i, count] of counts.entries()) {
      below += count
      series[
        keyOf(`${prometheus}_bucket`, { ...attributes, le: i < boundaries.length ? String(boundaries[i]) : '+Inf' })
      ] = below
    }
    series[keyOf(`${prometheus}_count`, attributes)] = value.count
    series[keyOf(`${prometheus}_sum`, attributes)] = Number(value.sum.toFixed(9))
  }
  return series
}

const prometheusSeries = (text) =>
  Object.fromEntries(
    samplesOf(text).map(({ name, labels, value }) => [
      keyOf(name, labels),
      name.endsWith('_sum') ? Number(value.toFixed(9)) : value,
    ]),
  )

/** The values that change from one reading to the next by themselves. */
const OF_THE_MOMENT = /^atrion_process_/

const settled = (series) =>
  Object.fromEntries(
    Object.entries(series)
      .filter(([key]) => !OF_THE_MOMENT.test(key))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )

test('both exporters give the same series, whatever happened', async (t) => {
  const random = randomOf(17)
  const { meter, read, shutdown } = metering()
  t.teardown(shutdown)
  const world = virtual()
  const { atrion, clock } = world
  const metrics = atrionPrometheus(atrion)
  t.teardown(atrionOtel(atrion, { meter, spans: false }))
  drive(world, 'open loop', CALM, 12)
  for (const name of HOSTILE_NAMES.filter((one) => one.length < 100)) atrion.route(name, CALM)
  if (engine !== 'ts') {
    const tiers = ['bulk', 'low', 'normal', 'high', 'critical']
    const out = []
    for (let i = 0; i < 600; i++) {
      const permit = atrion.acquire(`r${Math.floor(random() ** 2 * 250)}`, {
        tier: tiers[i % 5],
        saturation: random() < 0.2 ? 9 : 0,
      })
      if (permit.allow) out.push(permit)
      clock.advance(Math.round(random() ** 4 * 4_000))
      if (random() < 0.9) out.shift()?.release(random() < 0.2 ? 'failure' : 'success')
    }
    atrion.override('r1', 'closed')
    atrion.override('r2', 'open')
    atrion.configure('waits', { limits: { min: 1, max: 1, initial: 1 } })
    const held = await atrion.enter('waits', { tier: 'critical' })
    const waits = atrion.enter('waits', { maxWaitMs: 50 })
    clock.advance(30)
    held.release()
    ;(await waits).release()
  }
  const ours = settled(prometheusSeries(metrics.scrape().body))
  const theirs = settled(otelSeries(await read()))
  t.true(Object.keys(ours).length > (engine === 'ts' ? 100 : 1_000))
  t.deepEqual(theirs, ours)
})

test('the series of the process have the same names and labels', async (t) => {
  const { meter, read, shutdown } = metering()
  t.teardown(shutdown)
  const atrion = create()
  t.teardown(atrionOtel(atrion, { meter }))
  const of = (series) =>
    Object.keys(series)
      .filter((key) => OF_THE_MOMENT.test(key))
      .sort()
  const theirs = of(otelSeries(await read()))
  t.deepEqual(theirs, of(prometheusSeries(atrionPrometheus(atrion).scrape().body)))
  t.is(theirs.length, 3)
})

test('ended, it gives nothing more', async (t) => {
  const { meter, read, shutdown } = metering()
  t.teardown(shutdown)
  const atrion = create()
  const end = atrionOtel(atrion, { meter })
  atrion.route('a', CALM)
  t.true((await read()).length > 0)
  end()
  end()
  atrion.route('b', CALM)
  const routes = (await read()).map(({ attributes }) => attributes['atrion.route'])
  t.false(routes.includes('b'), 'the reader has the last values alone')
})

test('options that are none are refused, by name', (t) => {
  const atrion = create()
  for (const [options, field] of [
    [{ meters: 1 }, 'meters'],
    [{ meter: {} }, 'meter'],
    [{ tracer: 1 }, 'tracer'],
    [{ spans: 1 }, 'spans'],
    [null, 'options'],
  ]) {
    const error = t.throws(() => atrionOtel(atrion, options))
    t.true(isConfigError(error))
    t.is(error.field, field)
  }
})

closed('without a provider it costs and harms nothing', async (t) => {
  const atrion = create()
  const end = atrionOtel(atrion)
  t.is(await atrion.run('a', () => 5), 5)
  end()
})

if (engine !== 'ts') {
  test('a span for each run: its route, tier and result; the work is within it', async (t) => {
    const { tracer, spans } = tracing()
    const atrion = create()
    t.teardown(atrionOtel(atrion, { tracer }))
    const inside = await atrion.run('a', async () => trace.getActiveSpan().spanContext().spanId, { tier: 'high' })
    const [span] = spans()
    t.is(span.name, 'atrion.run')
    t.is(span.spanContext().spanId, inside)
    t.deepEqual(span.attributes, { 'atrion.route': 'a', 'atrion.tier': 'high', 'atrion.result': 'admitted' })
    t.is(span.status.code, SpanStatusCode.UNSET)
  })

  test('a failure is an error with its exception, and a refusal is neither', async (t) => {
    const { tracer, spans } = tracing()
    const atrion = create()
    t.teardown(atrionOtel(atrion, { tracer }))
    const failure = new Error('down')
    t.is(await t.throwsAsync(atrion.run('a', () => Promise.reject(failure))), failure)
    atrion.override('a', 'open')
    t.true(isShedError(await t.throwsAsync(atrion.run('a', () => 1))))
    t.is(await atrion.run('a', () => 1, { fallback: 7 }), 7)
    t.is(await atrion.run('a', () => 1, { fallback: 7, timeoutMs: 1_000 }), 7)
    const [failed, ...refused] = spans()
    t.is(failed.status.code, SpanStatusCode.ERROR)
    t.is(failed.attributes['atrion.result'], 'admitted')
    t.is(failed.events[0].name, 'exception')
    t.is(refused.length, 3)
    for (const span of refused) {
      t.is(span.status.code, SpanStatusCode.UNSET)
      t.deepEqual(span.events, [])
      t.deepEqual(span.attributes, { 'atrion.route': 'a', 'atrion.result': 'shed', 'atrion.limited_by': 'override' })
    }
  })

  test('a tracer that fails harms no run, and does none twice', async (t) => {
    const fault = () => {
      throw new Error('tracer')
    }
    const span = { setAttribute: fault, setAttributes: fault, recordException: fault, setStatus: fault, end: fault }
    for (const startActiveSpan of [fault, (_name, _options, work) => work(span)]) {
      const atrion = create()
      t.teardown(atrionOtel(atrion, { tracer: { startActiveSpan } }))
      let runs = 0
      t.is(await atrion.run('a', () => ++runs), 1)
      await t.throwsAsync(
        atrion.run('a', () => Promise.reject(new Error('own'))),
        { message: 'own' },
      )
      t.is(runs, 1)
      t.is(atrion.stats('a').inFlight, 0)
    }
  })

  test('a mistake of the caller still rejects with what it did', async (t) => {
    const { tracer } = tracing()
    const atrion = create()
    t.teardown(atrionOtel(atrion, { tracer }))
    await t.throwsAsync(atrion.run('a'), { instanceOf: TypeError })
    await t.throwsAsync(
      atrion.run('', () => 1),
      { instanceOf: TypeError },
    )
    t.true(isConfigError(await t.throwsAsync(atrion.run('a', () => 1, { tier: 'emperor' }))))
    await t.throwsAsync(
      atrion.run('a', () => 1, null),
      { instanceOf: TypeError },
    )
  })
}
