/** Changes of the cluster's bans that are not in its document yet. */

import { type BanDocument, MOST_FOUND, MOST_NODES, MOST_SHARED, type SharedBan } from './record.js'

/** A change; times by this node's clock, Unix ms. */
export type Pending =
  | { readonly kind: 'ban'; readonly ban: SharedBan }
  | { readonly kind: 'lift' }
  | { readonly kind: 'found'; readonly scenario: 'share' | 'failures'; readonly untilMs: number }

/** Removes the entry that ends first. */
function dropFirst<T>(map: Map<number, T>, endOf: (value: T) => number): void {
  let first: number | undefined
  let end = Number.POSITIVE_INFINITY
  for (const [hash, value] of map) {
    if (endOf(value) >= end) continue
    end = endOf(value)
    first = hash
  }
  if (first !== undefined) map.delete(first)
}

/**
 * Makes a change in a document.
 *
 * @param node this one
 * @param aheadMs the lead of the store's clock over this node's
 * @param nowMs the store's clock, Unix ms
 */
export function changeDocument(
  { bans, found, lifted }: BanDocument,
  hash: number,
  pending: Pending,
  node: string,
  aheadMs: number,
  nowMs: number,
): void {
  switch (pending.kind) {
    case 'lift':
      bans.delete(hash)
      found.delete(hash)
      if (lifted.size >= MOST_FOUND && !lifted.has(hash)) dropFirst(lifted, (atMs) => atMs)
      lifted.set(hash, nowMs)
      return
    case 'ban':
      if (bans.size >= MOST_SHARED && !bans.has(hash)) dropFirst(bans, ({ untilMs }) => untilMs)
      lifted.delete(hash)
      bans.set(hash, { ...pending.ban, untilMs: pending.ban.untilMs + aheadMs })
      return
    case 'found': {
      const known = found.get(hash)
      if (known === undefined && found.size >= MOST_FOUND) dropFirst(found, ({ nodes }) => Math.max(...nodes.values()))
      const nodes = new Map(known?.nodes)
      if (nodes.size < MOST_NODES || nodes.has(node)) nodes.set(node, pending.untilMs + aheadMs)
      found.set(hash, { scenario: pending.scenario, nodes })
    }
  }
}
