/** Carries state to and from a provider of any origin: a call a route, a bounded number at a time. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { SyncError } from '../base/errors.js'
import { errorOf, subscribed } from '../base/host-calls.js'
import { isRouteId } from '../base/input.js'
import { later } from '../base/later.js'
import { own, ownOptions } from '../base/own.js'
import { isError } from '../base/realm.js'
import {
  isPhysicsVector,
  type PhysicsVector,
  type StateProvider,
  VECTOR_NAMES,
  type VectorOrigin,
} from '../providers/provider.js'
import type { Health } from './health.js'
import { amountOf, PeerReports } from './peer-reports.js'
import type { RouteSource, SyncTransport } from './transport.js'

/** Calls to the store that may be under way at once, where the provider says nothing else. A call that never settles holds one of them for ever, and nothing else. */
const CONCURRENCY = 64
/** Calls are judged at least once in so many rounds. */
const LATE_ROUNDS = 10
/** `disconnect()` waits no longer for calls that do not settle, ms. */
const PATIENCE_MS = 5000
/** Pauses between attempts to reach a store that is not required, ms. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** Routes taken over from the store at once, before others may run. */
const LOAD_CHUNK = 4096

export class ProviderTransport implements SyncTransport {
  readonly #provider: StateProvider
  readonly #source: RouteSource
  readonly #health: Health
  readonly #gamma: number
  readonly #reports: PeerReports
  /** Routes to send, and those whose last call has not settled yet. */
  readonly #changed: BoundedRoutes<true>
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #subscriptions: BoundedRoutes<() => void>
  readonly #mostUnderWay: number
  /** True when the provider settles calls in batches of its own. */
  readonly #settlesTogether: boolean
  #isJudging = false
  /** The number of the connection that is wanted; 0: none is. */
  #wanted = 0
  #connects = 0
  /** True while a store that is not required has not been reached yet. */
  #isAbsent = false
  #joinTimer: ReturnType<typeof setTimeout> | undefined
  /** Rounds since the calls were judged. */
  #unjudged = 0
  #worked = 0
  #failed: { routeId: string; cause: unknown } | undefined

  constructor(provider: StateProvider, source: RouteSource, health: Health, gamma: number) {
    this.#provider = provider
    this.#source = source
    this.#health = health
    this.#gamma = gamma
    this.#reports = new PeerReports(source.maxRoutes, own(provider, 'hasProvedNodes'), own(provider, 'zone'))
    const most = own(provider, 'maxConcurrentUpdates')
    this.#settlesTogether = typeof most === 'number' && most >= 1
    this.#mostUnderWay = this.#settlesTogether ? most! : CONCURRENCY
    this.#changed = new BoundedRoutes(source.maxRoutes)
    this.#subscriptions = new BoundedRoutes(source.maxRoutes)
  }

