/** The changes that peers make in a recorded engine: their reports reach the native one by calls of its own. */

import type { MailboxLink, NativeCluster } from '../engine/cluster-port.js'
import { PAST, SHARE } from '../engine/port.js'
import type { Coder } from './coder.js'
import { ENTRY } from './format.js'

export const SHARE_CELLS = SHARE.BOUND + 1
export const PAST_CELLS = PAST.GAMMA + 1
/** Cells of a route that peers report: slot, whether what was inherited went, and those of its share. */
const PEER_CELLS = 2 + SHARE_CELLS
/** An image of what peers changed follows so much later, ms: routes are taken over from a store in many small steps. */
const IMAGE_PAUSE_MS = 500

export class Peers {
  readonly #coder: Coder
  /** The last entry of {@link ENTRY.USED}: the block, its count and its end. */
  readonly #used = { sequence: -1, at: 0, end: 0 }
  /** Puts the engine's own calls back. */
  remove: () => void = () => {}

  constructor(coder: Coder) {
    this.#coder = coder
  }

  /** Replaces the calls of an engine that has them. */
  put(): void {
    const { cluster } = this.#coder.engine
    if (cluster === undefined) return
    const { sync, adopt, leave } = cluster
    const open = cluster as { -readonly [K in keyof NativeCluster]: NativeCluster[K] }
    open.sync = (link, gamma) => this.#sync(cluster, link, gamma)
    open.adopt = (link, most, gamma) => {
      const taken = adopt(link, most, gamma)
      if (taken > 0) this.#note()
      return taken
    }
    open.leave = (link) => {
      leave(link)
      this.#note()
    }
    this.remove = () => Object.assign(open, { sync, adopt, leave })
  }

  /** Other nodes changed routes in a way that no entry has: the engine is written as it is now. */
  #note(): void {
    const coder = this.#coder
    coder.beginRare(ENTRY.PEERS, coder.engine.readClock(true))
    coder.images.owe(IMAGE_PAUSE_MS)
    coder.forget()
  }

  /** Brings the engine into step with its peers, as {@link NativeCluster.sync}. */
  #sync(cluster: NativeCluster, link: MailboxLink, gamma: number): void {
    const coder = this.#coder
    const { engine, writer } = coder
    const cells = cluster.syncRecorded(link, gamma)
    // The last time it is asked for there is no more.
    this.noteUsed(cells[0]! + 1)
    const nowMs = engine.readClock(true)
    for (let at = 1; at + PEER_CELLS <= cells.length; at += PEER_CELLS) {
      const slot = cells[at]!
      coder.ready(slot, false)
      if (cells[at + 1] === 1) {
        coder.beginRare(ENTRY.INHERIT, nowMs)
        writer.varint(slot)
        writer.byte(0)
        for (let i = 0; i < PAST_CELLS; i++) writer.double(0)
      }
      coder.beginRare(ENTRY.SHARE, nowMs)
      writer.varint(slot)
      writer.doubles(cells, at + 2, SHARE_CELLS)
    }
  }

  /** The next of the routes that were used were asked for so many times. */
  noteUsed(times: number): void {
    const { writer } = this.#coder
    const used = this.#used
    if (used.sequence === writer.sequence && used.end === writer.at) {
      writer.addTo(used.at, times)
      return
    }
    this.#coder.beginRare(ENTRY.USED, writer.lastMs)
    used.at = writer.at
    writer.word(times)
    used.end = writer.at
    used.sequence = writer.sequence
  }
}
