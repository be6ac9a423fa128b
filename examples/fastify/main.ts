/** A shop on Fastify: a plugin that guards the scope it is registered in, and `config.atrion` of a route. */
import { atrionFastify } from 'atrion/fastify'
import Fastify from 'fastify'
import { createAtrion, healthOf, type Query, run, type Shop } from '../shop'

export async function start(query: Query, port: number): Promise<Shop> {
  const app = Fastify()

  // Routes outside of the guarded scope are not guarded.
  await app.register(async (shop) => {
    await shop.register(atrionFastify, { atrion: createAtrion() })
    await shop.atrion.connect()
    shop.addHook('onClose', () => shop.atrion.disconnect())

    shop.get('/health', { config: { atrion: false } }, async () => healthOf(shop.atrion))
    shop.get<{ Params: { id: string } }>('/products/:id', async (request) => {
      request.log.debug({ route: request.atrion?.routeId, tier: request.atrion?.tier })
      return { product: await query(request.params.id) }
    })
    shop.post('/checkout', { config: { atrion: { tier: 'critical' } } }, async () => ({ paid: await query('order') }))
    shop.get('/reports', { config: { atrion: { tier: 'bulk' } } }, async () => ({ report: await query('sales') }))
  })

  const url = await app.listen({ host: '127.0.0.1', port })
  return { url, close: () => app.close() }
}

if (require.main === module) void run(start)
