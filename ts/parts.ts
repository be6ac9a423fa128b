/** The parts of an instance that not every process needs: each is made, and its code loaded, when it is first used. */

import type { Context } from './context.js'
import { LeaseManager } from './leases/manager.js'
import { OpenLoop } from './routes/open-loop.js'
import { RouteStates } from './routes/states.js'

export class Parts {
  readonly #context: Context
  readonly #defaultVoltage: number
  readonly #freed: (routeId: string) => void
  #openLoop: OpenLoop | undefined
  #leases: LeaseManager | undefined
  #states: RouteStates | undefined

  /** @param freed called when a place may have become free on a route */
  constructor(context: Context, defaultVoltage: number, freed: (routeId: string) => void) {
    this.#context = context
    this.#defaultVoltage = defaultVoltage
    this.#freed = freed
  }

  get openLoop(): OpenLoop {
    this.#openLoop ??= new OpenLoop(this.#context, this.#defaultVoltage)
    return this.#openLoop
  }

  /** Returns whether every request is admitted, whatever is decided. */
  get isDryRun(): boolean {
    return this.#openLoop?.isDryRun === true
  }

  get leases(): LeaseManager {
    this.#leases ??= new LeaseManager(this.#context, this.#freed)
    return this.#leases
  }

  get states(): RouteStates {
    this.#states ??= new RouteStates(this.#context)
    return this.#states
  }
}
