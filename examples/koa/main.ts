/** A shop on Koa with @koa/router: a guard of everything, and what a route is worth beside the route. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import Router from '@koa/router'
import { atrionKoa } from 'atrion/koa'
import Koa from 'koa'
import { createAtrion, healthOf, type Query, run, type Shop } from '../shop'

export async function start(query: Query, port: number): Promise<Shop> {
  const atrion = createAtrion()
  await atrion.connect()
  const router = new Router()
  router.get('/health', atrionKoa.route({ skip: true }), (ctx) => {
    ctx.body = healthOf(atrion)
  })
  router.get('/products/:id', async (ctx) => {
    ctx.body = { product: await query(String(ctx.params.id)) }
  })
  router.post('/checkout', atrionKoa.route({ tier: 'critical' }), async (ctx) => {
    ctx.body = { paid: await query('order') }
  })
  router.get('/reports', atrionKoa.route({ tier: 'bulk' }), async (ctx) => {
    ctx.body = { report: await query('sales') }
  })

  const app = new Koa()
  app.use(atrionKoa(atrion))
  app.use(router.routes())
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
