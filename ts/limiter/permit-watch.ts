/** Watching for permits that are collected without having been released. */

import type { Hold } from './holdings.js'

/** Permits that are watched together. */
const GROUP = 64

/** Ends the permits of a group that was collected. It must not refer to the group. */
class Lost {
  /** A plain list: a typed array has memory outside the heap, and what that costs the collector is 10 ns of a `run()`. */
  readonly ids: number[] = []
  holds: Hold[] | undefined
}

/**
 * A group of permits: to register each with a FinalizationRegistry would cost more than to decide on it. Every permit holds its
 * group; when the last is gone, so is the group, and what was not released by then never will be.
 */
export class PermitGroup {
  readonly lost = new Lost()

  /** Ends a hold with the group, if it is not ended before. */
  keep(hold: Hold): Hold {
    this.lost.holds ??= []
    this.lost.holds.push(hold)
    return hold
  }
}

export class PermitWatch {
  readonly #lost: FinalizationRegistry<Lost> | undefined
  #group = new PermitGroup()

  /** @param onLost called with the number of each permit of a group that was collected, released ones included */
  constructor(onLost: (id: number) => void) {
    if (typeof FinalizationRegistry !== 'function') return
    this.#lost = new FinalizationRegistry(({ ids, holds }) => {
      if (holds !== undefined) for (const hold of holds) hold.end()
      for (const id of ids) onLost(id)
    })
  }

  /** The group that the permit has to hold. */
  watch(id: number): PermitGroup {
    if (this.#group.lost.ids.length >= GROUP) this.#group = new PermitGroup()
    const group = this.#group
    const { ids } = group.lost
    if (ids.length === 0) this.#lost?.register(group, group.lost)
    ids.push(id)
    return group
  }
}
