/**
 * Watchers of an instance: exporters that see what happens in the call that it happens in, where a trace is still known. Without one
 * each place costs the comparison with undefined. What a watcher throws reaches no caller.
 */

import type { LimitedBy } from '../base/limited-by.js'
import type { Tier } from '../engine/kinds.js'
import type { AtrionEvents } from './events.js'

/** A call of `run()`. */
export interface RunContext {
  readonly routeId: string
  /** As the caller gave it. */
  readonly tier: Tier | undefined
  /** The obstacle, where it was refused; set before its promise settles. */
  limitedBy: LimitedBy | undefined
}

/** The callbacks of an exporter; each is called at once, and must be quick. */
export interface Watcher {
  readonly shed?: (event: AtrionEvents['shed']) => void
  readonly transition?: (event: AtrionEvents['transition']) => void
  /** A request of the closed loop succeeded or failed, after so many ms. */
  readonly completed?: (routeId: string, durationMs: number, failed: boolean) => void
  /** A wait for a place ended, as a permit or as a refusal. */
  readonly waited?: (routeId: string, waitedMs: number) => void
  /** Makes a call of `run()`: has to call `work` once, and to return what it does. */
  readonly run?: <T>(context: RunContext, work: () => Promise<T>) => Promise<T>
}

type Listener = (first: never, second: never, third: never) => void

const together = (listeners: readonly (Listener | undefined)[]): Listener | undefined => {
  const given = listeners.filter((listener) => listener !== undefined)
  if (given.length === 0) return undefined
  return (first, second, third) => {
    for (const listener of given) {
      try {
        listener(first, second, third)
      } catch {
        // An exporter's own fault is no caller's.
      }
    }
  }
}

type Run = NonNullable<Watcher['run']>

export class Watchers {
  #all: readonly Watcher[] = []
  shed: Watcher['shed']
  transition: Watcher['transition']
  completed: Watcher['completed']
  waited: Watcher['waited']
  run: Watcher['run']

  /** @returns a function that ends the watch */
  add(watcher: Watcher): () => void {
    this.#all = [...this.#all, watcher]
    this.#renew()
    return () => {
      this.#all = this.#all.filter((one) => one !== watcher)
      this.#renew()
    }
  }

  #renew(): void {
    const all = this.#all
    this.shed = together(all.map(({ shed }) => shed)) as Watcher['shed']
    this.transition = together(all.map(({ transition }) => transition)) as Watcher['transition']
    this.completed = together(all.map(({ completed }) => completed)) as Watcher['completed']
    this.waited = together(all.map(({ waited }) => waited)) as Watcher['waited']
    this.run = all.reduce<Run | undefined>((inner, { run }) => {
      if (run === undefined || inner === undefined) return run ?? inner
      return (context, work) => run(context, () => inner(context, work))
    }, undefined)
  }
}
