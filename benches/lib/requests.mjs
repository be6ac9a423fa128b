/** Ten million permits, a third of them refused, over a thousand routes; what the process holds after each million. */
import { Atrion } from 'atrion'
import { serve } from '../../scripts/lib/duties.mjs'

const MILLION = 1_000_000
const MILLIONS = 10
/** Until the collector's spaces have their size. */
const WARM_MILLIONS = 4
const ROUTES = 1000
const REFUSED = 3

const atrion = new Atrion({ engine: 'native', maxRoutes: ROUTES })
const names = Array.from({ length: ROUTES }, (_, i) => `GET /route/${i}`)
for (let i = 0; i < ROUTES; i += REFUSED) atrion.override(names[i], 'open')

const weigh = async () => {
  const readings = []
  for (let million = 1 - WARM_MILLIONS; million <= MILLIONS; million++) {
    for (let i = 0; i < MILLION; i++) atrion.acquire(names[i % ROUTES]).release()
    // Twice, a turn apart: what finalizers held is only garbage the second time.
    for (let i = 0; i < 2; i++) {
      globalThis.gc()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { heapUsed, rss, external, arrayBuffers } = process.memoryUsage()
    const mib = (bytes) => bytes / 2 ** 20
    if (million >= 0) readings.push({ heap: mib(heapUsed), rss: mib(rss), outside: mib(external + arrayBuffers) })
  }
  return { readings }
}

serve({ weigh })
