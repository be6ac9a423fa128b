// Providers over tables of their own in one PostgreSQL server.
import { PostgresStateProvider } from 'atrion'

export const VECTOR = { scar: 12.5, momentumScalar: 0.25, lastTick: 7, resistance: 33 }

export const connected = async (provider) => {
  await provider.connect()
  return provider
}

/** The next report of a route. */
export const change = (provider, routeId) =>
  new Promise((resolve) => {
    const stop = provider.subscribe(routeId, (vector, origin) => {
      stop()
      resolve({ vector, origin })
    })
  })

/** The makers of families of providers, and of clients that count, over a pool. */
export const familiesOf = (pool) => {
  let tables = 0
  /** Providers over tables of their own. On a busy machine a statement may take longer than the usual five seconds. */
  const family = (t, options = {}) => {
    const table = `t${tables++}`
    return {
      table,
      make: (over = pool, more = {}) => {
        const provider = new PostgresStateProvider(over, {
          table,
          intervalMs: 20,
          timeoutMs: 60_000,
          ...options,
          ...more,
        })
        t.teardown(() => provider.disconnect())
        return provider
      },
    }
  }

  /** A client that counts the statements that it passes on. */
  const counting = (over = pool) => {
    const statements = []
    const query = (text, values) => {
      statements.push(text)
      return over.query(text, values)
    }
    return { query, statements, writes: () => statements.filter((text) => text.includes('insert into')).length }
  }

  return { family, counting }
}
