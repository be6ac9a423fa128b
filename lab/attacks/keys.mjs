/** Keys that an attacker chooses, in virtual time: what honest users keep of the share that they have where it does not choose. */
import { virtual } from '../../__test__/_engine.mjs'
import { offer } from '../../__test__/_plant.mjs'

/** Ten workers of 20 ms; honest users and the attacker each send as much as they can do. */
const WORLD = { workers: 10, serviceMs: 20, ratePerS: 1000, durationMs: 20_000 }
const DEADLINE_MS = 500
const COUNT_FROM_MS = 4000
/** Accounts that the attacker has. */
const ACCOUNTS = 1000

const HOUR_MS = 3_600_000
/** So that a run repeats; the attackers do not know it. */
const SECRET = 'a secret of the attack table'

/** The place of a key in versions before 3.0.0: a hash without a secret, which any client could compute. */
const formerPlaceOf = (key, hour) => {
  let hash = 0x811c9dc5 ^ hour
  for (const char of key) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000
}

const any = (list, random) => list[Math.floor(random() * list.length)]

const BEARERS = Array.from({ length: ACCOUNTS }, (_, i) => `Bearer ${i}`)

/** The strategies of the attacker: `key(random)`, and its use of the answers. */
const choices = {
  random: () => ({ key: (random) => any(BEARERS, random) }),
  // Those that were served lately are asked for again.
  served: () => {
    const served = new Set()
    return {
      key: (random) => (served.size > 0 && random() < 0.9 ? any([...served], random) : any(BEARERS, random)),
      hear: (key, allow) => (allow ? served.add(key) : served.delete(key)),
    }
  },
  offline: () => {
    const hour = Math.floor(1_000_000 / HOUR_MS)
    const keys = []
    for (let i = 0; keys.length < ACCOUNTS; i++)
      if (formerPlaceOf(`Bearer ${i}`, hour) > 0.999) keys.push(`Bearer ${i}`)
    return { key: (random) => any(keys, random) }
  },
  long: () => {
    const keys = Array.from({ length: ACCOUNTS }, (_, i) => `${'t'.repeat(2000)}${i}`)
    return { key: (random) => any(keys, random) }
  },
  collisions: () => ({ key: (random) => any(['', '\0', '0', 'null', 'undefined', '__proto__', '\ud800'], random) }),
}

/** The share of honest requests that are answered in time. */
const honestShare = (seed, choose) => {
  const { key, hear } = choose()
  const world = virtual({ keySecret: SECRET })
  const acquire = world.atrion.acquire.bind(world.atrion)
  world.atrion.acquire = (routeId, options) => {
    const permit = acquire(routeId, options)
    if (!options.key.startsWith('user-')) hear?.(options.key, permit.allow)
    return permit
  }
  const optionsOf = (i, random) => ({ key: i % 2 === 0 ? `user-${Math.floor(random() * 1e6)}` : key(random) })
  const { requests } = offer({ ...WORLD, world, seed, optionsOf })
  const honest = requests.filter(({ atMs }, i) => i % 2 === 0 && atMs >= COUNT_FROM_MS)
  return honest.filter(({ allow, latencyMs }) => allow && latencyMs <= DEADLINE_MS).length / honest.length
}

const SEEDS = [1, 2, 3]
const meanOf = (choose) => SEEDS.reduce((sum, seed) => sum + honestShare(seed, choose), 0) / SEEDS.length

let random
const row = (id, title, choose) => ({
  id,
  title,
  atLeast: 0.95,
  run: () => {
    random ??= meanOf(choices.random)
    return { without: random, under: meanOf(choose), unit: 'honest share' }
  },
})

export const attacks = [
  row('keys-offline', 'keys near the top of the former hash', choices.offline),
  row('keys-long', 'keys that differ after 2,000 characters', choices.long),
  row('keys-served', 'keys of 1,000 that were served lately', choices.served),
  row('keys-strange', 'seven keys that are no names', choices.collisions),
]
