/**
 * Which shed an error handler is about to answer. Frameworks and applications ask an error for its status and answer in the same
 * breath, so an adapter can tell the 503 of a guard further in from one of its own route, whatever handler wrote it.
 */

/** What is read of an error. */
interface Shed {
  readonly retryAfterMs?: number | undefined
}

let last: Shed | undefined

/** The status of a shed was read. */
export function noteStatusRead(shed: Shed): void {
  if (last === undefined) queueMicrotask(forget)
  last = shed
}

function forget(): void {
  last = undefined
}

/** The shed whose status was read since this code was called by the event loop. */
export const shedBeingAnswered = (): Shed | undefined => last
