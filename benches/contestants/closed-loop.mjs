/** Permits, and work run under them. */
import { Atrion, VirtualClock } from 'atrion'

const ROUTE = 'GET /checkout'

export const contestants = [
  {
    id: 'acquire',
    title: 'Atrion: acquire() + release()',
    prepare: () => {
      const atrion = new Atrion({ engine: 'native' })
      return {
        run: (n) => {
          for (let i = 0; i < n; i++) {
            const permit = atrion.acquire(ROUTE)
            if (!permit.allow) throw new Error('an idle route refused')
            permit.release()
          }
        },
      }
    },
  },
  {
    id: 'acquire-key',
    title: '… with a tier and a key',
    prepare: () => {
      const atrion = new Atrion({ engine: 'native' })
      return {
        run: (n) => {
          for (let i = 0; i < n; i++) atrion.acquire(ROUTE, { tier: 'high', key: 'user-8412' }).release()
        },
      }
    },
  },
  {
    id: 'refusal',
    title: 'Atrion: acquire(), refused',
    prepare: () => {
      const atrion = new Atrion({ engine: 'native' })
      atrion.override(ROUTE, 'open')
      return {
        run: (n) => {
          for (let i = 0; i < n; i++) if (atrion.acquire(ROUTE).allow) throw new Error('an open breaker admitted')
        },
      }
    },
  },
  {
    id: 'run',
    title: 'Atrion: run() of an async no-op',
    prepare: () => {
      const atrion = new Atrion({ engine: 'native' })
      const work = async () => {}
      return {
        run: async (n) => {
          for (let i = 0; i < n; i++) await atrion.run(ROUTE, work)
        },
      }
    },
  },
  {
    id: 'tick',
    title: 'Atrion: an acquire() that ticks, p99',
    kind: 'own',
    prepare: () => {
      const clock = new VirtualClock(1_000_000)
      const atrion = new Atrion({ engine: 'native', clock })
      return { turn: () => timeTicks(atrion, clock) }
    },
  },
]

const TICKS = 2000
/** Answers that make a window worth judging. */
const ANSWERS = 32

/** Fills a window, lets it pass, and times the one call that pays for the tick. */
async function timeTicks(atrion, clock) {
  const { quantileOf } = await import('../lib/statistics.mjs')
  const readings = new Float64Array(TICKS)
  for (let i = 0; i < TICKS; i++) {
    const permits = Array.from({ length: ANSWERS }, () => atrion.acquire(ROUTE))
    clock.advance(20)
    for (const permit of permits) permit.release()
    clock.advance(80)
    const startedAt = performance.now()
    const permit = atrion.acquire(ROUTE)
    readings[i] = (performance.now() - startedAt) * 1e6
    permit.release()
  }
  const sorted = readings.sort()
  return { ns: quantileOf(sorted, 0.99), p50: quantileOf(sorted, 0.5), p999: quantileOf(sorted, 0.999) }
}
