/**
 * A fair queue as a data structure: which of those who wait is next, and which gives way where it is full. Pure: no clock, no timer, no
 * promise. Whether there is room for the next one is its user's to decide.
 *
 * | question | rule |
 * |---|---|
 * | who is next | the highest tier; within it the tenant that has been served least for its weight (start-time fair queueing); of that tenant the oldest |
 * | that nothing starves | every {@link OLDEST_EVERY}th turn belongs to the tier of the oldest of all, where that one has waited for longer than `ageMs`, and in it to the tenant that has been served least, so that many callers are no advantage: a bounded part of the service, so that a backlog of batch work, however old, does not overtake the interactive |
 * | who gives way where it is full | of the lowest tier, below the newcomer's, the youngest of the tenant with the most; of the newcomer's own tier, where that tenant has more than the newcomer's; else the newcomer |
 * | how a tenant that comes back is treated | as it left: its service is remembered, of at most {@link IDLE_TENANTS} that do not wait |
 *
 * Every operation takes O(log n) of the tenants; giving way takes O(n) of them.
 */

import { Entry, LaneHeap, linkLane, Tenant, TIERS, unlinkLane } from './lanes.js'

/** One in this many turns belongs to the tier of the oldest entry. */
export const OLDEST_EVERY = 10
/** Most tenants that are remembered while they do not wait. */
export const IDLE_TENANTS = 4_096

export interface QueueOptions {
  /** Most entries, ≥ 1. Default 4,096. */
  readonly capacity?: number
  /** The wait after which an entry is owed a turn whatever its tier, ms. Default 5,000. */
  readonly ageMs?: number
}

export interface QueueTerms {
  /** 0 (bulk) to 4 (critical) */
  readonly tier: number
  readonly tenant: string
  /** > 0 */
  readonly weight: number
  /** The service that it takes, > 0, in any measure that all entries share. */
  readonly cost: number
  readonly arrivedMs: number
}

export interface QueueEntry<T> extends QueueTerms {
  readonly item: T
  /** False once it has been taken or removed. */
  readonly waits: boolean
}

export class FairQueue<T> {
  readonly #capacity: number
  readonly #ageMs: number
  readonly #tenants = new Map<string, Tenant<T>>()
  readonly #heaps = Array.from({ length: TIERS }, () => new LaneHeap<T>())
  #oldest: Entry<T> | undefined
  #newest: Entry<T> | undefined
  #size = 0
  #idle = 0
  #turns = 0
  #pushed = 0
  /** The service that a tenant starts from which has had none lately. */
  #virtual = 0

  constructor({ capacity = 4_096, ageMs = 5_000 }: QueueOptions = {}) {
    this.#capacity = capacity
    this.#ageMs = ageMs
  }

  get size(): number {
    return this.#size
  }

  /** Tenants that wait or are remembered. */
  get tenants(): number {
    return this.#tenants.size
  }

  get isFull(): boolean {
    return this.#size >= this.#capacity
  }

  /** Entries of each tier, bulk to critical. */
  sizes(): number[] {
    return this.#heaps.map(({ lanes }) => lanes.reduce((sum, { count }) => sum + count, 0))
  }

