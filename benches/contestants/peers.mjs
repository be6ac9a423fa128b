/** What others cost, each around an async no-op that succeeds, awaited. */
const work = async () => {}

const executing = (policy) => ({
  run: async (n) => {
    for (let i = 0; i < n; i++) await policy.execute(work)
  },
})

const breakerOf = ({ circuitBreaker, handleAll, ConsecutiveBreaker }) =>
  circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) })

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
    prepare: async () => executing(breakerOf(await import('cockatiel'))),
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
      const cockatiel = await import('cockatiel')
      return executing(cockatiel.wrap(breakerOf(cockatiel), cockatiel.bulkhead(64, 64)))
    },
  },
]
