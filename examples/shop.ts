/** The shop of the example applications: one database, four routes, and an end in good order. Each framework's folder has the rest. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Atrion } from 'atrion'

/** A question to the database. */
export type Query = (what: string) => Promise<string>

export interface Shop {
  readonly url: string
  /** Answers what is in flight, then ends. */
  close(): Promise<void>
}

const ROUTES = ['GET /products/:id', 'POST /checkout', 'GET /reports']

/** The database answers eight queries at once; a quarter of that is kept for payments. */
export function createAtrion(): Atrion {
  const atrion = new Atrion()
  for (const route of ROUTES) {
    atrion.setRouteProfile(route, { pool: 'database', limits: { max: 8, initial: 8 }, reserve: { critical: 0.25 } })
  }
  return atrion
}

/** The state that a health check shows: requests in flight, by route. */
export const healthOf = (atrion: Atrion): Record<string, number> =>
  Object.fromEntries(ROUTES.map((route) => [route, atrion.stats(route).inFlight]))

const query: Query = async (what) => {
  await sleep(Number(process.env.QUERY_MS ?? 20))
  return what
}

/** Runs a shop as a program: `PORT=3000 node main.js`, ended by SIGTERM or SIGINT. */
export async function run(start: (query: Query, port: number) => Promise<Shop>): Promise<void> {
  const shop = await start(query, Number(process.env.PORT ?? 0))
  console.log(`listening on ${shop.url}`)
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      shop.close().then(() => console.log('closed'))
    })
  }
}
