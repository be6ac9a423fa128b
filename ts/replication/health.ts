/** The health of the store, as far as the calls to it show. */

import { isSyncError, SyncError } from '../base/errors.js'
import { isError } from '../base/realm.js'

/** The listeners that a change of the store's health is reported to; none of these throws. */
export interface HealthHost {
  warn(message: string, context: Record<string, unknown>): void
  degraded(error: Error): void
  restored(): void
}

/** A store is well or in trouble; every change is reported once, however many calls fail. */
export class Health {
  readonly #host: HealthHost
  readonly #provider: string
  #isDegraded = false
  #isPatchy = false

  constructor(provider: string, host: HealthHost) {
    this.#provider = provider
    this.#host = host
  }

  /** Takes up the results of a batch of calls: how many worked, and the first that did not. */
  judge(worked: number, failed: { routeId: string; cause: unknown } | undefined): void {
    if (worked > 0) this.restored()
    if (failed === undefined) {
      if (worked > 0) this.#isPatchy = false
      return
    }
    const { routeId, cause } = failed
    const error = isSyncError(cause) && isError(cause) ? cause : new SyncError(routeId, cause)
    if (worked === 0) this.degraded(error, routeId)
    else if (!this.#isPatchy) {
      this.#isPatchy = true
      this.#warn(error, routeId)
    }
  }

  degraded(error: Error, routeId?: string): void {
    if (this.#isDegraded) return
    this.#isDegraded = true
    this.#warn(error, routeId)
    this.#host.degraded(error)
  }

  restored(): void {
    if (!this.#isDegraded) return
    this.#isDegraded = false
    this.#host.restored()
  }

  #warn(error: Error, routeId: string | undefined): void {
    this.#host.warn(error.message, { provider: this.#provider, ...(routeId !== undefined && { routeId }) })
  }
}
