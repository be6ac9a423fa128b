/** Watching for permits that are collected without having been released. */

import type { Hold } from './holdings.js'

/** Permits that are watched together. */
const GROUP = 64

/** Groups without a permit that are kept for the next ones. */
const MOST_SPARE = 64

/** Ends the permits of a group that was collected. It must not refer to the group. */
class Lost {
  /** A plain list: a typed array has memory outside the heap, and what that costs the collector is 10 ns of a `run()`. */
  readonly ids: number[] = []
  /** Of those, the ones that are watched: what lies beyond is of before. */
  count = 0
  readonly holds: Hold[] = []
  held = 0
}

/**
 * A group of permits: to register each with a FinalizationRegistry would cost more than to decide on it. Every permit that is out holds
 * its group; when the last is gone, so is the group, and what was not released by then never will be. A group whose permits all came
 * back is used again: what is registered outlives many collections, and each would copy it.
 */
export class PermitGroup {
  readonly lost = new Lost()
  readonly #watch: PermitWatch
  /** Permits that are out. */
  #out = 0

  constructor(watch: PermitWatch) {
    this.#watch = watch
  }

  /** A permit is out. */
  enter(id: number): void {
    const { lost } = this
    lost.ids[lost.count++] = id
    this.#out += 1
  }

  /** A permit came back. */
  leave(): void {
    this.#out -= 1
    if (this.#out > 0) return
    this.lost.count = 0
    this.lost.held = 0
    this.#watch.rests(this)
  }

  /** Ends a hold with the group, if it is not ended before. */
  keep(hold: Hold): Hold {
    const { lost } = this
    lost.holds[lost.held++] = hold
    return hold
  }
}

export class PermitWatch {
  readonly #lost: FinalizationRegistry<Lost> | undefined
  readonly #spare: PermitGroup[] = []
  #group: PermitGroup

  /** @param onLost called with the number of each permit of a group that was collected, released ones included */
  constructor(onLost: (id: number) => void) {
    if (typeof FinalizationRegistry === 'function') {
      this.#lost = new FinalizationRegistry(({ ids, count, holds, held }) => {
        for (let i = 0; i < held; i++) holds[i]!.end()
        for (let i = 0; i < count; i++) onLost(ids[i]!)
      })
    }
    this.#group = this.#create()
  }

  /** The group that the permit has to hold. */
  watch(id: number): PermitGroup {
    if (this.#group.lost.count >= GROUP) this.#group = this.#spare.pop() ?? this.#create()
    const group = this.#group
    group.enter(id)
    return group
  }

  /** All permits of a group came back. */
  rests(group: PermitGroup): void {
    if (group !== this.#group && this.#spare.length < MOST_SPARE) this.#spare.push(group)
  }

  #create(): PermitGroup {
    const group = new PermitGroup(this)
    this.#lost?.register(group, group.lost)
    return group
  }
}
