import { aimd } from './aimd.mjs'
import { atrion, atrionRoom } from './atrion.mjs'
import { ceiling } from './ceiling.mjs'
import { cockatiel } from './cockatiel.mjs'
import { codel } from './codel.mjs'
import { gradient2 } from './gradient2.mjs'
import { bestFixed, neverMoves, reserved } from './limit.mjs'
import { alwaysAdmits, alwaysRefuses, none } from './none.mjs'
import { opossum } from './opossum.mjs'
import { tokenBucket } from './token-bucket.mjs'
import { vegas } from './vegas.mjs'

/**
 * Everyone in the virtual arena, in the order of the scoreboard. `@fastify/under-pressure` and `toobusy-js` are
 * missing on purpose: they sample the lag of the real event loop, which does not exist in virtual time, so they
 * compete on the real plant only.
 */
export const CONTESTANTS = [
  ...[atrion, atrionRoom, bestFixed, reserved, gradient2, aimd, vegas, codel],
  ...[tokenBucket, opossum, cockatiel, none],
]

/** On the scoreboard, but no competitor: it knows what no controller can. */
export const REFERENCES = [ceiling]

/** Controllers that must fail; if one passes, the arena is too easy to mean anything. */
export const CONTROLS = [neverMoves, alwaysAdmits, alwaysRefuses]

/** Contestants from modules outside the lab. */
const guests = []

/**
 * Lets further contestants take part: each module's default export, one contestant or several.
 * @param {string[]} modules addresses that `import` takes
 * @returns {Promise<object[]>} the contestants
 */
export async function invite(modules) {
  for (const address of modules) {
    for (const guest of [(await import(address)).default].flat()) {
      if (typeof guest?.id !== 'string' || typeof (guest.create ?? guest.variants) !== 'function') {
        throw new TypeError(`the default export of ${address} must be contestants, each with an id and create()`)
      }
      if (entrantById(guest.id) !== undefined) throw new RangeError(`there is a contestant '${guest.id}' already`)
      guests.push(guest)
    }
  }
  return guests
}

/** @param {string} id */
export const entrantById = (id) =>
  [...CONTESTANTS, ...guests, ...REFERENCES, ...CONTROLS].find((entrant) => entrant.id === id)
