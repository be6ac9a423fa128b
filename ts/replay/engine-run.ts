/** An engine that is driven by the entries of a recording: what was asked of the recorded one is asked of it, at the same times. */

import { type Engine, FRAME, NO_SLOT, STATE } from '../engine/port.js'
import { ACQUIRE } from '../recording/format.js'
import { GarbageError } from './block-reader.js'
import type { Entry } from './entry.js'

/** A slot that was recorded and has no route here. */
const UNKNOWN = -1
/** A permit that the engine did not give. */
export const NO_PERMIT_HERE = -1
/** Places of permits that are followed. */
export const MOST_PLACES = 2 ** 22

/** An array of numbers by a small integer, which grows to the largest that is written. */
export class Numbers {
  #cells: Float64Array
  readonly #blank: number
  readonly #most: number

  constructor(blank: number, most: number) {
    this.#blank = blank
    this.#most = most
    this.#cells = new Float64Array(256).fill(blank)
  }

  get(at: number): number {
    return at < this.#cells.length ? this.#cells[at]! : this.#blank
  }

  set(at: number, value: number): void {
    if (at >= this.#cells.length) {
      if (at >= this.#most) return
      const grown = new Float64Array(Math.min(this.#most, Math.max(at + 1, 2 * this.#cells.length))).fill(this.#blank)
      grown.set(this.#cells)
      this.#cells = grown
    }
    this.#cells[at] = value
  }

  clear(): void {
    this.#cells.fill(this.#blank)
  }
}

export class EngineRun {
  readonly engine: Engine
  readonly #slots = new Numbers(UNKNOWN, 2 ** 24)
  /** Numbers of laws here, by those of the recording. */
  readonly #laws = new Map<number, number>()
  /** The permit here that stands for the recorded one of a place. */
  readonly #permits = new Numbers(NO_PERMIT_HERE, MOST_PLACES)
  /** Bytes of the name of the route that a slot is for, until it is interned. */
  readonly #named = new Map<number, number>()
  /** Names of the routes here, by the recorded slot. */
  readonly #names = new Map<number, string>()
  #count = 0
  /** True where the recorded engine is taken over with its permits. */
  hasImage = false

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** Takes over an image of the recorded engine. @returns the slots of its routes; undefined where it can't be taken over */
  image(image: Uint8Array): readonly number[] | undefined {
    const laws = this.engine.images?.load(image)
    if (laws === undefined) return undefined
    this.#slots.clear()
    this.#permits.clear()
    this.#names.clear()
    this.#named.clear()
    this.hasImage = true
    const slots: number[] = []
    for (let i = 0; i < laws.length; i += 2) {
      const slot = laws[i]!
      slots.push(slot)
      this.#slots.set(slot, slot)
      this.#names.set(slot, this.engine.nameOf(slot) ?? '')
      const law = this.#laws.get(laws[i + 1]!)
      if (law !== undefined) this.engine.setLaw(slot, law)
    }
    return slots
  }

  /** The next of the routes that were used is asked for so many times. */
  used(times: number): void {
    for (let i = 0; i < times; i++) if (this.engine.nextUsed() === -1) return
  }

  /** The route that takes a slot from now on has a name of so many bytes. */
  name(slot: number, bytes: number): void {
    this.#named.set(slot, bytes)
  }

  /** @returns the slot here, or NO_SLOT */
  intern(slot: number, nowMs: number): number {
    const bytes = this.#named.get(slot)
    let name = this.#names.get(slot)
    if (bytes !== undefined || name === undefined) {
      this.#named.delete(slot)
      // As long as the name was that was recorded: engines bound what all names take.
      name = (this.#count++).toString(36).padEnd(Math.min(bytes ?? 1, 1 << 16) / 3, ' ')
      this.#names.set(slot, name)
    }
    this.engine.frame[FRAME.NOW] = nowMs
    const here = this.engine.intern(name)
    while (this.engine.evicted() !== -1);
    this.#slots.set(slot, here === NO_SLOT ? UNKNOWN : here)
    return here
  }

  /** The slot here of a recorded one; a route that was never introduced is new. */
  slotOf(slot: number, nowMs: number): number {
    const here = this.#slots.get(slot)
    if (here !== UNKNOWN && !this.#named.has(slot)) return here
    return this.intern(slot, nowMs)
  }

  /** Returns whether a recorded slot has a route here. */
  has(slot: number): boolean {
    return this.#slots.get(slot) !== UNKNOWN
  }

  remove(slot: number, nowMs: number): void {
    const here = this.#slots.get(slot)
    if (here === UNKNOWN) return
    this.engine.frame[FRAME.NOW] = nowMs
    this.engine.remove(here)
    while (this.engine.evicted() !== -1);
    this.#slots.set(slot, UNKNOWN)
    this.#names.delete(slot)
  }

  /** @throws GarbageError for cells that no law has */
  law(law: number, cells: Float64Array): void {
    const before = this.#laws.get(law) ?? (law === 0 ? 0 : undefined)
    try {
      const here = this.engine.defineLaw(cells, before)
      if (here >= 0) this.#laws.set(law, here)
    } catch (error) {
      throw new GarbageError(`a law that is none: ${(error as Error).message}`)
    }
  }

  lawOf(law: number): number {
    return this.#laws.get(law) ?? -1
  }

  setLaw(slot: number, law: number, nowMs: number): void {
    const here = this.#laws.get(law)
    if (here !== undefined) this.engine.setLaw(this.slotOf(slot, nowMs), here)
  }

  /** Overwrites the state of a route. @throws GarbageError for cells that no state has */
  state(slot: number, cells: Float64Array, nowMs: number): void {
    const mode = cells[STATE.MODE]!
    if (mode !== 0 && mode !== 1 && mode !== 2) throw new GarbageError(`mode ${mode}`)
    const here = this.slotOf(slot, nowMs)
    const { frame } = this.engine
    frame[FRAME.NOW] = nowMs
    frame.set(cells, FRAME.STATE)
    this.engine.writeState(here)
  }

  share(slot: number, cells: Float64Array, nowMs: number): void {
    const here = this.slotOf(slot, nowMs)
    this.engine.batch.set(cells)
    this.engine.share(here)
  }

  inherit(slot: number, taken: boolean, cells: Float64Array, nowMs: number): void {
    const here = this.slotOf(slot, nowMs)
    this.engine.frame[FRAME.NOW] = nowMs
    this.engine.batch.set(cells)
    this.engine.inherit(here, taken)
  }

  scar(slot: number, ohms: number, nowMs: number): void {
    const here = this.slotOf(slot, nowMs)
    this.engine.frame[FRAME.NOW] = nowMs
    this.engine.scar(here, ohms)
  }

  lease(slot: number, taken: boolean, nowMs: number): void {
    if (!this.engine.hasClosedLoop) return
    const here = this.slotOf(slot, nowMs)
    this.engine.frame[FRAME.NOW] = nowMs
    this.engine.lease(here, taken)
  }

  order(slot: number, order: number, nowMs: number): void {
    this.engine.order(this.slotOf(slot, nowMs), order)
  }

  /** Asks for a permit as it was asked for. @param waitedMs in place of the recorded one */
  acquire(entry: Entry, waitedMs: number): Float64Array {
    const slot = this.slotOf(entry.slot, entry.nowMs)
    const { frame } = this.engine
    frame[FRAME.NOW] = entry.nowMs
    frame[FRAME.SLOT] = slot
    frame[FRAME.TIER] = entry.tier === ACQUIRE.BY_VOLTAGE ? -1 : entry.tier
    frame[FRAME.VOLTAGE] = entry.voltage
    frame[FRAME.KEY] = entry.key
    frame[FRAME.KEY_WEIGHT] = entry.weight
    frame[FRAME.KEY_CLASS] = entry.keyClass
    frame[FRAME.KEY_LANE] = entry.lane
    frame[FRAME.QUEUE_AGE_MS] = entry.queueAgeMs
    frame[FRAME.PROCESS_SATURATION] = entry.process
    frame[FRAME.WAITED_MS] = waitedMs
    frame[FRAME.CAUSE] = entry.givenUp
    this.engine.acquire()
    return this.engine.frame
  }

  /** The permit here that stands for the recorded one of a place. */
  hold(place: number, permit: number): void {
    if (place >= 0) this.#permits.set(place, permit)
  }

  /** Takes the permit of a place; {@link NO_PERMIT_HERE} where there is none. */
  take(place: number): number {
    const permit = this.#permits.get(place)
    this.#permits.set(place, NO_PERMIT_HERE)
    return permit
  }

  /** The event loop was blocked. @returns false where the engine can't know of it */
  stall(sinceMs: number, untilMs: number): boolean {
    this.engine.loop?.blocked(sinceMs, untilMs)
    return this.engine.loop !== undefined
  }

  /** Gives a permit back. @param excusedMs what does not count of its age, ms */
  release(permit: number, outcome: number, nowMs: number, excusedMs = 0): Float64Array {
    const { frame } = this.engine
    frame[FRAME.NOW] = nowMs
    if (excusedMs > 0) this.engine.loop?.postpone(permit, excusedMs)
    frame[FRAME.PERMIT] = permit
    frame[FRAME.OUTCOME] = outcome
    this.engine.release()
    return this.engine.frame
  }

  /** Concludes a detached request. */
  conclude(entry: Entry): void {
    const slot = this.slotOf(entry.slot, entry.nowMs)
    const { frame } = this.engine
    frame[FRAME.NOW] = entry.nowMs
    frame[FRAME.SLOT] = slot
    frame[FRAME.PERMIT] = -1
    frame[FRAME.OUTCOME] = entry.outcome
    frame[FRAME.AGE_MS] = entry.ageMs
    this.engine.release()
  }

  /** One tick of the open loop. @param law the recorded number, −1: the route's own */
  route(entry: Entry, law: number): Float64Array {
    const slot = this.slotOf(entry.slot, entry.nowMs)
    const { frame } = this.engine
    frame[FRAME.NOW] = entry.nowMs
    frame[FRAME.SLOT] = slot
    frame[FRAME.LATENCY_MS] = entry.latencyMs
    frame[FRAME.ERROR_RATE] = entry.errorRate
    frame[FRAME.SATURATION] = entry.saturation
    frame[FRAME.VOLTAGE] = entry.voltage
    frame[FRAME.LAW] = law
    this.engine.route()
    return this.engine.frame
  }

  /** One tick, as a row of a batch. @returns the batch, whose first row it is */
  row(entry: Entry): Float64Array {
    const slot = this.slotOf(entry.slot, entry.nowMs)
    const { frame, batch } = this.engine
    batch[0] = slot
    batch[1] = entry.latencyMs
    batch[2] = entry.errorRate
    batch[3] = entry.saturation
    frame[FRAME.NOW] = entry.nowMs
    frame[FRAME.SLOT] = 1
    this.engine.routeBatch()
    return this.engine.batch
  }
}
