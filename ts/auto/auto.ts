/** The profile 'AUTO', as an instance holds it: what needs more than to know that no route has it is loaded with the first one. */

import type { Context } from '../context.js'
import type { LeaseManager } from '../leases/manager.js'
import type { RouteSnapshot } from '../routes/decision.js'
import type { RouteStates } from '../routes/states.js'
import { type AutoRecord, AutoRoutes, readRecord } from './auto-routes.js'
import type { AnyProfile, AutoProfile } from './types.js'

export class Auto {
  readonly #context: Context
  readonly #leases: () => LeaseManager
  #routes: AutoRoutes | undefined

  constructor(context: Context, leases: () => LeaseManager) {
    this.#context = context
    this.#leases = leases
  }

  /** @throws ConfigError */
  setProfile(routeId: string, profile: AnyProfile): void {
    if (profile === 'AUTO') this.#started().start(routeId)
    else {
      this.#context.routes.setProfile(routeId, profile)
      this.#routes?.stop(routeId)
    }
  }

  profileOf(routeId: string): AnyProfile {
    return this.#routes?.has(routeId) ? 'AUTO' : this.#context.routes.profiles.get(routeId)
  }

  read(routeId: string): AutoProfile | undefined {
    return this.#routes?.read(routeId)
  }

  /** A route was reset: it learns anew. */
  forget(routeId: string): void {
    if (this.#routes?.has(routeId)) this.#routes.start(routeId)
  }

  /** Adds what routes have learnt to their snapshots. */
  snapshots(states: RouteStates): RouteSnapshot[] {
    const snapshots = states.snapshots()
    return this.#routes?.addTo(snapshots) ?? snapshots
  }

  /** @throws ConfigError naming the field; nothing is restored then */
  restore(states: RouteStates, snapshots: readonly RouteSnapshot[]): void {
    const records: AutoRecord[] = []
    states.restore(snapshots, (...record) => records.push(readRecord(...record)))
    if (records.length > 0) this.#started().restore(records)
  }

  #started(): AutoRoutes {
    if (this.#routes === undefined) {
      const routes = new AutoRoutes(this.#context)
      this.#leases().onCompleted = (routeId, durationMs) => routes.leased(routeId, durationMs)
      this.#routes = routes
    }
    return this.#routes
  }
}
