/** What the closed loop needs of the instance it belongs to. */

import type { KeyHasher } from '../base/keys.js'
import type { BreakBy } from '../options/options.js'
import type { LimitedBy, Permit } from './types.js'

export interface LoopHost {
  /** Whether time is a clock of the caller's. */
  readonly hasOwnClock: boolean
  readonly keys: KeyHasher
  /** By which classes of keys routes break. */
  readonly breakBy: ReadonlyMap<string, BreakBy>
  /** The pool that a route is in. */
  poolOf(routeId: string): string | undefined
  /** Slot of a route, made when new, at the time in the frame: nothing of the caller's runs in it. Throws TypeError for what is no route id. */
  slotOf(routeId: string): number
  /** Another thread evicted the route: its new slot. */
  slotAgain(routeId: string): number
  /** Slot of a route that exists. */
  findSlot(routeId: string): number | undefined
  /** Tells the routes that had a slot one after the other apart. */
  tenancyOf(slot: number): number
  /** Whether an operator has ordered a route open. */
  isOrderedOpen(routeId: string): boolean
  /** R_base of a route, Ω. */
  baseResistanceOf(routeId: string): number
  /** Puts the present into the frame, where it is not the engine's own. The clock is the caller's and may ask this instance. */
  readClock(): void
  /** The same, and ends the leases whose time has come. */
  settle(): void
  /** The instance's time, ms. */
  nowMs(): number
  /** The frame's out cells describe a tick. */
  ticked(frame: Float64Array, routeId: string): void
  /** A request was refused. */
  refused(routeId: string, permit: Permit, limitedBy: LimitedBy): void
  wrongType(field: string, wanted: string, got: unknown): TypeError
}
