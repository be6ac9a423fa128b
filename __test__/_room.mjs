// Routes with few places, for the tests of the waiting room.
import { virtual } from './_engine.mjs'

/** The deadline, ms: while nothing is known of the service, all of it may be spent waiting. */
export const DEADLINE_MS = 500

/** Bounds a route to `max` places. */
export const furnish = (atrion, max = 1, routeId = 'route') => {
  atrion.configure(routeId, { limits: { min: 1, max, initial: max } })
  return atrion
}

/** An instance in virtual time whose only place is taken. */
export const crowded = async (options) => {
  const world = virtual(options)
  furnish(world.atrion)
  return { ...world, held: await world.atrion.enter('route', { tier: 'critical' }) }
}

/** The state of a promise: pending, or its value or error. */
export const outcomeOf = (promise) => {
  const seen = { settled: false }
  promise.then(
    (value) => Object.assign(seen, { settled: true, value }),
    (error) => Object.assign(seen, { settled: true, error }),
  )
  return seen
}
