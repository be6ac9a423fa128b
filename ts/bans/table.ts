/**
 * A bounded table of keys' hashes with an end for each: open addressing in 16 parts that grow by themselves, 12 bytes a place. At most
 * 1,333,328 places, 16 MB; 1,000,000 keys fill three quarters of them.
 */

/** Parts, by the lowest bits of a hash. */
const PARTS = 16
const LEAST_PLACES = 64
/** Places of a part: 16 parts of 12 bytes a place are 16 MB. */
const MOST_PLACES = 83_333
/** A part grows, or gives up something, beyond this load. */
const MOST_LOAD = 0.8
const CELLS = 3
const HIGH = 2 ** 32
const HIGH_MASK = 0x1f_ffff
/** Units of time in a cell, ms: 32 bits of them are 497 days. */
const UNIT_MS = 10
/** Places looked at for one to give up. */
const SOUGHT = 16

/** The marks of an entry, in the bits above those of the hash. */
export const MARK = { BAN: 1, SIMULATED: 2, DEMOTED: 4 } as const
const MARK_SHIFT = 21

class Part {
  cells = new Uint32Array(LEAST_PLACES * CELLS)
  places = LEAST_PLACES
  size = 0
  /** From 28 bits of a hash to a place. */
  scale = LEAST_PLACES / 2 ** 28
}

export class BanTable {
  readonly #parts: (Part | undefined)[] = Array.from({ length: PARTS })
  readonly #epochMs: number
  #size = 0
  /** The end of the entry that was found last, ms. */
  untilMs = 0

  /** @param nowMs the present, the earliest time that an entry can end at */
  constructor(nowMs: number) {
    this.#epochMs = nowMs
  }

  /** Entries, those that are over among them. */
  get size(): number {
    return this.#size
  }

  /** Memory of the places, bytes. */
  get bytes(): number {
    return this.#parts.reduce((sum, part) => sum + (part?.cells.byteLength ?? 0), 0)
  }

  /** The marks of a key, and its end in {@link BanTable.untilMs}; 0: there is no entry. The caller looks at its end. */
  find(hash: number): number {
    const low = hash >>> 0
    const part = this.#parts[low & (PARTS - 1)]
    if (part === undefined) return 0
    const high = Math.floor(hash / HIGH)
    const { cells, places } = part
    let place = ((low >>> 4) * part.scale) | 0
    for (;;) {
      const at = place * CELLS
      const word = cells[at + 1]!
      if (word === 0) return 0
      if (cells[at] === low && (word & HIGH_MASK) === high) {
        this.untilMs = this.#epochMs + cells[at + 2]! * UNIT_MS
        return word >>> MARK_SHIFT
      }
      place += 1
      if (place === places) place = 0
    }
  }

  /** Enters a key, or changes what its entry says. @param marks of {@link MARK}, not 0 @returns false where there is no room */
  set(hash: number, marks: number, untilMs: number, nowMs: number): boolean {
    const low = hash >>> 0
    const index = low & (PARTS - 1)
    let part = this.#parts[index]
    if (part === undefined) {
      part = new Part()
      this.#parts[index] = part
    }
    const word = Math.floor(hash / HIGH) + marks * 2 ** MARK_SHIFT
    const end = Math.min(Math.max(Math.ceil((untilMs - this.#epochMs) / UNIT_MS), 0), HIGH - 1)
    if (part.size + 1 > part.places * MOST_LOAD && this.find(hash) === 0) {
      this.#makeRoom(part, low, end, nowMs)
      if (part.size + 1 > part.places * MOST_LOAD) return false
    }
    this.#put(part, low, word, end)
    return true
  }

  #put(part: Part, low: number, word: number, end: number): void {
    const { cells, places } = part
    let place = ((low >>> 4) * part.scale) | 0
    for (;;) {
      const at = place * CELLS
      const known = cells[at + 1]!
      if (known === 0) {
        part.size += 1
        this.#size += 1
      } else if (cells[at] !== low || (known & HIGH_MASK) !== (word & HIGH_MASK)) {
        place = place + 1 === places ? 0 : place + 1
        continue
      }
      cells[at] = low
      cells[at + 1] = word
      cells[at + 2] = end
      return
    }
  }

  /** Drops what is over, grows, or gives up the entry that ends first of a few, where that is before the new one does. */
  #makeRoom(part: Part, low: number, end: number, nowMs: number): void {
    const present = Math.floor((nowMs - this.#epochMs) / UNIT_MS)
    if (part.places < MOST_PLACES) {
      this.#rebuild(part, Math.min(part.places * 2, MOST_PLACES), present)
      return
    }
    let first = -1
    let place = ((low >>> 4) * part.scale) | 0
    for (let sought = 0; sought < SOUGHT; sought++) {
      const at = place * CELLS
      if (part.cells[at + 1] !== 0 && (first < 0 || part.cells[at + 2]! < part.cells[first + 2]!)) first = at
      place = place + 1 === part.places ? 0 : place + 1
    }
    // One that is over is found by its end: it ends before the new one does.
    if (first >= 0 && part.cells[first + 2]! < end) this.#removeAt(part, first / CELLS)
  }

  #rebuild(part: Part, places: number, present: number): void {
    const { cells } = part
    this.#size -= part.size
    part.cells = new Uint32Array(places * CELLS)
    part.places = places
    part.scale = places / 2 ** 28
    part.size = 0
    for (let at = 0; at < cells.length; at += CELLS) {
      if (cells[at + 1] !== 0 && cells[at + 2]! > present) this.#put(part, cells[at]!, cells[at + 1]!, cells[at + 2]!)
    }
  }

  /** Removes a key's entry. @returns whether there was one */
  delete(hash: number): boolean {
    const low = hash >>> 0
    const part = this.#parts[low & (PARTS - 1)]
    if (part === undefined) return false
    const high = Math.floor(hash / HIGH)
    let place = ((low >>> 4) * part.scale) | 0
    for (;;) {
      const at = place * CELLS
      const word = part.cells[at + 1]!
      if (word === 0) return false
      if (part.cells[at] === low && (word & HIGH_MASK) === high) {
        this.#removeAt(part, place)
        return true
      }
      place = place + 1 === part.places ? 0 : place + 1
    }
  }

  /** Empties a place, and moves up those behind it that could not have theirs. */
  #removeAt(part: Part, place: number): void {
    const { cells, places } = part
    part.size -= 1
    this.#size -= 1
    let hole = place
    let next = place
    for (;;) {
      next = next + 1 === places ? 0 : next + 1
      const at = next * CELLS
      if (cells[at + 1] === 0) break
      const wanted = ((cells[at]! >>> 4) * part.scale) | 0
      // It stays where its own place is behind the hole, seen from the hole round to it.
      const fromHole = (wanted - hole + places) % places
      const toNext = (next - hole + places) % places
      if (fromHole > 0 && fromHole <= toNext) continue
      cells.copyWithin(hole * CELLS, at, at + CELLS)
      hole = next
    }
    cells.fill(0, hole * CELLS, hole * CELLS + CELLS)
  }

  clear(): void {
    this.#parts.fill(undefined)
    this.#size = 0
  }
}
