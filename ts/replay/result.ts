/** The results of a replay. */

import type { About } from './about.js'
import type { Damage } from './blocks.js'
import type { Tally } from './tally.js'

/** The reasons for which decisions may come out otherwise. */
export type Doubt =
  | 'began late'
  | 'shared engine'
  | 'sampled'
  | 'blocks were dropped'
  | 'ring'
  | 'reports of other nodes'
  | 'stalls'
  | 'the engine failed'

export interface Coverage {
  readonly about: About
  readonly bytes: number
  readonly decisions: number
  readonly dropped: number
  readonly damage: Damage | undefined
  /** Decisions before the first doubt: these are a function of what is recorded. */
  readonly certain: number
  readonly doubts: readonly Doubt[]
  /** Requests that waited for their turn, and asked again. */
  readonly asks: number
}

export interface ReplayResult {
  readonly coverage: Coverage
  /** Of the certain decisions, and of those after the first doubt. */
  readonly equal: number
  readonly equalDoubtful: number
  /** The first certain decision that came out otherwise. */
  readonly firstDifference: string | undefined
  readonly tally: Tally
  /** Seconds that the replay took. */
  readonly seconds: number
}
