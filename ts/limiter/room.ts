/**
 * A route's waiting room as a data structure: which request is next, which can no longer make it, which gives way when the
 * room is full. Pure: no clock, no timer, no promise. Whether there is a place is the engine's to decide.
 *
 * | question | rule |
 * |---|---|
 * | who is next | the highest tier; within it the key that holds the fewest permits, among the {@link SCAN} entries at the front; then the first of the queue |
 * | where the front is | at the oldest. Where a tier's queue is longer than can be served in the time that a request may wait, at the youngest: served oldest first, all who are served would be nearly late |
 * | who gives way | of the lowest tier, the entry farthest from the front; near there, one whose key has the most |
 *
 * Every operation takes O(log n) or a bounded scan.
 */

import { type HeapTimer, TimerHeap } from '../base/timer-heap.js'

/** Tiers of a room, lowest first. */
const LANES = 5
/** Entries near an end of a queue among which keys are compared. */
export const SCAN = 48
/** A queue that is served youngest first is served oldest first again below this share of the length that turned it. */
const TURN_BACK_SHARE = 0.5
/** Permits that a request without a key counts as holding: neither preferred to those with a key nor put behind all of them. */
const HELD_WITHOUT_KEY = 1

/** Permits that a key holds. */
export type Held = (keyId: number) => number

/** One waiting request. */
export interface RoomEntry<T> {
  readonly item: T
  /** 0 (bulk) to 4 (critical) */
  readonly tier: number
  /** A number that stands for its key; negative: it has none. */
  readonly keyId: number
  /** The time at which it can no longer make it, ms. */
  readonly expiresMs: number
}

class Entry<T> implements RoomEntry<T> {
  readonly item: T
  readonly tier: number
  readonly keyId: number
  deadline: HeapTimer<Entry<T>> | undefined
  older: Entry<T> | undefined
  newer: Entry<T> | undefined

  constructor(item: T, tier: number, keyId: number) {
    this.item = item
    this.tier = tier
    this.keyId = keyId
  }

  get expiresMs(): number {
    return this.deadline?.at ?? Number.NEGATIVE_INFINITY
  }
}

/** The queue of one tier: linked, because entries leave from anywhere. */
class Lane<T> {
  oldest: Entry<T> | undefined
  newest: Entry<T> | undefined
  count = 0
  youngestFirst = false

  append(entry: Entry<T>): void {
    entry.older = this.newest
    if (this.newest === undefined) this.oldest = entry
    else this.newest.newer = entry
    this.newest = entry
    this.count += 1
  }

  take(entry: Entry<T>): void {
    if (entry.older === undefined) this.oldest = entry.newer
    else entry.older.newer = entry.newer
    if (entry.newer === undefined) this.newest = entry.older
    else entry.newer.older = entry.older
    entry.older = undefined
    entry.newer = undefined
    this.count -= 1
    if (this.count === 0) this.youngestFirst = false
  }
}

export class Room<T> {
  /** Most entries. */
  readonly capacity: number
  readonly #lanes: readonly Lane<T>[] = Array.from({ length: LANES }, () => new Lane<T>())
  readonly #deadlines = new TimerHeap<Entry<T>>()
  /** Entries by key. */
  readonly #perKey = new Map<number, number>()

  /** @param capacity most entries, ≥ 1 */
  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** Entries. */
  get size(): number {
    return this.#deadlines.size
  }

  get isFull(): boolean {
    return this.size >= this.capacity
  }

  /** The highest tier that waits, 0 (bulk) to 4 (critical); −1 when none does. */
  get topTier(): number {
    return this.#lanes.findLastIndex(({ count }) => count > 0)
  }

  /** The entry of the highest tier that has been in the room for longest; undefined when it is empty. */
  get eldest(): RoomEntry<T> | undefined {
    return this.#lanes[this.topTier]?.oldest
  }

  /** The time at which the first of all entries can no longer make it, ms; Infinity when there is none. */
  get earliestMs(): number {
    return this.#deadlines.earliest?.at ?? Number.POSITIVE_INFINITY
  }

  /**
   * Puts a request at the end of its tier's queue. A full room takes it as well: see {@link Room.yielding}.
   *
   * @param tier 0 (bulk) to 4 (critical)
   * @param keyId a number that stands for its key; negative: it has none
   * @param expiresMs when it can no longer make it, ms
   */
  push(item: T, tier: number, keyId: number, expiresMs: number): RoomEntry<T> {
    const entry = new Entry(item, tier, keyId)
    this.#lanes[tier]!.append(entry)
    entry.deadline = this.#deadlines.add(entry, expiresMs)
    if (keyId >= 0) this.#perKey.set(keyId, (this.#perKey.get(keyId) ?? 0) + 1)
    return entry
  }

