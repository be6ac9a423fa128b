/**
 * Seniority: how much nodes count that are known for less long than others, where nothing proves their ids. The rule of
 * `src/replication/seniority.rs`: those that came later count as one node, with no more weight than those before them have together,
 * until they have been there for half as long as the first one, this one included, a minute at least and an hour at most.
 */

/** A node without a report for so long is silent, and after so long forgotten, ms. */
const SILENCE_MS = 3000
const MEMORY_MS = 30_000
const YOUNG_MS = 60_000
const OLD_MS = 3_600_000
const MAX_NODES = 1024

/** One node's report of a route: its scar, Ω, and its recent requests. */
export interface PeerScar {
  readonly scar: number
  readonly requests: number
}

interface Node {
  readonly metMs: number
  seenMs: number
}

export class Seniority {
  /** Nodes by their id, those seen longest ago first. */
  readonly #nodes = new Map<string, Node>()
  #listeningMs = Number.POSITIVE_INFINITY
  #matureMs = Number.NEGATIVE_INFINITY

  /** Notes that this node begins to listen. */
  listen(nowMs: number): void {
    this.#listeningMs = nowMs
  }

  /** Notes that a node has reported; false: there is no room for a node that is not known yet. */
  see(id: string, nowMs: number): boolean {
    let node = this.#nodes.get(id)
    if (node === undefined) {
      if (this.#nodes.size >= MAX_NODES && !this.#forgetOne(nowMs)) return false
      node = { metMs: nowMs, seenMs: nowMs }
    } else {
      this.#nodes.delete(id)
      node.seenMs = nowMs
    }
    this.#nodes.set(id, node)
    return true
  }

  #forgetOne(nowMs: number): boolean {
    for (const [id, { seenMs }] of this.#nodes) {
      if (Math.abs(nowMs - seenMs) <= SILENCE_MS) return false
      this.#nodes.delete(id)
      return true
    }
    return false
  }

  /** Finds the first of the nodes that are not silent. To be called before {@link Seniority.counts}, once for many nodes. */
  settle(nowMs: number): void {
    let firstMs = Math.min(this.#listeningMs, nowMs)
    for (const [id, { metMs, seenMs }] of this.#nodes) {
      const silentMs = Math.abs(nowMs - seenMs)
      if (silentMs > MEMORY_MS) this.#nodes.delete(id)
      else if (silentMs <= SILENCE_MS) firstMs = Math.min(firstMs, metMs)
    }
    this.#matureMs = nowMs - Math.min(Math.max((nowMs - firstMs) / 2, YOUNG_MS), OLD_MS)
  }

  /** Returns whether a node counts as one of the earlier ones. */
  counts(id: string): boolean {
    return (this.#nodes.get(id)?.metMs ?? Number.POSITIVE_INFINITY) <= this.#matureMs
  }

  /** The reports of a route, those of later nodes as the one that they count as. */
  join(reports: readonly (readonly [node: string, report: PeerScar])[]): readonly PeerScar[] {
    const earlier: PeerScar[] = []
    const later: PeerScar[] = []
    for (const [node, report] of reports) (this.counts(node) ? earlier : later).push(report)
    if (later.length === 0) return earlier
    const most = earlier.length === 0 ? Number.POSITIVE_INFINITY : weightOf(earlier)
    const scars = later.reduce((sum, { scar, requests }) => sum + scar * (1 + requests), 0)
    const weight = weightOf(later)
    return [...earlier, { scar: scars / weight, requests: Math.min(weight, most) - 1 }]
  }
}

const weightOf = (reports: readonly PeerScar[]): number => reports.reduce((sum, { requests }) => sum + 1 + requests, 0)
