/** Companions of a replay: they decide the same requests otherwise. */

import type { About } from './about.js'
import type { EngineRun } from './engine-run.js'
import type { Entry } from './entry.js'
import type { RouteTally } from './tally.js'

/** Watches the decisions of a recording as they are replayed, to decide them otherwise. */
export interface Companion {
  about(about: About): void
  base(params: unknown): void
  profile(slot: number, profile: unknown): void
  name(slot: number, bytes: number, name: string): void
  /** A call that is not about a decision. */
  rare(call: (run: EngineRun) => void): void
  law(law: number, cells: Float64Array): void
  setLaw(slot: number, nowMs: number): void
  image(image: Uint8Array, nowMs: number): void
  acquire(entry: Entry, route: RouteTally): void
  release(entry: Entry): void
  route(entry: Entry, route: RouteTally): void
}
