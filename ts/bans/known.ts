/** A ban or a demotion as a node knows it. */

import { MOST_SHARED } from './record.js'
import { MARK } from './table.js'

/** A key, or a prefix, in clear. */
export interface Target {
  readonly text: string
  readonly isPrefix: boolean
}

export interface Known {
  readonly origin: 'operator' | 'evidence'
  readonly scenario: string
  readonly type: 'ban' | 'demote'
  /** Characters of the prefix; 0: it is of a key. */
  readonly prefix: number
  /** By this node's clock, Unix ms. */
  readonly untilMs: number
  readonly reason: string | undefined
  readonly isSimulated: boolean
  /** The target in clear, of bans that were made here: they are hashed anew when the nodes agree on a salt. */
  readonly target?: Target
}

/** Evidence against a key: a demotion by one node, a ban by two. */
export const evidenceAgainst = (type: Known['type'], scenario: string, untilMs: number): Known => ({
  ...{ origin: 'evidence', scenario, type, prefix: 0, untilMs, reason: undefined, isSimulated: false },
})

/** The order of entries about the same key: those that refuse first. */
const rank = ({ type, isSimulated }: Known): number => (type === 'demote' ? 1 : isSimulated ? 0 : 2)

/** The entry that holds of some about the same key: of those that do most the one that lasts longest. */
export function strongest(entries: readonly (Known | undefined)[], nowMs: number): Known | undefined {
  let best: Known | undefined
  for (const known of entries) {
    if (known === undefined || known.untilMs <= nowMs) continue
    const order = best === undefined ? 1 : rank(known) - rank(best)
    if (order > 0 || (order === 0 && known.untilMs > best!.untilMs)) best = known
  }
  return best
}

export const marksOf = ({ type, isSimulated }: Known): number =>
  type === 'demote' ? MARK.DEMOTED : isSimulated ? MARK.BAN | MARK.SIMULATED : MARK.BAN

/** Entries that give way together: a map that loses one at a time from its head looks through all that it lost. */
const TOGETHER = MOST_SHARED / 8

/** Makes an entry the newest of a map; the oldest give way where there are too many. */
export function keep<T>(map: Map<number, T>, hash: number, value: T): void {
  map.delete(hash)
  if (map.size >= MOST_SHARED) {
    let left = TOGETHER
    for (const oldest of map.keys()) {
      map.delete(oldest)
      left -= 1
      if (left === 0) break
    }
  }
  map.set(hash, value)
}
