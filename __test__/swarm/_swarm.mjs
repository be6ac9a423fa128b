// Swarms of tests, and calls that stay under way.
import { virtual } from '../_engine.mjs'

/** A swarm on an instance in virtual time. */
export const swarmOf = (budget, options = {}, world = virtual()) => ({
  ...world,
  swarm: world.atrion.createSwarm('root', { budget, ...options }),
})

/** The account of a unit. */
export const unitOf = (swarm, unit = 'usd') => swarm.stats().units[unit]

/** A call that stays under way until it is ended. */
export const begin = async (swarm, estimate, options) => {
  const call = {}
  const begun = new Promise((resolve, reject) => {
    call.result = swarm.run(
      estimate,
      (lease, signal) =>
        new Promise((end, fail) => {
          Object.assign(call, { lease, signal, end, fail })
          resolve()
        }),
      options,
    )
    call.result.catch(reject)
  })
  await begun
  return call
}
