// A botnet floods a login; each address is a route, and misbehaviour makes its own path slow.
import { createRequire } from 'node:module'
import { steps } from '../driver/curve.mjs'
import { quantile, Stage, Workers } from './stage.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

const ATTACK_S = [5, 25]
const END_S = 40
const USERS = 200
const REQUESTS_PER_USER_S = 2
const BOTS = 40
const CONNECTIONS_PER_BOT = 10
const THINK_MS = 2
const DEADLINE_MS = 100
const SAMPLE_MS = 100
/** Requests a second that one address may reasonably make. */
const REASONABLE_PER_S = 40
/** A path of 10 Ω is free; each further ohm holds an answer back for 100 ms, five seconds at most. */
const holdMs = (ohms) => Math.min(Math.max(0, (ohms - 15) * 100), 5000)

/** The part of the memory of requests and failures that is left after a sample: half after three seconds. */
const MEMORY = 0.5 ** (SAMPLE_MS / 3000)

/** Measures each address, and reports to Atrion ten times a second. The break point is static: no attacker teaches a tuner. */
class Addresses {
  #guard
  #seen = new Map()
  maxOhms = 0
  broken = new Set()

  constructor(stage) {
    this.#guard = new Atrion({ clock: stage, autoTuner: false })
    stage.every(SAMPLE_MS, END_S * 1000, () => this.#sample())
  }

  #of(address) {
    let seen = this.#seen.get(address)
    if (seen === undefined) {
      seen = { now: 0, requests: 0, failed: 0, decision: { resistance: 10, mode: 'BOOTSTRAP' } }
      this.#seen.set(address, seen)
    }
    return seen
  }

  arrived(address) {
    const seen = this.#of(address)
    seen.now += 1
    seen.requests += 1
  }

  failed(address) {
    this.#of(address).failed += 1
  }

  holdMs(address) {
    return holdMs(this.#of(address).decision.resistance)
  }

  isOpen(address) {
    return this.#of(address).decision.mode === 'CIRCUIT_BREAKER'
  }

  #sample() {
    for (const [address, seen] of this.#seen) {
      const saturation = Math.min(1, (seen.now * 1000) / SAMPLE_MS / REASONABLE_PER_S)
      // A mistyped password is common: a few failures are none.
      const errorRate = seen.failed > 4 ? seen.failed / seen.requests : 0
      seen.decision = this.#guard.route(`address:${address}`, { latencyMs: 5, errorRate, saturation })
      seen.now = 0
      seen.requests *= MEMORY
      seen.failed *= MEMORY
      this.maxOhms = Math.max(this.maxOhms, seen.decision.resistance)
      if (seen.decision.mode === 'CIRCUIT_BREAKER') this.broken.add(address)
    }
  }
}

/** Without a tarpit every address is welcome. */
const open = () => ({ arrived() {}, failed() {}, holdMs: () => 0, isOpen: () => false, maxOhms: 10, broken: new Set() })

async function play(seed, create) {
  const stage = new Stage(`tarpit/${seed}`)
  const plant = new Workers(stage, { workers: 10, serviceMs: 5 })
  const chance = Object.fromEntries(['users', 'errors'].map((name) => [name, stage.chance(name)]))
  const addresses = create(stage)
  const users = { requests: 0, good: 0, heldMs: 0 }
  const bots = { loads: 0, latenciesMs: [], lateMs: [] }

  /** One request: refused after a hold, or held, worked on and answered. */
  const request = (address, failShare, answered) => {
    addresses.arrived(address)
    const heldMs = addresses.holdMs(address)
    const refused = addresses.isOpen(address)
    stage.after(heldMs, () => {
      if (refused) return answered(false, heldMs)
      return plant.submit(() => {
        if (chance.errors() < failShare) addresses.failed(address)
        answered(true, heldMs)
      })
    })
  }
  stage.arrivals('users', steps([0, USERS * REQUESTS_PER_USER_S]), END_S * 1000, () => {
    const sentMs = stage.now()
    users.requests += 1
    request(`user-${Math.floor(chance.users() * USERS)}`, 0.02, (welcome, heldMs) => {
      users.heldMs = Math.max(users.heldMs, heldMs)
      if (welcome && stage.now() - sentMs <= DEADLINE_MS) users.good += 1
    })
  })
  const attack = (bot) => {
    const sentMs = stage.now()
    if (sentMs >= ATTACK_S[1] * 1000) return
    request(`bot-${bot}`, 0.9, (welcome) => {
      if (welcome) bots.loads += 1
      const tookMs = stage.now() - sentMs
      if (sentMs < (ATTACK_S[0] + 1) * 1000) bots.latenciesMs.push(tookMs)
      if (sentMs >= (ATTACK_S[0] + 5) * 1000) bots.lateMs.push(tookMs)
      stage.after(THINK_MS, () => attack(bot))
    })
  }
  for (let bot = 0; bot < BOTS; bot += 1) {
    for (let k = 0; k < CONNECTIONS_PER_BOT; k += 1) stage.at(ATTACK_S[0] * 1000 + k, () => attack(bot))
  }
  await stage.play((END_S + 10) * 1000)
  return {
    userSuccess: users.good / users.requests,
    longestHoldOfUserMs: users.heldMs,
    botLoadPerS: bots.loads / (ATTACK_S[1] - ATTACK_S[0]),
    botFirstMs: quantile(bots.latenciesMs, 0.1),
    botLateMs: quantile(bots.lateMs, 0.5),
    maxOhms: addresses.maxOhms,
    botsBroken: [...addresses.broken].filter((address) => address.startsWith('bot-')).length,
    usersBroken: [...addresses.broken].filter((address) => address.startsWith('user-')).length,
  }
}

export default {
  name: 'tarpit',
  aliases: ['ddos', 'security'],
  shows:
    'a route for each address: an address that floods and fails raises the resistance of its own route, and of no other',
  setUp:
    '200 users at 2 requests/s; for 20 s 40 bots with 10 connections each, as fast as answers come, 90 % failed logins; 10 workers of 5 ms. Above 15 Ω each ohm holds an answer 100 ms, up to 5 s',
  async play({ seed }) {
    return { open: await play(seed, open), atrion: await play(seed, (stage) => new Addresses(stage)) }
  },
  claims: [
    { says: 'bots come to wait five seconds', figure: 'atrion.botLateMs', is: '>=', value: 5000, headline: true },
    { says: 'resistance passes 100 Ω', figure: 'atrion.maxOhms', is: '>=', value: 100 },
    { says: 'and their breakers open', figure: 'atrion.botsBroken', is: '=', value: BOTS },
    { says: 'no user is broken', figure: 'atrion.usersBroken', is: '=', value: 0 },
    { says: 'nor held', figure: 'atrion.longestHoldOfUserMs', is: '=', value: 0 },
    { says: 'nine tenths of the flood are spent', figure: 'atrion.botLoadPerS', is: '<=', value: 165 },
    { says: 'and users are served', figure: 'atrion.userSuccess', is: '>', than: 'open.userSuccess' },
    { says: 'but for the first seconds, all', figure: 'atrion.userSuccess', is: '>=', value: 0.95 },
  ],
}
