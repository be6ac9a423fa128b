/** The parts of a fair queue: entries, the lanes of its tenants, and the order of lanes in a tier. */

export const TIERS = 5

export class Entry<T> {
  waits = true
  /** Neighbours among those of its tenant and tier. */
  older: Entry<T> | undefined
  newer: Entry<T> | undefined
  /** Neighbours among all, by arrival. */
  before: Entry<T> | undefined
  after: Entry<T> | undefined

  constructor(
    readonly item: T,
    readonly owner: Tenant<T>,
    readonly tier: number,
    readonly weight: number,
    readonly cost: number,
    readonly arrivedMs: number,
    /** Counts entries: the order of those that arrived in the same ms. */
    readonly number: number,
  ) {}

  get tenant(): string {
    return this.owner.name
  }
}

/** The entries of one tenant in one tier, oldest first, and their place among those of other tenants. */
export class Lane<T> {
  oldest: Entry<T> | undefined
  newest: Entry<T> | undefined
  count = 0
  /** Index in its tier's heap; −1: it is empty, and in none. */
  place = -1

  constructor(readonly owner: Tenant<T>) {}
}

export class Tenant<T> {
  /** The service that the tenant has had, in cost by weight. */
  served: number
  count = 0
  readonly lanes: Lane<T>[]

  constructor(
    readonly name: string,
    served: number,
  ) {
    this.served = served
    this.lanes = Array.from({ length: TIERS }, () => new Lane<T>(this))
  }
}

/** Lanes of one tier, least served first, then by the age of their oldest entry. */
export class LaneHeap<T> {
  readonly #lanes: Lane<T>[] = []

  get first(): Lane<T> | undefined {
    return this.#lanes[0]
  }

  get lanes(): readonly Lane<T>[] {
    return this.#lanes
  }

  /** Inserts, removes or moves a lane, by its entries and its service. */
  place(lane: Lane<T>): void {
    if (lane.count === 0) {
      if (lane.place >= 0) this.#remove(lane)
      return
    }
    if (lane.place < 0) {
      lane.place = this.#lanes.length
      this.#lanes.push(lane)
    }
    this.#rise(lane)
    this.#sink(lane)
  }

  #remove(lane: Lane<T>): void {
    const { place } = lane
    lane.place = -1
    const last = this.#lanes.pop()!
    if (last === lane) return
    this.#put(last, place)
    this.#rise(last)
    this.#sink(last)
  }

  #put(lane: Lane<T>, place: number): void {
    this.#lanes[place] = lane
    lane.place = place
  }

  #rise(lane: Lane<T>): void {
    while (lane.place > 0) {
      const { place } = lane
      const parent = this.#lanes[(place - 1) >> 1]!
      if (!isBefore(lane, parent)) return
      this.#put(lane, parent.place)
      this.#put(parent, place)
    }
  }

  #sink(lane: Lane<T>): void {
    for (;;) {
      const { place } = lane
      const left = this.#lanes[2 * place + 1]
      const right = this.#lanes[2 * place + 2]
      const child = right !== undefined && isBefore(right, left!) ? right : left
      if (child === undefined || !isBefore(child, lane)) return
      this.#put(lane, child.place)
      this.#put(child, place)
    }
  }
}

const isBefore = <T>(a: Lane<T>, b: Lane<T>): boolean => {
  if (a.owner.served !== b.owner.served) return a.owner.served < b.owner.served
  const one = a.oldest!
  const other = b.oldest!
  return one.arrivedMs < other.arrivedMs || (one.arrivedMs === other.arrivedMs && one.number < other.number)
}

export function linkLane<T>(lane: Lane<T>, entry: Entry<T>, older: Entry<T> | undefined): void {
  const newer = older === undefined ? lane.oldest : older.newer
  entry.older = older
  entry.newer = newer
  if (older === undefined) lane.oldest = entry
  else older.newer = entry
  if (newer === undefined) lane.newest = entry
  else newer.older = entry
  lane.count += 1
}

export function unlinkLane<T>(lane: Lane<T>, entry: Entry<T>): void {
  const { older, newer } = entry
  if (older === undefined) lane.oldest = newer
  else older.newer = newer
  if (newer === undefined) lane.newest = older
  else newer.older = older
  entry.older = undefined
  entry.newer = undefined
  lane.count -= 1
}
