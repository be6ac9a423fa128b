/** The public types of bans. */

/** A key, or all keys that begin with a text of 1 to 256 characters. */
export type BanTarget = string | number | bigint | { readonly prefix: string }

export interface BanOptions {
  /** The time that the ban lasts, ms, 1 to 86,400,000 (24 h). Default 3,600,000 (1 h). */
  readonly ttlMs?: number | null | undefined
  /** At most 280 characters. */
  readonly reason?: string | null | undefined
  /** Counts what it would refuse, and refuses nothing. Default false. */
  readonly simulated?: boolean | null | undefined
}

/** A ban. Its key is in none of it. */
export interface Ban {
  /** The same on all nodes that share the ban, and for the same key. */
  readonly id: string
  /** 'operator': it was asked for; 'evidence': two nodes found it. */
  readonly origin: 'operator' | 'evidence'
  /** 'manual', or the evidence: 'share' or 'failures'. */
  readonly scenario: string
  readonly scope: 'key' | 'prefix'
  /** 'ban': requests are refused. 'demote': they go as tier `bulk`, on this node alone. */
  readonly type: 'ban' | 'demote'
  /** The end of the ban, Unix ms. */
  readonly until: number
  readonly reason: string | undefined
  readonly simulated: boolean
  /** Requests that the ban met on this node. */
  readonly hits: number
}

/** Bans by evidence: off, unless a share or a number of failures is given. */
export interface EvidenceOptions {
  /** The share of all requests with a key that is too much for one, in (0, 1]. Default: none is. */
  readonly share?: number | undefined
  /** The failures in a window that are too many for one key, where they are most of all failures, an integer ≥ 1. Default: none are. */
  readonly failures?: number | undefined
  /** ms, 100 to 600,000. Default 10,000. */
  readonly windowMs?: number | undefined
}
