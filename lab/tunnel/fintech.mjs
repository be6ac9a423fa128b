// The card network becomes a zombie: alive for health checks, five seconds slow for every other request.
import { steps } from '../driver/curve.mjs'
import { exponential } from '../driver/random.mjs'
import { GUARDS } from './guards.mjs'
import { Stage } from './stage.mjs'

const CONNECTIONS = 100
const CALLS_PER_S = 300
const ZOMBIE_S = [10, 25]
const END_S = 80

/** Share of the traffic, mean time of a call when well, and how long the caller waits. */
const ROUTES = {
  'GET /balance': { share: 0.7, wellMs: 20, deadlineMs: 200, usesCards: false },
  'POST /payment': { share: 0.25, wellMs: 60, deadlineMs: 500, usesCards: true },
  'POST /refund': { share: 0.05, wellMs: 80, deadlineMs: 500, usesCards: true },
}

/** The settings of an operator: three times the route's part of the traffic, and its deadline. */
const settings = Object.fromEntries(
  Object.entries(ROUTES).map(([route, { share, deadlineMs }]) => [
    route,
    { capacityPerS: 3 * share * CALLS_PER_S, deadlineMs },
  ]),
)

const isZombie = (tMs) => tMs >= ZOMBIE_S[0] * 1000 && tMs < ZOMBIE_S[1] * 1000

/** The gateway's connections: a request that is let in holds one until the provider has answered. */
class Connections {
  #free = CONNECTIONS
  #waiting = []

  take(use) {
    if (this.#free === 0) return this.#waiting.push(use)
    this.#free -= 1
    return use()
  }

  give() {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}

async function play(seed, { create, withTimers }) {
  const stage = new Stage(`fintech/${seed}`)
  const connections = new Connections()
  const chance = Object.fromEntries(['route', 'service', 'errors', 'users'].map((name) => [name, stage.chance(name)]))
  const calls = []
  let guard

  const provider = (route, done) => {
    const { wellMs, usesCards } = ROUTES[route]
    const zombie = usesCards && isZombie(stage.now())
    const tookMs = zombie ? 2000 + chance.service() * 3000 : wellMs * (0.5 + 0.5 * exponential(chance.service))
    const wrong = chance.errors() < (zombie ? 0.3 : 0.002)
    stage.after(tookMs, () => done(!wrong))
  }
  const draw = () => {
    let u = chance.route()
    return Object.keys(ROUTES).find((name) => {
      u -= ROUTES[name].share
      return u < 0
    })
  }
  stage.arrivals('calls', steps([0, CALLS_PER_S]), END_S * 1000, () => {
    const route = draw() ?? 'GET /balance'
    const call = { route, sentMs: stage.now(), good: false, shed: false }
    calls.push(call)
    const permit = guard.enter(route, { key: `user-${Math.floor(chance.users() * 10_000)}` })
    if (permit === null) {
      call.shed = true
      return
    }
    connections.take(() =>
      provider(route, (right) => {
        connections.give()
        permit.end(right ? 'success' : 'failure')
        call.good = right && stage.now() - call.sentMs <= ROUTES[route].deadlineMs
      }),
    )
  })
  await stage.play((END_S + 30) * 1000, withTimers, () => {
    guard = create(stage, settings)
  })
  guard.close?.()
  return read(calls)
}

function read(calls) {
  const within = (route, from, to) =>
    calls.filter((c) => c.route === route && c.sentMs >= from * 1000 && c.sentMs < to * 1000)
  const share = (list, what) => list.filter((c) => c[what]).length / list.length
  const during = within('POST /payment', ZOMBIE_S[0], ZOMBIE_S[1])
  const firstShed = during.find((c) => c.shed)
  let recoveryS = Number.POSITIVE_INFINITY
  for (let s = ZOMBIE_S[1]; s + 1 <= END_S && recoveryS === Number.POSITIVE_INFINITY; s += 0.1) {
    if (share(within('POST /payment', s, s + 1), 'good') >= 0.95) recoveryS = Math.round((s - ZOMBIE_S[1]) * 10) / 10
  }
  return {
    balanceThroughout: share(within('GET /balance', 0, END_S), 'good'),
    balanceWhileZombie: share(within('GET /balance', ...ZOMBIE_S), 'good'),
    balanceShed: share(within('GET /balance', 0, END_S), 'shed'),
    detectedAfterS: firstShed === undefined ? Number.POSITIVE_INFINITY : firstShed.sentMs / 1000 - ZOMBIE_S[0],
    paymentsSpared: share(within('POST /payment', ZOMBIE_S[0] + 2, ZOMBIE_S[1]), 'shed'),
    recoveryS,
  }
}

export default {
  name: 'fintech',
  shows:
    'a zombie: the card network answers health checks, and every other request five seconds late. Atrion detects it, and refuses on the routes that use it alone',
  setUp:
    '100 connections, 300 calls/s: 70 % balance, 25 % payment, 5 % refund; for 15 s card calls take 2 to 5 s and 30 % are wrong. A health check sees nothing',
  async play({ seed }) {
    const figures = {}
    for (const [name, guard] of Object.entries(GUARDS)) figures[name] = await play(seed, guard)
    return figures
  },
  claims: [
    { says: 'the zombie is detected', figure: 'atrion.detectedAfterS', is: '<=', value: 3, headline: true },
    { says: 'and left alone', figure: 'atrion.paymentsSpared', is: '>=', value: 0.9 },
    { says: 'balances hardly notice', figure: 'atrion.balanceThroughout', is: '>=', value: 0.99 },
    { says: 'hardly any is refused', figure: 'atrion.balanceShed', is: '<=', value: 0.01 },
    { says: 'without a guard they fall with it', figure: 'none.balanceWhileZombie', is: '<', value: 0.5 },
    { says: 'payments return', figure: 'atrion.recoveryS', is: '<=', value: 3 },
    { says: 'before opossum lets them', figure: 'atrion.recoveryS', is: '<', than: 'opossum.recoveryS' },
  ],
}