  async start(): Promise<void> {
    this.#wanted = ++this.#connects
    try {
      await this.#join(this.#wanted)
    } catch (error) {
      if (own(this.#provider, 'required') !== false) {
        this.#wanted = 0
        throw error
      }
      this.#health.degraded(isError(error) ? errorOf(error) : new SyncError('*', error))
      this.#joinLater(0)
    }
  }

  /** Tries again to reach a store that was not there, later and later, until it is or {@link ProviderTransport.stop} is called. */
  #joinLater(failures: number): void {
    this.#isAbsent = true
    // Not all nodes at once.
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures, 10), LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2)
    const connection = this.#wanted
    this.#joinTimer = setTimeout(() => {
      this.#join(connection).catch(() => {
        if (this.#wanted === connection) this.#joinLater(failures + 1)
      })
    }, pauseMs)
    this.#joinTimer.unref?.()
  }

  /** @param connection an attempt that settles after {@link ProviderTransport.stop}, and perhaps another start, counts for nothing */
  async #join(connection: number): Promise<void> {
    await this.#provider.connect()
    if (this.#wanted !== connection) return
    this.#isAbsent = false
    this.#health.restored()
    this.#reports.listen(this.#source.nowMs())
    this.#collect()
    // Without weight for the others nothing is taken over.
    if (this.#gamma > 0) await this.#load()
    this.#judge()
  }

  sync(): void {
    if (this.#isAbsent) {
      this.#collect()
      return
    }
    // With a store that is slower than changes come, there is always a call under way.
    if (++this.#unjudged >= LATE_ROUNDS) this.#judge()
    this.#collect()
    this.#send()
    this.#reports.current(this.#source.nowMs(), this.#source.decayRate(), (routeId, reports) => {
      this.#source.blend(routeId, reports, this.#gamma)
    })
  }

  async flush(): Promise<void> {
    this.sync()
    if (this.#isAbsent) return
    await within(PATIENCE_MS, this.#sendAll())
    this.#judge()
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe()
    this.#subscriptions.clear()
    this.#reports.clear((routeId) => this.#source.blend(routeId, [], this.#gamma))
    this.#collect(false)
    this.#wanted = 0
    clearTimeout(this.#joinTimer)
    if (!this.#isAbsent) await within(PATIENCE_MS, this.#sendAll())
    this.#isAbsent = false
    this.#judge()
    await this.#provider.disconnect()
  }

  async forget(routeId: string): Promise<void> {
    this.#changed.delete(routeId)
    this.#reports.forget(routeId)
    await this.#call(routeId, () => this.#provider.deleteVector(routeId))
    this.#judge()
  }

  /** @param listens false: it ends, and watches no more routes */
  #collect(listens = true): void {
    for (let routeId = this.#source.nextUsed(); routeId !== undefined; routeId = this.#source.nextUsed()) {
      if (!this.#changed.has(routeId)) this.#changed.set(routeId, true)
      if (listens) this.#subscribe(routeId)
    }
  }

  /** Starts as many calls as may be under way; a route whose last call has not settled waits for the next round. */
  #send(): void {
    for (const routeId of this.#changed.keys()) {
      if (this.#underWay.size >= this.#mostUnderWay) return
      if (this.#underWay.has(routeId)) continue
      this.#changed.delete(routeId)
      const vector = this.#source.vectorOf(routeId)
      if (vector === undefined) continue
      const call = this.#call(routeId, () => this.#provider.updateVector(routeId, vector)).then(() => {
        this.#underWay.delete(routeId)
        // The batch goes on where it stopped; what has changed meanwhile is a matter of the next round.
        if (this.#underWay.size === 0) this.#judge()
        else this.#send()
        if (this.#settlesTogether) this.#judgeSoon()
      })
      this.#underWay.set(routeId, call)
    }
  }

  async #sendAll(): Promise<void> {
    for (this.#send(); this.#underWay.size > 0; this.#send()) await Promise.race(this.#underWay.values())
  }

  async #load(): Promise<void> {
    const { maxRoutes } = this.#source
    let loaded = 0
    const take = (routeId: unknown, given: unknown, age: unknown): void => {
      if (!isRouteId(routeId) || loaded >= maxRoutes) return
      const vector = readVector(given)
      if (vector === undefined) return
      loaded += 1
      const ageMs = amountOf(age)
      const scar = vector.scar * Math.exp((-this.#source.decayRate() * ageMs) / 1000)
      const gamma = own(this.#provider, 'ownsRecords') === true ? undefined : this.#gamma
      if (!this.#source.inherit(routeId, scar, vector.lastTick, gamma)) this.#receive(routeId, vector, { ageMs })
    }
    if (own(this.#provider, 'load') !== undefined) {
      await this.#call('*', async () => {
        let taken = 0
        for (const [routeId, vector, ageMs] of await this.#provider.load!(maxRoutes)) {
          take(routeId, vector, ageMs)
          // A store that gives more than was asked for may never end.
          if (++taken >= maxRoutes) break
          if (taken % LOAD_CHUNK === 0) await new Promise((resolve) => setTimeout(resolve))
        }
      })
      return
    }
    let routeIds: unknown
    await this.#call('*', async () => {
      routeIds = await this.#provider.listRoutes()
    })
    if (!Array.isArray(routeIds)) return
    const queue = routeIds.slice(0, maxRoutes).values()
    const lane = async (): Promise<void> => {
      for (const routeId of queue) {
        if (!isRouteId(routeId)) continue
        await this.#call(routeId, async () => take(routeId, await this.#provider.getVector(routeId), 0))
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, lane))
    // The records of the store from before the first report are blended in at once.
    this.#reports.current(this.#source.nowMs(), this.#source.decayRate(), (routeId, reports) => {
      this.#source.blend(routeId, reports, this.#gamma)
    })
  }

  #subscribe(routeId: string): void {
    if (own(this.#provider, 'subscribe') === undefined || this.#subscriptions.has(routeId)) return
    const unsubscribe = subscribed(
      () => this.#provider.subscribe!(routeId, (vector, origin) => this.#receive(routeId, vector, origin)),
      (cause) => {
        this.#failed ??= { routeId, cause }
      },
    )
    if (unsubscribe !== undefined) this.#subscriptions.set(routeId, unsubscribe, (_, oldest) => oldest())
  }

  #receive(routeId: string, vector: unknown, origin?: VectorOrigin): void {
    const read = readVector(vector)
    if (read !== undefined) this.#reports.receive(routeId, read.scar, origin, this.#source.nowMs())
  }

  /** One call to the provider, whether it rejects or throws. */
  async #call(routeId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#worked += 1
    } catch (cause) {
      this.#failed ??= { routeId, cause }
    }
  }

  /** Judges the calls that settle in this turn as one batch. */
  #judgeSoon(): void {
    if (this.#isJudging) return
    this.#isJudging = true
    later(() => {
      this.#isJudging = false
      this.#judge()
    })
  }

  #judge(): void {
    this.#unjudged = 0
    this.#health.judge(this.#worked, this.#failed)
    this.#worked = 0
    this.#failed = undefined
  }
}

/** The vector that code of another gave, each field read once; undefined where it is none, or a getter throws. */
function readVector(value: unknown): PhysicsVector | undefined {
  try {
    const { scar, momentumScalar, lastTick, resistance } = ownOptions(value as PhysicsVector, VECTOR_NAMES)
    const vector = { scar, momentumScalar, lastTick, resistance }
    return isPhysicsVector(vector) ? vector : undefined
  } catch {
    return undefined
  }
}

/** Waits for `work`, but not for ever. */
async function within(limitMs: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([work, limit])
  clearTimeout(timer)
}
