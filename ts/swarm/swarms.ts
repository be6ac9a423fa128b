/** The swarms of an instance. */

import { BudgetError } from '../base/budget-error.js'
import { ConfigError } from '../base/errors.js'
import { textOfAny } from '../base/host-calls.js'
import type { Context } from '../context.js'
import type { LeaseManager } from '../leases/manager.js'
import { type DocumentProvider, keepsDocuments, type StateProvider } from '../providers/provider.js'
import { documentOf } from './account.js'
import type { Permits } from './admission.js'
import { Alarms } from './alarms.js'
import { Estimates } from './estimates.js'
import { readSwarmOptions, requireName, type SwarmTerms } from './options.js'
import { SwarmRoot } from './root.js'
import { SharedBudget } from './shared-budget.js'
import { BudgetedSwarm } from './swarm.js'
import type { Swarm, SwarmOptions } from './types.js'
import { STRUCTURAL_UNITS } from './units.js'
import { UpstreamPacer } from './upstream-pacer.js'

/** Most swarms without a parent that are open at once. */
const MOST_SWARMS = 65_536
/** The longest that `disconnect()` waits for slices to go back, ms. */
const LEAVE_MS = 2000

export class Swarms {
  readonly #context: Context
  readonly #permits: Permits
  readonly #leases: LeaseManager
  readonly #estimates = new Estimates()
  readonly #warned = new Set<string>()
  readonly #open = new Map<string, SwarmRoot>()
  /** Pacers by the `upstream` object that was given. */
  readonly #pacers = new WeakMap<object, UpstreamPacer>()
  /** The store of budgets that processes share. */
  readonly #store: DocumentProvider | undefined
  readonly #shared = new Map<string, SharedBudget>()
  /** Slices of closed swarms that are being returned, by the name of the swarm. */
  readonly #leaving = new Map<string, Promise<void>>()

  constructor(context: Context, permits: Permits, leases: LeaseManager, provider: StateProvider | undefined) {
    this.#context = context
    this.#permits = permits
    this.#leases = leases
    this.#store = keepsDocuments(provider) ? provider : undefined
  }

  /**
   * Refuses the calls that wait, and returns this process's slices to the shared budgets, within two seconds; never rejects. undefined:
   * there are none.
   */
  leave(): Promise<void> | undefined {
    for (const root of this.#open.values()) root.refuseWaiting()
    const leaving = [...this.#leaving.values(), ...[...this.#shared.values()].map((budget) => budget.leave())]
    if (leaving.length === 0) return undefined
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LEAVE_MS)
      void Promise.all(leaving).then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** @throws ConfigError, TypeError, BudgetError 'full' */
  create(name: string, options: SwarmOptions): Swarm {
    requireName(name)
    const read = readSwarmOptions(options)
    if (this.#open.has(name)) throw new ConfigError('name', 'a name that no open swarm has', name)
    if (this.#open.size >= MOST_SWARMS) throw new BudgetError({ cause: 'full', swarm: name })
    const terms = { ...read, pacer: read.pacer ?? this.#pacerOf(read) }
    const { clock, events, logger } = this.#context
    const isSpent = terms.limits.some(([unit]) => !STRUCTURAL_UNITS.has(unit))
    const source = isSpent && this.#store ? this.#share(name, this.#store) : undefined
    const root = new SwarmRoot(name, terms, { clock, events, source })
    if (source !== undefined) this.#shared.set(name, source)
    const host = {
      root,
      estimates: this.#estimates,
      logger,
      warned: this.#warned,
      permits: this.#permits,
      leases: this.#leases,
      closed: () => {
        this.#open.delete(name)
        this.#shared.delete(name)
      },
    }
    this.#open.set(name, root)
    return new BudgetedSwarm(host, root.node)
  }

  #pacerOf({ upstream }: SwarmTerms): UpstreamPacer | undefined {
    if (upstream === undefined) return undefined
    const { clock } = this.#context
    const known = this.#pacers.get(upstream.given)
    const pacer =
      known ?? new UpstreamPacer(upstream.options, { alarms: new Alarms(clock), nowMs: () => clock.spanMs() })
    this.#pacers.set(upstream.given, pacer)
    return pacer
  }

  #share(name: string, store: DocumentProvider): SharedBudget {
    const { logger } = this.#context
    return new SharedBudget({
      store,
      onUnreadable: (error) =>
        logger.warn('the account of a shared budget cannot be read: this node has only the rest of its slice', {
          ...{ document: documentOf(name), error: textOfAny(error) },
        }),
      // A swarm of the same name that was closed just now has to leave first.
      ready: this.#leaving.get(name),
      onLeave: (left) => {
        this.#leaving.set(name, left)
        void left.then(() => {
          if (this.#leaving.get(name) === left) this.#leaving.delete(name)
        })
      },
    })
  }
}
