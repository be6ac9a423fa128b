/** Ready-made observers, and ways to combine them. */

import { noticeEnd } from '../base/host-calls.js'
import { nameInLog } from '../base/text.js'
import type { ObserverDecision, PhysicsEvent, PhysicsObserver } from '../core/types.js'

const SIGNS: Readonly<Record<ObserverDecision, string>> = { FLOW: '✅', SHED: '🚫', BOOTSTRAP: '🔄' }

/** One line a tick on the console: decision, route (control characters escaped), mode, R, M, S, ‖P‖, and a change of mode. */
export const consoleObserver: PhysicsObserver = {
  onUpdate(event) {
    const { routeId, mode, resistance, momentum, scarTissue, pressureMagnitude, modeTransition } = event
    const terms = [
      `R ${resistance.toFixed(1)}Ω`,
      `M ${(momentum ?? 0).toFixed(4)}/ms`,
      `S ${scarTissue.toFixed(2)}Ω`,
      `‖P‖ ${pressureMagnitude.toFixed(3)}`,
    ]
    const change = modeTransition ? ` (${modeTransition.from} → ${modeTransition.to})` : ''
    console.log(`${SIGNS[event.decision]} ${nameInLog(routeId)} ${mode} ${terms.join('  ')}${change}`)
  },
}

/** Does nothing: shows what observing itself costs. */
export const silentObserver: PhysicsObserver = { onUpdate() {} }

/**
 * Passes every event to each of `observers`, in this order. One that throws does not keep the event from the others;
 * what it threw is thrown when all have seen the event (several together as an AggregateError).
 */
export function createCompositeObserver(...observers: readonly PhysicsObserver[]): PhysicsObserver {
  return {
    onUpdate(event) {
      const failures: unknown[] = []
      for (const observer of observers) {
        try {
          noticeEnd(observer.onUpdate(event))
        } catch (failure) {
          failures.push(failure)
        }
      }
      if (failures.length === 1) throw failures[0]
      if (failures.length > 1) throw new AggregateError(failures, `${failures.length} observers threw`)
    },
  }
}

/** Passes on the events for which `predicate` holds. */
export function createFilteredObserver(
  inner: PhysicsObserver,
  predicate: (event: PhysicsEvent) => boolean,
): PhysicsObserver {
  return {
    onUpdate(event) {
      return predicate(event) ? inner.onUpdate(event) : undefined
    },
  }
}

/** Appends every event to `collection`, which is yours to keep short. */
export function createCollectorObserver(collection: PhysicsEvent[]): PhysicsObserver {
  return {
    onUpdate(event) {
      collection.push(event)
    },
  }
}
