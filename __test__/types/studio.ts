/** Studio: its options, and its handlers in the types of each framework. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { Atrion, ConfigError } from 'atrion'
import { type AuditEntry, atrionStudio, type Studio, type StudioOptions, type StudioRole } from 'atrion/studio'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'

const atrion = new Atrion()
const entries: AuditEntry[] = []
const options: StudioOptions = {
  path: '/atrion',
  authorize: async (request: IncomingMessage): Promise<StudioRole> =>
    request.headers.authorization === undefined ? false : { role: 'write', name: 'kim' },
  origins: ['https://ops.example.com'],
  maxViewers: 8,
  historyRoutes: 10,
  record: false,
  onAction: (entry) => entries.push(entry),
}
const studio: Studio = atrionStudio(atrion, options)
createServer(studio)
express().use('/atrion', studio)
fastify().register(studio.fastify)
new Koa().use(studio.koa)
new Hono().all('/atrion', studio.hono).all('/atrion/*', studio.hono)
studio.annotate('deployed')
const asked: Promise<Response> = studio.fetch(new Request('http://host/atrion'), { remoteAddress: '127.0.0.1' })
asked.then(({ status }) => {
  assert.equal(status, 403)
  studio.close()
})

// @ts-expect-error: the option is `authorize`
assert.throws(() => atrionStudio(atrion, { authorise: () => 'read' }), ConfigError)
