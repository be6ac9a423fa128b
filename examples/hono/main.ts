/** A shop on Hono and Node: a guard of everything, its typed variables, and what a route is worth beside the route. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { type AtrionEnv, atrionHono } from 'atrion/hono'
import { Hono } from 'hono'
import { createAtrion, healthOf, type Query, run, type Shop } from '../shop'

export async function start(query: Query, port: number): Promise<Shop> {
  const atrion = createAtrion()
  await atrion.connect()
  const app = new Hono<AtrionEnv>()
  app.use(atrionHono(atrion))

  app.get('/health', atrionHono.route({ skip: true }), (c) => c.json(healthOf(c.var.atrion)))
  app.get('/products/:id', async (c) => {
    c.header('X-Route', c.get('atrionAdmission')?.routeId)
    return c.json({ product: await query(c.req.param('id')) })
  })
  app.post('/checkout', atrionHono.route({ tier: 'critical' }), async (c) => c.json({ paid: await query('order') }))
  app.get('/reports', atrionHono.route({ tier: 'bulk' }), async (c) => c.json({ report: await query('sales') }))

  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port })
  if (!server.listening) await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      await closed
      await atrion.disconnect()
    },
  }
}

if (require.main === module) void run(start)
