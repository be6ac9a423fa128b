/** The reports of an instance: every tick to its observer, and its events to their listeners. */

import { type Engine, FRAME, modeAt } from '../engine/port.js'
import { type AtrionEvents, Events } from './events.js'
import type { ObserverQueue } from './observer-queue.js'
import { readEvent } from './read-event.js'
import type { SafeLogger } from './safe-logger.js'

export class InstanceEvents {
  readonly #events: Events
  readonly #observers: ObserverQueue | undefined
  /** True when an observer sees every tick. */
  readonly isObserved: boolean

  constructor(observers: ObserverQueue | undefined, logger: SafeLogger) {
    this.#events = new Events(logger)
    this.#observers = observers
    this.isObserved = observers !== undefined
  }

  on<K extends keyof AtrionEvents>(name: K, listener: (event: AtrionEvents[K]) => void): () => void {
    return this.#events.on(name, listener)
  }

  /** Returns whether an event has a listener. */
  has(name: keyof AtrionEvents): boolean {
    return this.#events.has(name)
  }

  emit<K extends keyof AtrionEvents>(name: K, event: AtrionEvents[K]): void {
    this.#events.emit(name, event)
  }

  /** Reports the tick that the frame's out cells describe. */
  ticked(frame: Engine['frame'], routeId: string): void {
    this.#observers?.push(readEvent(frame, routeId))
    const from = modeAt(frame, FRAME.MODE_BEFORE)
    const to = modeAt(frame, FRAME.MODE)
    if (from !== to) this.emit('transition', { routeId, from, to, resistance: frame[FRAME.RESISTANCE]! })
  }

  /** Delivers to the observer what waits for it. */
  flush(): void {
    this.#observers?.flush()
  }
}
