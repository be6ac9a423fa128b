/**
 * Finds the shed that an error handler is about to answer. Frameworks and applications read an error's status and answer at the same
 * time, so an adapter can distinguish the 503 of a guard further in from one of its own route, whatever handler wrote it.
 */

import { soon } from './soon.js'

/** The fields of an error that are read. */
interface Shed {
  readonly retryAfterMs?: number | undefined
}

/**
 * The sheds that were thrown and not answered yet, in order, each with its number. An error handler that answers 503 without asking the error
 * for its status, or long after, answers a shed that was thrown in the time of its request: there are as many such answers as sheds.
 */
interface Thrown {
  count: number
  readonly open: Map<object, number>
}

/** Sheds that are remembered; most are answered at once. */
const REMEMBERED = 256

/** One for the process: the package may be in it more than once. */
const KEY = Symbol.for('atrion.sheds-thrown')
const shared = globalThis as { [KEY]?: Thrown }
shared[KEY] ??= { count: 0, open: new Map() }
const thrown: Thrown = shared[KEY]

/** The number of sheds that have been thrown so far: a request notes it when it begins. */
export const shedsThrown = (): number => thrown.count

/** A guard throws a shed at what called it. */
export function noteThrown(shed: object): void {
  const { open } = thrown
  if (open.size >= REMEMBERED) open.delete(open.keys().next().value!)
  open.set(shed, ++thrown.count)
}

/** A shed was seen on its way to where it is answered. */
export const forgetThrown = (shed: object): boolean => thrown.open.delete(shed)

/** The oldest shed that was thrown after so many others and is not answered yet: by now it is. */
export function takeThrownAfter(count: number): Shed | undefined {
  for (const [shed, number] of thrown.open) {
    if (number <= count) continue
    thrown.open.delete(shed)
    noteStatusRead(shed)
    return shed
  }
  return undefined
}

let last: Shed | undefined

/** The status of a shed was read. */
export function noteStatusRead(shed: Shed): void {
  if (last === undefined) soon(forget)
  last = shed
}

function forget(): void {
  last = undefined
}

/** The shed whose status was read since this code was called by the event loop. */
export const shedBeingAnswered = (): Shed | undefined => last
