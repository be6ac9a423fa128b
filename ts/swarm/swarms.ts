/** The swarms of an instance. */

import { BudgetError } from '../base/budget-error.js'
import { ConfigError } from '../base/errors.js'
import type { Context } from '../context.js'
import type { LeaseManager } from '../leases/manager.js'
import type { Permits } from './admission.js'
import { Alarms } from './alarms.js'
import { Estimates } from './estimates.js'
import { readSwarmOptions, requireName, type SwarmTerms } from './options.js'
import { SwarmRoot } from './root.js'
import { BudgetedSwarm } from './swarm.js'
import type { Swarm, SwarmOptions } from './types.js'
import { UpstreamPacer } from './upstream-pacer.js'

/** Most swarms without a parent that are open at once. */
const MOST_SWARMS = 65_536

export class Swarms {
  readonly #context: Context
  readonly #permits: Permits
  readonly #leases: LeaseManager
  readonly #estimates = new Estimates()
  readonly #warned = new Set<string>()
  readonly #open = new Map<string, Swarm>()
  /** Paces by the object that they were asked for with. */
  readonly #pacers = new WeakMap<object, UpstreamPacer>()

  constructor(context: Context, permits: Permits, leases: LeaseManager) {
    this.#context = context
    this.#permits = permits
    this.#leases = leases
  }

  /** @throws ConfigError, TypeError, BudgetError 'full' */
  create(name: string, options: SwarmOptions): Swarm {
    requireName(name)
    const read = readSwarmOptions(options)
    if (this.#open.has(name)) throw new ConfigError('name', 'a name that no open swarm has', name)
    if (this.#open.size >= MOST_SWARMS) throw new BudgetError({ cause: 'full', swarm: name })
    const terms = { ...read, pacer: read.pacer ?? this.#pacerOf(read) }
    const { clock, events, logger } = this.#context
    const root = new SwarmRoot(name, terms, { clock, events, source: undefined })
    const host = {
      root,
      estimates: this.#estimates,
      logger,
      warned: this.#warned,
      permits: this.#permits,
      leases: this.#leases,
      closed: () => this.#open.delete(name),
    }
    const swarm = new BudgetedSwarm(host, root.node)
    this.#open.set(name, swarm)
    return swarm
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
}
