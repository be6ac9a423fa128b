/** The context that the parts of an instance are given: the engine, the routes, the time, and where events and warnings go. */

import { AtrionError } from './base/errors.js'
import { soon } from './base/soon.js'
import type { PhysicsObserver } from './core/index.js'
import { InstanceClock } from './engine/clock.js'
import type { Engines } from './engine/engines.js'
import { engineWanted, loadEngine, warnOfFault } from './engine/load.js'
import type { Engine } from './engine/port.js'
import { InstanceEvents } from './events/instance-events.js'
import { ObserverQueue } from './events/observer-queue.js'
import { SafeLogger } from './events/safe-logger.js'
import type { AtrionOptions } from './options/options.js'
import type { RouteParams } from './options/route-params.js'
import { readWatchdog, type WatchdogWish } from './options/watchdog.js'
import { Routes } from './routes/routes.js'

export interface Context {
  readonly engine: Engine
  readonly routes: Routes
  readonly clock: InstanceClock
  readonly events: InstanceEvents
  readonly logger: SafeLogger
  /** undefined: there is to be no watchdog. */
  readonly watchdog: WatchdogWish | undefined
}

const FAULT = 'the engine failed in a call, which was admitted; further failures are admitted without a report'

/**
 * @param options validated
 * @param params govern every route that is not given its own
 * @param engines the entry point's
 * @throws DependencyError for a named engine that does not load
 */
export function createContext(
  options: AtrionOptions,
  params: RouteParams,
  maxRoutes: number,
  engines: Engines,
): Context {
  const isShared = options.scope === 'process'
  const logger = new SafeLogger(options.logger)
  const observers =
    options.observer && new ObserverQueue(options.observer as PhysicsObserver, undefined, options.logger)
  const events = new InstanceEvents(observers, logger)
  const engine = loadEngine(engines, engineWanted(options.engine, options.useWasm), maxRoutes, isShared)
  const clock = new InstanceClock(engine, options.clock, (message, context) => logger.warn(message, context))
  engine.onFault = (backtrace) => reportFault(engine, events, logger, backtrace)
  const routes = new Routes(engine, params, maxRoutes, isShared)
  return { engine, routes, clock, events, logger, watchdog: readWatchdog(options.watchdog) }
}

/** The engine failed in a call. Reported off the decision path: the logger may call this instance. */
function reportFault(engine: Engine, events: InstanceEvents, logger: SafeLogger, backtrace: string): void {
  soon(() => {
    events.emit('degraded', { provider: `engine '${engine.kind}'`, error: new AtrionError(FAULT) })
    if (logger.isSilent) warnOfFault(FAULT)
    else logger.error(FAULT, { engine: engine.kind, backtrace })
  })
}