  /**
   * The entry whose turn it is; it stays in the room. undefined when there is none.
   *
   * @param held permits that each key holds
   * @param ratePerMs completions per ms that the route is capable of; 0 when not known
   * @param mayWaitMs how long a request may wait in all, ms
   * @param tier the only one that is considered, 0 (bulk) to 4 (critical); by default all are
   */
  next(held: Held, ratePerMs: number, mayWaitMs: number, tier?: number): RoomEntry<T> | undefined {
    for (let at = tier ?? LANES - 1; at >= (tier ?? 0); at--) {
      const lane = this.#lanes[at]!
      if (lane.count === 0) continue
      const serveMs = ratePerMs > 0 ? lane.count / ratePerMs : 0
      lane.youngestFirst = serveMs > mayWaitMs * (lane.youngestFirst ? TURN_BACK_SHARE : 1)
      return first(lane, held)
    }
    return undefined
  }

  /** An entry that can no longer make it at `nowMs`, taken out of the room; undefined when there is none. */
  expire(nowMs: number): RoomEntry<T> | undefined {
    const { earliest } = this.#deadlines
    if (earliest === undefined || earliest.at > nowMs) return undefined
    this.remove(earliest.item)
    return earliest.item
  }

  /** Changes when an entry can no longer make it, ms. One that has left the room stays out. */
  reschedule(entry: RoomEntry<T>, expiresMs: number): void {
    const known = entry as Entry<T>
    if (known.deadline === undefined || known.deadline.at === expiresMs) return
    this.#deadlines.remove(known.deadline)
    known.deadline = this.#deadlines.add(known, expiresMs)
  }

  /** Takes an entry out. False: it was out already. */
  remove(entry: RoomEntry<T>): boolean {
    const known = entry as Entry<T>
    if (known.deadline === undefined) return false
    this.#deadlines.remove(known.deadline)
    known.deadline = undefined
    this.#lanes[known.tier]!.take(known)
    const { keyId } = known
    if (keyId >= 0) {
      const left = this.#perKey.get(keyId)! - 1
      if (left > 0) this.#perKey.set(keyId, left)
      else this.#perKey.delete(keyId)
    }
    return true
  }

  /**
   * The entry that has to give way to a newcomer in a full room; it stays in the room. undefined: the newcomer itself has to.
   *
   * @param tier the newcomer's, 0 (bulk) to 4 (critical)
   * @param keyId the newcomer's; negative: it has none
   * @param held permits that each key holds
   */
  yielding(tier: number, keyId: number, held: Held): RoomEntry<T> | undefined {
    const lowest = this.#lanes.findIndex(({ count }) => count > 0)
    if (lowest < 0 || lowest > tier) return undefined
    const lane = this.#lanes[lowest]!
    const weight = (id: number): number => (id < 0 ? HELD_WITHOUT_KEY : held(id) + (this.#perKey.get(id) ?? 0))
    // Served youngest first, the oldest is the farthest from the front; else the youngest, and that is the newcomer.
    let victim: Entry<T> | undefined
    let most = Number.NEGATIVE_INFINITY
    if (lowest === tier && !lane.youngestFirst) most = weight(keyId)
    let entry = lane.youngestFirst ? lane.oldest : lane.newest
    for (let seen = 0; entry !== undefined && seen < SCAN; seen++) {
      const weighs = weight(entry.keyId)
      if (weighs > most) {
        victim = entry
        most = weighs
      }
      entry = lane.youngestFirst ? entry.newer : entry.older
    }
    return lowest === tier && weight(keyId) > most ? undefined : victim
  }

  /** Entries in order of arrival, the highest tier first; for what ends them all. */
  *entries(): Generator<RoomEntry<T>> {
    for (let tier = LANES - 1; tier >= 0; tier--) {
      for (let entry = this.#lanes[tier]!.oldest; entry !== undefined; ) {
        const { newer } = entry // the entry may leave the room meanwhile
        yield entry
        entry = newer
      }
    }
  }
}

/** The first of a queue that is not empty: of the entries at its front, one whose key holds the fewest permits. */
function first<T>(lane: Lane<T>, held: Held): Entry<T> {
  let entry = lane.youngestFirst ? lane.newest : lane.oldest
  let best = entry!
  let fewest = Number.POSITIVE_INFINITY
  for (let seen = 0; entry !== undefined && seen < SCAN; seen++) {
    const holds = entry.keyId < 0 ? HELD_WITHOUT_KEY : held(entry.keyId)
    if (holds < fewest) {
      best = entry
      fewest = holds
      if (holds === 0) break
    }
    entry = lane.youngestFirst ? entry.older : entry.newer
  }
  return best
}
