// Nodes of a service: instances of Atrion that share their scars through Redis, and what is asked of them.
import { Atrion, RedisStateProvider } from 'atrion'
import { CALM, engine, memoryLogger } from '../_engine.mjs'
import { until } from '../_patience.mjs'

/** S of one lease that failed, Ω. */
const LEASE_SCAR = 5
const BOOTSTRAP_TICKS = 10

export { until }

export class Node {
  provider
  atrion
  logger = memoryLogger()
  /** 'degraded' and 'restored', in the order in which they came. */
  heard = []

  /** `redis` is what RedisStateProvider takes, the rest what Atrion does. */
  constructor(redis, options = {}) {
    this.provider = new RedisStateProvider(redis)
    this.atrion = new Atrion({ engine, logger: this.logger, provider: this.provider, ...options })
    this.atrion.on('degraded', ({ provider, error }) => this.#hear('degraded', provider, error))
    this.atrion.on('restored', ({ provider }) => this.#hear('restored', provider))
  }

  /**
   * A node that is connected, and is disconnected when the test ends. Where an attempt has a time limit of the test's, it may miss it on a
   * busy machine, and another one follows.
   */
  static async connected(t, redis, options) {
    const isBound = redis?.connectTimeoutMs !== undefined && redis.required === undefined
    const node = new Node(isBound ? { ...redis, required: false } : redis, options)
    t.teardown(() => node.atrion.disconnect())
    await node.atrion.connect()
    if (!isBound) return node
    await until(() => node.provider.stats().state === 'healthy', 'a connection')
    await until(() => node.turns.length % 2 === 0, 'that the first attempts are over')
    node.heard.length = 0
    node.logger.entries.length = 0
    return node
  }

  get warnings() {
    return this.logger.entries.filter(({ level }) => level === 'warn').map(({ message }) => message)
  }

  /** Hurts a route by so many Ω. */
  async hurt(routeId, ohms = 40) {
    for (let i = 0; i < ohms / LEASE_SCAR; i++) {
      const lease = await this.atrion.startTask(routeId)
      await lease.release('failed')
    }
  }

  /** One tick of a route; a decision that cannot be made throws. */
  decide(routeId) {
    const decision = this.atrion.route(routeId, CALM)
    if (!Number.isFinite(decision.resistance)) throw new Error(`R = ${decision.resistance}`)
    return decision
  }

  scarOf(routeId) {
    return this.atrion.getState(routeId)?.scarTissue ?? 0
  }

  /** S, Ω, without what others say. */
  ownScarOf(routeId) {
    return this.atrion.snapshot().find((route) => route.routeId === routeId)?.scarTissue ?? 0
  }

  /** R, Ω, of a route that has seen enough to be OPERATIONAL. */
  resistanceOf(routeId) {
    for (let tick = 0; tick < BOOTSTRAP_TICKS; tick++) this.decide(routeId)
    return this.decide(routeId).resistance
  }

  /** Waits until the others' scars show on a route of this node. */
  feels(routeId) {
    this.decide(routeId)
    return until(() => this.scarOf(routeId) > 1, `a scar on '${routeId}' by what others say`)
  }

  /** Waits for a number of events; 1 is the first. */
  async reported(kind, times = 1) {
    await until(() => this.heard.filter((heard) => heard.kind === kind).length >= times, `'${kind}', ${times}`)
    return this.heard.filter((heard) => heard.kind === kind)[times - 1]
  }

  /** The kinds of events so far. */
  get turns() {
    return this.heard.map(({ kind }) => kind)
  }

  #hear(kind, provider, error) {
    this.heard.push({ kind, provider, error })
  }
}
