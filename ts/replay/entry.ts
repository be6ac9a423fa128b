/** The entries of a recording as they are read, and the handler that they go to. */

/** A decoded entry: one object, written anew for every one. */
export class Entry {
  nowMs = 0
  slot = 0
  tier = 0
  voltage = 0
  key = Number.NaN
  keyClass = Number.NaN
  lane = 0
  weight = 1
  queueAgeMs = 0
  process = 0
  waitedMs = -1
  givenUp = 0
  isAllowed = false
  isTicked = false
  isStale = false
  waits = false
  mode = 0
  cause = 0
  /** The place of the permit; −1: none, or one that is not numbered. */
  place = -1
  digest = 0
  outcome = 0
  /** Of a release: the permit where its place does not stand for it; −1 concludes a detached request. */
  permit = Number.NaN
  /** Of a release: what does not count of the permit's age, ms. */
  excusedMs = 0
  ageMs = 0
  latencyMs = 0
  errorRate = 0
  saturation = 0
  law = -1
}

export interface Handler {
  about(about: unknown): void
  base(params: unknown): void
  name(slot: number, bytes: number, name: string): void
  profile(slot: number, profile: unknown): void
  intern(slot: number, nowMs: number): void
  remove(slot: number, nowMs: number): void
  law(law: number, cells: Float64Array, nowMs: number): void
  setLaw(slot: number, law: number, nowMs: number): void
  state(slot: number, cells: Float64Array, nowMs: number): void
  known(slot: number, hasLimiter: boolean, cells: Float64Array, nowMs: number): void
  share(slot: number, cells: Float64Array, nowMs: number): void
  inherit(slot: number, taken: boolean, cells: Float64Array, nowMs: number): void
  scar(slot: number, ohms: number, nowMs: number): void
  lease(slot: number, taken: boolean, nowMs: number): void
  order(slot: number, order: number, nowMs: number): void
  dryRun(dryRun: boolean): void
  peers(): void
  stall(sinceMs: number, untilMs: number): void
  /** There were more at once than are recorded. */
  tooManyStalls(): void
  /** The next of the routes that were used was asked for so many times. */
  used(times: number): void
  image(image: Uint8Array, nowMs: number): void
  fault(): void
  acquire(entry: Entry): void
  release(entry: Entry): void
  route(entry: Entry): void
  /** A row of a batch: slot and telemetry are in the entry; what came of it besides. */
  row(entry: Entry, status: number): void
}
