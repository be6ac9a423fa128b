import { createRequire } from 'node:module'

const load = () => createRequire(import.meta.url)('atrion').Atrion

/** Places of keys are the same in every run. */
const KEY_SECRET = 'the same in every run'

/** The features that a scenario may need of a build, each with its check. */
const FEATURES = {
  pool: (Atrion) => takes(Atrion, { pool: 'p' }),
  reserve: (Atrion) => takes(Atrion, { reserve: { bulk: 0.2 } }),
  lanes: (Atrion) => takes(Atrion, { lanes: { of: () => undefined, reserve: { a: 0.2 } } }),
  breakBy: (Atrion) => takes(Atrion, { breakBy: 'key' }),
}

function takes(Atrion, profile) {
  try {
    new Atrion().setRouteProfile('GET /probe', profile)
    return true
  } catch (error) {
    if (error.code === undefined) throw error
    return false
  }
}

/** Returns the reason why this build cannot take part, null when it can. */
function unavailable(method, needs) {
  try {
    const Atrion = load()
    if (typeof Atrion.prototype[method] !== 'function') return `this build has no ${method}()`
    const missing = needs.filter((need) => !FEATURES[need](Atrion))
    return missing.length === 0 ? null : `this build has no ${missing.join(', ')} in a route's profile`
  } catch (error) {
    return error.message.split('\n')[0]
  }
}

function guardOf({ clock, deadlineMs, profiles }) {
  const slo = { maxAcceptableLatencyMs: deadlineMs }
  const guard = new (load())({ clock, slo, keySecret: KEY_SECRET })
  for (const [route, profile] of Object.entries(profiles)) guard.setRouteProfile(route, profile)
  return { guard, slo }
}

const permitOf = (permit) => (permit.allow ? { end: (outcome) => permit.release(outcome) } : null)

/** Atrion as a newcomer would set it up: one number, the deadline. */
export const atrion = {
  id: 'atrion',
  /** @param {string[]} [needs] @returns {string | null} why it cannot take part, null when it can */
  unavailable: (needs = []) => unavailable('acquire', needs),
  create(options) {
    const { guard, slo } = guardOf(options)
    let last
    return {
      name: 'Atrion',
      settings: { slo, engine: guard.engine },
      admit({ route, tier, key, queueAgeMs }) {
        last = route
        const options = queueAgeMs === undefined ? { tier, key } : { tier, key, queueAgeMs }
        return permitOf(guard.acquire(route, options))
      },
      inspect: () => (last === undefined ? undefined : guard.stats(last)),
    }
  },
}

/** The same with its waiting room: a request that would be refused waits, at most until the deadline. */
export const atrionRoom = {
  id: 'atrion-room',
  needsTimers: true,
  unavailable: (needs = []) => unavailable('enter', needs),
  create(options) {
    const { guard, slo } = guardOf(options)
    const maxWaitMs = options.deadlineMs
    let last
    return {
      name: 'Atrion (waiting room)',
      settings: { slo, maxWaitMs, engine: guard.engine },
      admit({ route, tier, key, queueAgeMs, whenGone }) {
        last = route
        const options = queueAgeMs === undefined ? { tier, key, maxWaitMs } : { tier, key, maxWaitMs, queueAgeMs }
        if (whenGone === undefined) return guard.enter(route, options).then(permitOf)
        const gone = new AbortController()
        whenGone(() => gone.abort(null)) // an AbortError has a stack trace
        return guard.enter(route, { ...options, signal: gone.signal }).then(permitOf, (error) => {
          if (gone.signal.aborted) return null
          throw error
        })
      },
      inspect: () => (last === undefined ? undefined : guard.stats(last)),
    }
  },
}
