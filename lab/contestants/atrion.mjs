import { createRequire } from 'node:module'

const ROUTE = 'GET /work'

/** Atrion as a newcomer would set it up: one number, the deadline. */
export const atrion = {
  id: 'atrion',
  /** @returns {string | null} why it cannot take part, null when it can */
  unavailable() {
    try {
      const { Atrion } = createRequire(import.meta.url)('atrion')
      return typeof Atrion.prototype.acquire === 'function' ? null : 'this build has no acquire()'
    } catch (error) {
      return error.message.split('\n')[0]
    }
  },
  create({ clock, deadlineMs }) {
    const { Atrion } = createRequire(import.meta.url)('atrion')
    const slo = { maxAcceptableLatencyMs: deadlineMs }
    const guard = new Atrion({ clock, slo })
    return {
      name: 'Atrion',
      settings: { slo, engine: guard.engine },
      admit({ tier, key, queueAgeMs }) {
        const options = queueAgeMs === undefined ? { tier, key } : { tier, key, queueAgeMs }
        const permit = guard.acquire(ROUTE, options)
        return permit.allow ? { end: (outcome) => permit.release(outcome) } : null
      },
      inspect: () => guard.stats(ROUTE),
    }
  },
}
