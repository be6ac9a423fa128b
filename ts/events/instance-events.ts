/** The reports of an instance: every tick to its observer, and its events to their listeners. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import { wrongType } from '../base/input.js'
import { unknownName } from '../base/suggest.js'
import type { OperationalMode } from '../core/types.js'
import { type Engine, FRAME, modeAt } from '../engine/port.js'
import { type AtrionEvents, EVENT_NAMES, Events } from './events.js'
import type { ObserverQueue } from './observer-queue.js'
import { readEvent } from './read-event.js'
import type { SafeLogger } from './safe-logger.js'
import { Watchers } from './watchers.js'

/** Routes whose changes of mode are counted; the one that changed first goes first. */
const COUNTED_ROUTES = 8_192

export class InstanceEvents {
  readonly #events: Events
  readonly #observers: ObserverQueue | undefined
  readonly watchers = new Watchers()
  readonly #degraded = new Set<string>()
  readonly #transitions = new BoundedRoutes<Record<OperationalMode, number>>(COUNTED_ROUTES)
  /** True when an observer sees every tick. */
  readonly isObserved: boolean

  constructor(observers: ObserverQueue | undefined, logger: SafeLogger) {
    this.#events = new Events(logger)
    this.#observers = observers
    this.isObserved = observers !== undefined
  }

  /** @throws ConfigError for an event that there is not, TypeError for a listener that is no function */
  on<K extends keyof AtrionEvents>(name: K, listener: (event: AtrionEvents[K]) => void): () => void {
    if (!EVENT_NAMES.includes(name)) throw unknownName('event', name, EVENT_NAMES)
    if (typeof listener !== 'function') throw wrongType('listener', 'a function', listener)
    return this.#events.on(name, listener)
  }

  /** Returns whether an event has a listener or a watcher. */
  has(name: keyof AtrionEvents): boolean {
    return this.#events.has(name) || ((name === 'shed' || name === 'transition') && this.watchers[name] !== undefined)
  }

  emit<K extends keyof AtrionEvents>(name: K, event: AtrionEvents[K]): void {
    if (name === 'shed') this.watchers.shed?.(event as AtrionEvents['shed'])
    else if (name === 'transition') this.watchers.transition?.(event as AtrionEvents['transition'])
    else if (name === 'degraded') this.#degraded.add((event as AtrionEvents['degraded']).provider)
    else if (name === 'restored') this.#degraded.delete((event as AtrionEvents['restored']).provider)
    this.#events.emit(name, event)
  }

  /** True while a provider is in trouble, and after a failure of the engine. */
  get isDegraded(): boolean {
    return this.#degraded.size > 0
  }

  /** Reports the tick that the frame's out cells describe. */
  ticked(frame: Engine['frame'], routeId: string): void {
    this.#observers?.push(readEvent(frame, routeId))
    const from = modeAt(frame, FRAME.MODE_BEFORE)
    const to = modeAt(frame, FRAME.MODE)
    if (from === to) return
    this.#count(routeId, to)
    this.emit('transition', { routeId, from, to, resistance: frame[FRAME.RESISTANCE]! })
  }

  /** Changes of a route's mode so far, by the mode that it became; undefined: there were none. */
  transitionsOf(routeId: string): Readonly<Record<OperationalMode, number>> | undefined {
    const counts = this.#transitions.get(routeId)
    return counts && { ...counts }
  }

  #count(routeId: string, to: OperationalMode): void {
    let counts = this.#transitions.get(routeId)
    if (counts === undefined) {
      counts = { BOOTSTRAP: 0, OPERATIONAL: 0, CIRCUIT_BREAKER: 0 }
      this.#transitions.set(routeId, counts)
    }
    counts[to] += 1
  }

  /** Delivers to the observer what waits for it. */
  flush(): void {
    this.#observers?.flush()
  }
}
