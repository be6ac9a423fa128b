/** Agreement of nodes on what they found: two that count, where one alone may lie or be mistaken. */

import { Seniority } from '../replication/seniority.js'
import { type BanDocument, PRESENT_MS } from './record.js'

/** Nodes that have to agree. */
const WITNESSES = 2

export class Agreement {
  readonly #node: string
  /** undefined: nodes are proved. */
  readonly #seniority: Seniority | undefined

  /** @param isProved false: a client may write under ids of nodes that do not exist, so that those that come later do not count */
  constructor(node: string, isProved: boolean) {
    this.#node = node
    this.#seniority = isProved ? undefined : new Seniority()
  }

  /** Notes that this node begins to listen. */
  listen(nowMs: number): void {
    this.#seniority?.listen(nowMs)
  }

  /**
   * The keys that two nodes found, each with its scenario and its end by this node's clock, Unix ms: for as long as two agree. To be
   * called every second or so where nodes are not proved.
   */
  of({ found, nodes }: BanDocument, nowMs: number, aheadMs: number): [number, string, number][] {
    if (this.#seniority !== undefined) {
      for (const [node, atMs] of nodes) {
        if (node !== this.#node && Math.abs(nowMs + aheadMs - atMs) < PRESENT_MS) this.#seniority.see(node, nowMs)
      }
      this.#seniority.settle(nowMs)
    }
    const agreed: [number, string, number][] = []
    for (const [hash, { scenario, nodes: by }] of found) {
      const ends: number[] = []
      for (const [node, untilMs] of by) if (this.#counts(node)) ends.push(untilMs - aheadMs)
      const untilMs = ends.sort((a, b) => b - a)[WITNESSES - 1]
      if (untilMs !== undefined && untilMs > nowMs) agreed.push([hash, scenario, untilMs])
    }
    return agreed
  }

  #counts(node: string): boolean {
    return node === this.#node || this.#seniority === undefined || this.#seniority.counts(node)
  }
}
