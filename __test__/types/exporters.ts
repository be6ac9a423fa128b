/** The exporters: their options, and handlers in the types of each framework. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { metrics, trace } from '@opentelemetry/api'
import { Atrion, ConfigError } from 'atrion'
import { atrionChannels, type RunMessage, type ShedMessage } from 'atrion/channels'
import { atrionOtel, type OtelOptions } from 'atrion/otel'
import { atrionPrometheus, type PrometheusHandler, type Scrape } from 'atrion/prometheus'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'

const atrion = new Atrion()
const handler: PrometheusHandler = atrionPrometheus(atrion, {
  path: '/metrics',
  traceId: () => trace.getActiveSpan()?.spanContext().traceId,
})
const { contentType, body }: Scrape = handler.scrape('text/plain')
assert.match(contentType, /^text\/plain; version=0\.0\.4/)
assert.match(body, /atrion_cluster_degraded 0/)

createServer(handler)
express().get('/metrics', handler).use(handler)
fastify().get('/metrics', handler.fastify)
new Koa().use(handler.koa)
new Hono().get('/metrics', handler.hono)
const response: Response = handler.fetch(new Request('http://host/metrics'))
assert.equal(response.status, 200)
handler.close()

const options: OtelOptions = { meter: metrics.getMeter('a'), tracer: trace.getTracer('a'), spans: false }
const stop: () => void = atrionOtel(atrion, options)
stop()
atrionChannels(atrion)()
const isShed = ({ limitedBy }: ShedMessage | RunMessage): boolean => limitedBy !== undefined
assert.equal(isShed({ routeId: 'a', tier: undefined, limitedBy: 'ban' }), true)

// @ts-expect-error: the option is `path`
assert.throws(() => atrionPrometheus(atrion, { paths: '/metrics' }), ConfigError)
// @ts-expect-error: a meter is none of its name
assert.throws(() => atrionOtel(atrion, { meter: 'atrion' }), ConfigError)
