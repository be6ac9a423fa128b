/** Other packages, each around an async no-op that succeeds, awaited. */
import { COCKATIEL } from '../../lab/contestants/settings.mjs'

const work = async () => {}

const executing = (policy) => ({
  run: async (n) => {
    for (let i = 0; i < n; i++) await policy.execute(work)
  },
})

const breaker = async () => {
  const { createCockatielBreaker } = await import('../../lab/contestants/cockatiel.mjs')
  return createCockatielBreaker(COCKATIEL)
}

export const contestants = [
  {
    id: 'opossum',
    title: 'opossum: fire',
    prepare: async () => {
      const { default: CircuitBreaker } = await import('opossum')
      const breaker = new CircuitBreaker(work, { timeout: false })
      return {
        run: async (n) => {
          for (let i = 0; i < n; i++) await breaker.fire()
        },
      }
    },
  },
  {
    id: 'cockatiel',
    title: 'cockatiel: breaker',
    prepare: async () => executing(await breaker()),
  },
  {
    id: 'cockatiel-bulkhead',
    title: 'cockatiel: bulkhead',
    prepare: async () => executing((await import('cockatiel')).bulkhead(64, 64)),
  },
  {
    id: 'cockatiel-wrap',
    title: 'cockatiel: breaker + bulkhead, wrapped',
    prepare: async () => {
      const { bulkhead, wrap } = await import('cockatiel')
      return executing(wrap(await breaker(), bulkhead(64, 64)))
    },
  },
]