  /** Adds an entry; a full queue takes it as well: see {@link FairQueue.yielding}. */
  push(item: T, { tier, tenant, weight, cost, arrivedMs }: QueueTerms): QueueEntry<T> {
    const owner = this.#tenantOf(tenant)
    const entry = new Entry(item, owner, tier, weight, cost, arrivedMs, this.#pushed)
    this.#pushed += 1
    const lane = owner.lanes[tier]!
    let older = lane.newest
    while (older !== undefined && older.arrivedMs > arrivedMs) older = older.older
    linkLane(lane, entry, older)
    let before = this.#newest
    while (before !== undefined && before.arrivedMs > arrivedMs) before = before.before
    this.#link(entry, before)
    if (owner.count === 0) this.#idle -= 1
    owner.count += 1
    this.#size += 1
    this.#heaps[tier]!.place(lane)
    return entry
  }

  /** The entry whose turn it is; it stays in the queue. undefined: none waits. */
  next(nowMs: number): QueueEntry<T> | undefined {
    const oldest = this.#oldest
    if (oldest === undefined) return undefined
    if (this.#turns % OLDEST_EVERY === OLDEST_EVERY - 1 && nowMs - oldest.arrivedMs > this.#ageMs)
      return this.#heaps[oldest.tier]!.first!.oldest
    for (let tier = TIERS - 1; tier >= 0; tier--) {
      const lane = this.#heaps[tier]!.first
      if (lane !== undefined) return lane.oldest
    }
    return undefined
  }

  /** Takes an entry out as served. False: it was out already. */
  take(entry: QueueEntry<T>): boolean {
    const known = entry as Entry<T>
    if (!known.waits) return false
    this.#turns += 1
    this.#serve(known.owner, known.cost / known.weight)
    return this.remove(entry)
  }

  /** Takes an entry out that was not served. False: it was out already. */
  remove(entry: QueueEntry<T>): boolean {
    const known = entry as Entry<T>
    if (!known.waits) return false
    known.waits = false
    const { owner, tier } = known
    const lane = owner.lanes[tier]!
    unlinkLane(lane, known)
    this.#unlink(known)
    owner.count -= 1
    this.#size -= 1
    this.#heaps[tier]!.place(lane)
    if (owner.count === 0) {
      this.#idle += 1
      if (this.#idle > IDLE_TENANTS) this.#forgetIdle()
    }
    return true
  }

  /** The entry that gives way to a newcomer in a full queue; it stays. undefined: the newcomer does. */
  yielding(tier: number, tenant: string): QueueEntry<T> | undefined {
    const lowest = this.#heaps.findIndex(({ first }) => first !== undefined)
    if (lowest < 0 || lowest > tier) return undefined
    const [first, ...others] = this.#heaps[lowest]!.lanes
    const most = others.reduce((one, lane) => (lane.count > one.count ? lane : one), first!)
    if (lowest === tier && most.count <= (this.#tenants.get(tenant)?.lanes[tier]?.count ?? 0) + 1) return undefined
    return most.newest
  }

  /** All entries, oldest first; entries may leave meanwhile. */
  *entries(): Generator<QueueEntry<T>> {
    for (let entry = this.#oldest; entry !== undefined; ) {
      const { after } = entry
      yield entry
      entry = after
    }
  }

  #serve(owner: Tenant<T>, service: number): void {
    const start = Math.max(owner.served, this.#virtual)
    this.#virtual = start
    owner.served = start + service
    for (let tier = 0; tier < TIERS; tier++) {
      const lane = owner.lanes[tier]!
      if (lane.count > 0) this.#heaps[tier]!.place(lane)
    }
  }

  #tenantOf(name: string): Tenant<T> {
    let tenant = this.#tenants.get(name)
    if (tenant === undefined) {
      tenant = new Tenant<T>(name, this.#virtual)
      this.#tenants.set(name, tenant)
      this.#idle += 1
    } else if (tenant.count === 0) tenant.served = Math.max(tenant.served, this.#virtual)
    return tenant
  }

  /** Forgets tenants that do not wait: those that have nothing to be remembered for, and of the others as many as it takes, longest known first. */
  #forgetIdle(): void {
    for (const isRemembered of [false, true]) {
      for (const [name, tenant] of this.#tenants) {
        if (this.#idle <= IDLE_TENANTS / 2) return
        if (tenant.count > 0 || (!isRemembered && tenant.served > this.#virtual)) continue
        this.#tenants.delete(name)
        this.#idle -= 1
      }
    }
  }

  #link(entry: Entry<T>, before: Entry<T> | undefined): void {
    const after = before === undefined ? this.#oldest : before.after
    entry.before = before
    entry.after = after
    if (before === undefined) this.#oldest = entry
    else before.after = entry
    if (after === undefined) this.#newest = entry
    else after.before = entry
  }

  #unlink(entry: Entry<T>): void {
    const { before, after } = entry
    if (before === undefined) this.#oldest = after
    else before.after = after
    if (after === undefined) this.#newest = before
    else after.before = before
    entry.before = undefined
    entry.after = undefined
  }
}
