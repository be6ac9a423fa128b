/**
 * Delivery of events to observers, off the decision path.
 *
 * A tick only appends to a queue. The queue is bounded, because an observer may be slower than the traffic: then the
 * newest events are dropped and counted, and the decision path never waits. Rejected: a timer per event, which turns a
 * burst of ticks into as many timers, and has no bound.
 */

import { noticeEnd } from '../base/host-calls.js'
import { later } from '../base/later.js'
import { soon } from '../base/soon.js'
import type { PhysicsEvent, PhysicsObserver } from '../core/types.js'
import type { Logger } from './loggers.js'
import { SafeLogger } from './safe-logger.js'

/** Events that may wait, about 3 MB of them. */
const DEFAULT_CAPACITY = 16_384
/** Events delivered in one turn of the event loop, however long they take … */
const LEAST_A_TURN = 1024
/** … and the time after which a longer backlog gives way to other work, ms. */
const TURN_BUDGET_MS = 10

/** The events that one observer has yet to see, in order. */
export class ObserverQueue {
  readonly #observer: PhysicsObserver
  readonly #capacity: number
  readonly #logger: SafeLogger
  #waiting: PhysicsEvent[] = []
  #scheduled = false
  #dropped = 0
  #failures = 0

  /**
   * @param capacity events that may wait, default 16,384
   * @param logger gets a warning of the first drop and of the first throw; default: the process-wide one
   */
  constructor(observer: PhysicsObserver, capacity: number = DEFAULT_CAPACITY, logger?: Logger) {
    this.#observer = observer
    this.#capacity = capacity
    this.#logger = new SafeLogger(logger)
  }

  /** Events that found the queue full. */
  get dropped(): number {
    return this.#dropped
  }

  /** Events at which the observer threw. */
  get failures(): number {
    return this.#failures
  }

  /** Queues one event. Never throws, never calls the observer, nor the logger. */
  push(event: PhysicsEvent): void {
    if (this.#waiting.length >= this.#capacity) {
      this.#dropped += 1
      // Not in this call: the logger is the caller's, and may ask the instance whose tick this is.
      if (this.#dropped === 1) {
        soon(() => this.#logger.warn('an observer is slower than the ticks: events are being dropped'))
      }
      return
    }
    this.#waiting.push(event)
    this.#schedule()
  }

  /** Delivers everything that waits, now. For a shutdown, when there will be no later. */
  flush(): void {
    const batch = this.#waiting
    this.#waiting = []
    for (const event of batch) this.#deliver(event)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    later(() => this.#turn())
  }

  #turn(): void {
    // Taken over as a whole: what the observer causes to be queued meanwhile belongs to the next turn.
    const batch = this.#waiting
    this.#waiting = []
    const startedAt = performance.now()
    let delivered = 0
    for (const event of batch) {
      if (delivered >= LEAST_A_TURN && performance.now() - startedAt > TURN_BUDGET_MS) break
      delivered += 1
      this.#deliver(event)
    }
    if (delivered < batch.length) this.#waiting = batch.slice(delivered).concat(this.#waiting)
    this.#scheduled = false
    if (this.#waiting.length > 0) this.#schedule()
  }

  #deliver(event: PhysicsEvent): void {
    try {
      noticeEnd(this.#observer.onUpdate(event), this.#onError)
    } catch (error) {
      this.#onError(error)
    }
  }

  readonly #onError = (error: unknown): void => {
    this.#failures += 1
    if (this.#failures === 1) this.#logger.warn('an observer threw', { error })
  }
}

/** One queue an observer, so that its order holds over all routes; gone when the observer is. */
const queues = new WeakMap<PhysicsObserver, ObserverQueue>()

/** Queues an event for `observer`. */
export function deliver(observer: PhysicsObserver, event: PhysicsEvent): void {
  let queue = queues.get(observer)
  if (!queue) {
    queue = new ObserverQueue(observer)
    queues.set(observer, queue)
  }
  queue.push(event)
}
