// A calls B calls C. C falls; do B and A?
import { steps } from '../driver/curve.mjs'
import { exponential } from '../driver/random.mjs'
import { GUARDS } from './guards.mjs'
import { Stage } from './stage.mjs'

const SLOTS = 50
const DOWN_S = [10, 25]
const END_S = 80
const DEADLINE_MS = 500
const FAST_MS = 50
/** The time that A waits for B, and B for C, before it gives up by itself. */
const PATIENCE_MS = 3000

/** A caller keeps some of its slots for its own work, as a bulkhead does. */
const LIMITS = { max: 40 }

const SETTINGS = {
  B: { capacityPerS: 600, deadlineMs: DEADLINE_MS, limits: LIMITS },
  C: { capacityPerS: 600, deadlineMs: DEADLINE_MS, limits: LIMITS },
}

/** A service that works on so many requests at once; the others wait. */
class Service {
  #stage
  #free = SLOTS
  #waiting = []

  constructor(stage) {
    this.#stage = stage
  }

  /** Calls `work` with a `leave` once there is a slot, unless the caller has given up by then. */
  enter(work) {
    const giveUpMs = this.#stage.now() + PATIENCE_MS
    const start = () => {
      if (this.#stage.now() > giveUpMs) this.#leave()
      else work(() => this.#leave())
    }
    if (this.#free === 0) this.#waiting.push(start)
    else {
      this.#free -= 1
      start()
    }
  }

  #leave() {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}

async function play(seed, { create, withTimers }) {
  const stage = new Stage(`domino/${seed}`)
  const service = stage.chance('service')
  const a = new Service(stage)
  const b = new Service(stage)
  const orders = []
  const statuses = []
  let guards

  const isDown = () => stage.now() >= DOWN_S[0] * 1000 && stage.now() < DOWN_S[1] * 1000
  const askC = (done) => {
    if (isDown()) stage.after(2000, () => done(false))
    else stage.after(10 + 10 * exponential(service), () => done(true))
  }
  /** A call through a guard: refused at once, or answered, or given up. */
  const guarded = (guard, route, call, done) => {
    const permit = guard.enter(route)
    if (permit === null) return done(false)
    let settled = false
    const settle = (good) => {
      if (settled) return
      settled = true
      permit.end(good ? 'success' : 'failure')
      done(good)
    }
    stage.after(PATIENCE_MS, () => settle(false))
    return call(settle)
  }
  const askB = (done) =>
    b.enter((leave) =>
      guarded(guards.b, 'C', askC, (good) => {
        leave()
        stage.after(1, () => done(good))
      }),
    )
  const ask = (list, work) => {
    const request = { sentMs: stage.now(), tookMs: Number.POSITIVE_INFINITY, good: false }
    list.push(request)
    a.enter((leave) =>
      work((good) => {
        leave()
        request.tookMs = stage.now() - request.sentMs
        request.good = good && request.tookMs <= DEADLINE_MS
      }),
    )
  }
  stage.arrivals('orders', steps([0, 200]), END_S * 1000, () => {
    ask(orders, (done) => guarded(guards.a, 'B', askB, done))
  })
  stage.arrivals('statuses', steps([0, 50]), END_S * 1000, () => {
    ask(statuses, (done) => stage.after(2, () => done(true)))
  })
  await stage.play((END_S + 10) * 1000, withTimers, () => {
    guards = { a: create(stage, { B: SETTINGS.B }), b: create(stage, { C: SETTINGS.C }) }
  })
  guards.a.close?.()
  guards.b.close?.()

  const within = (list, from, to) => list.filter((r) => r.sentMs >= from * 1000 && r.sentMs < to * 1000)
  const share = (list, test) => list.filter(test).length / list.length
  let recoveryS = Number.POSITIVE_INFINITY
  for (let s = DOWN_S[1]; s + 1 <= END_S && recoveryS === Number.POSITIVE_INFINITY; s += 0.1) {
    if (share(within(orders, s, s + 1), (r) => r.good) >= 0.95) recoveryS = Math.round((s - DOWN_S[1]) * 10) / 10
  }
  return {
    before: share(within(orders, 0, DOWN_S[0] - 1), (r) => r.good),
    fastFailures: share(within(orders, DOWN_S[0] + 4, DOWN_S[1] - 2), (r) => r.tookMs <= FAST_MS),
    statusWhileDown: share(within(statuses, DOWN_S[0], DOWN_S[1] + 2), (r) => r.good),
    recoveryS,
    after: share(within(orders, DOWN_S[1] + 4, END_S), (r) => r.good),
  }
}

export default {
  name: 'domino',
  aliases: ['microservices'],
  shows:
    'three services in a row: when the last one fails, the others refuse at once instead of waiting, and go on serving the rest',
  setUp:
    'A calls B calls C, 50 slots each, 200 orders/s; C answers after 2 s, with an error, for 15 s. A has 50 status requests/s of its own',
  async play({ seed }) {
    const figures = {}
    for (const [name, guard] of Object.entries(GUARDS)) figures[name] = await play(seed, guard)
    return figures
  },
  claims: [
    { says: 'failures are fast', figure: 'atrion.fastFailures', is: '>=', value: 0.9, headline: true },
    { says: "A's own work goes on", figure: 'atrion.statusWhileDown', is: '>=', value: 0.99 },
    { says: 'without, A falls with C', figure: 'none.statusWhileDown', is: '<', value: 0.5 },
    { says: 'the chain stands again', figure: 'atrion.recoveryS', is: '<=', value: 3 },
    { says: 'sooner than with opossum', figure: 'atrion.recoveryS', is: '<', than: 'opossum.recoveryS' },
    { says: 'for good', figure: 'atrion.after', is: '>=', value: 0.99 },
  ],
}
