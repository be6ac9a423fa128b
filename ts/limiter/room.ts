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
const TIERS = 5
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
  /** Its place in the queue of its lane, where it is in one. */
  inLane: InLane<T> | undefined
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

/** The place of an entry in a lane's queue, which keeps an order of its own. */
interface InLane<T> {
  readonly queue: Queue<Entry<T>>
  readonly node: Entry<Entry<T>>
}

/** The queue of one tier, or of its entries in a lane: linked, because entries leave from anywhere. */
class Queue<T> {
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
  readonly #tiers: readonly Queue<T>[] = Array.from({ length: TIERS }, () => new Queue<T>())
  /** Entries of lanes besides: for each lane, from number 1 on, the queues of its tiers; made on first use. */
  readonly #lanes: (readonly Queue<Entry<T>>[] | undefined)[] = []
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
    return this.#tiers.findLastIndex(({ count }) => count > 0)
  }

  /** The highest tier that waits in a lane, 0 (bulk) to 4 (critical); −1 when none does. @param lane its number, from 1 on */
  topTierOf(lane: number): number {
    return this.#lanes[lane]?.findLastIndex(({ count }) => count > 0) ?? -1
  }

  /** The entry of the highest tier that has been in the room for longest; undefined when it is empty. */
  get eldest(): RoomEntry<T> | undefined {
    return this.#tiers[this.topTier]?.oldest
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
   * @param lane the number of its lane, from 1 on; 0: it is in none
   */
  push(item: T, tier: number, keyId: number, expiresMs: number, lane = 0): RoomEntry<T> {
    const entry = new Entry(item, tier, keyId)
    this.#tiers[tier]!.append(entry)
    entry.deadline = this.#deadlines.add(entry, expiresMs)
    if (lane > 0) entry.inLane = this.#appendToLane(entry, lane)
    if (keyId >= 0) this.#perKey.set(keyId, (this.#perKey.get(keyId) ?? 0) + 1)
    return entry
  }

  #appendToLane(entry: Entry<T>, lane: number): InLane<T> {
    this.#lanes[lane] ??= Array.from({ length: TIERS }, () => new Queue<Entry<T>>())
    const queue = this.#lanes[lane][entry.tier]!
    const node = new Entry(entry, entry.tier, entry.keyId)
    queue.append(node)
    return { queue, node }
  }

  /**
   * The entry whose turn it is; it stays in the room. undefined when there is none.
   *
   * @param held permits that each key holds
   * @param ratePerMs completions per ms that the route is capable of; 0 when not known
   * @param mayWaitMs how long a request may wait in all, ms
   * @param tier the only one that is considered, 0 (bulk) to 4 (critical); by default all are
   * @param lane the only one that is considered, from 1 on, and of its tiers the highest by default; 0: whether in a lane or in none
   */
  next(held: Held, ratePerMs: number, mayWaitMs: number, tier?: number, lane = 0): RoomEntry<T> | undefined {
    if (lane > 0) {
      const queue = this.#lanes[lane]?.[tier ?? this.topTierOf(lane)]
      return queue && turn(queue, held, ratePerMs, mayWaitMs)?.item
    }
    for (let at = tier ?? TIERS - 1; at >= (tier ?? 0); at--) {
      const entry = turn(this.#tiers[at]!, held, ratePerMs, mayWaitMs)
      if (entry !== undefined) return entry
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
    this.#tiers[known.tier]!.take(known)
    known.inLane?.queue.take(known.inLane.node)
    known.inLane = undefined
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
    const lowest = this.#tiers.findIndex(({ count }) => count > 0)
    if (lowest < 0 || lowest > tier) return undefined
    const queue = this.#tiers[lowest]!
    const weight = (id: number): number => (id < 0 ? HELD_WITHOUT_KEY : held(id) + (this.#perKey.get(id) ?? 0))
    // Served youngest first, the oldest is the farthest from the front; else the youngest, and that is the newcomer.
    let victim: Entry<T> | undefined
    let most = Number.NEGATIVE_INFINITY
    if (lowest === tier && !queue.youngestFirst) most = weight(keyId)
    let entry = queue.youngestFirst ? queue.oldest : queue.newest
    for (let seen = 0; entry !== undefined && seen < SCAN; seen++) {
      const weighs = weight(entry.keyId)
      if (weighs > most) {
        victim = entry
        most = weighs
      }
      entry = queue.youngestFirst ? entry.newer : entry.older
    }
    return lowest === tier && weight(keyId) > most ? undefined : victim
  }

  /** Entries in order of arrival, the highest tier first; for what ends them all. */
  *entries(): Generator<RoomEntry<T>> {
    for (let tier = TIERS - 1; tier >= 0; tier--) {
      for (let entry = this.#tiers[tier]!.oldest; entry !== undefined; ) {
        const { newer } = entry // the entry may leave the room meanwhile
        yield entry
        entry = newer
      }
    }
  }
}

/** The entry of a queue whose turn it is, at the end that {@link Room} says; undefined where it is empty. */
function turn<T>(queue: Queue<T>, held: Held, ratePerMs: number, mayWaitMs: number): Entry<T> | undefined {
  if (queue.count === 0) return undefined
  const serveMs = ratePerMs > 0 ? queue.count / ratePerMs : 0
  queue.youngestFirst = serveMs > mayWaitMs * (queue.youngestFirst ? TURN_BACK_SHARE : 1)
  return first(queue, held)
}

/** The first of a queue that is not empty: of the entries at its front, one whose key holds the fewest permits. */
function first<T>(queue: Queue<T>, held: Held): Entry<T> {
  let entry = queue.youngestFirst ? queue.newest : queue.oldest
  let best = entry!
  let fewest = Number.POSITIVE_INFINITY
  for (let seen = 0; entry !== undefined && seen < SCAN; seen++) {
    const holds = entry.keyId < 0 ? HELD_WITHOUT_KEY : held(entry.keyId)
    if (holds < fewest) {
      best = entry
      fewest = holds
      if (holds === 0) break
    }
    entry = queue.youngestFirst ? entry.older : entry.newer
  }
  return best
}
