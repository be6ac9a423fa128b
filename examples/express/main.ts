/** A shop on Express: a guard of everything, and what a route is worth beside the route. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { atrionExpress } from 'atrion/express'
import express from 'express'
import { createAtrion, healthOf, type Query, run, type Shop } from '../shop'

export async function start(query: Query, port: number): Promise<Shop> {
  const atrion = createAtrion()
  await atrion.connect()
  const app = express()
  app.use(atrionExpress(atrion))

  app.get('/health', atrionExpress.route({ skip: true }), (_req, res) => {
    res.json(healthOf(atrion))
  })
  app.get('/products/:id', async (req, res) => {
    res.json({ product: await query(req.params.id) })
  })
  app.post('/checkout', atrionExpress.route({ tier: 'critical' }), async (_req, res) => {
    res.json({ paid: await query('order') })
  })
  app.get('/reports', atrionExpress.route({ tier: 'bulk' }), async (_req, res) => {
    res.json({ report: await query('sales') })
  })

  const server = app.listen(port, '127.0.0.1')
  await once(server, 'listening')
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
