/**
 * A bounded table of keys' hashes with an end for each: open addressing in 16 parts that grow by themselves, 12 bytes a place and, before
 * them, a word of a Bloom filter for two places, so that a key without an entry costs one look into memory. At most 1,142,848 places, 16
 * MB; 1,000,000 keys fill seven eighths of them.
 */

/** Parts, by the lowest bits of a hash. */
const PARTS = 16
const LEAST_PLACES = 64
/** Places of a part: 16 parts of 14 bytes a place are 16 MB. */
const MOST_PLACES = 71_428
/** A part grows beyond the first load, and gives up something beyond the second, where it cannot grow. */
const GROWS_AT = 0.8
const MOST_LOAD = 0.92
const CELLS = 3
const HIGH = 2 ** 32
const OF_HIGH = 2 ** -32
const HIGH_MASK = 0x1f_ffff
/** Units of time in a cell, ms: 32 bits of them are 497 days. */
const UNIT_MS = 10
/** Places looked at for one to give up. */
const SOUGHT = 16

/** The marks of an entry, in the bits above those of the hash. */
export const MARK = { BAN: 1, SIMULATED: 2, DEMOTED: 4 } as const
const MARK_SHIFT = 21

class Part {
  readonly cells: Uint32Array
  readonly filter: Uint32Array
  readonly places: number
  size = 0
  /** From 28 bits to a place. */
  readonly scale: number

  constructor(places: number) {
    this.places = places
    this.cells = new Uint32Array(places * CELLS)
    // A power of two: bits of a hash are a word's number as they are.
    this.filter = new Uint32Array(2 ** Math.floor(Math.log2(places / 2)))
    this.scale = places / 2 ** 28
  }

  /** Most entries. */
  get room(): number {
    return this.places * (this.places < MOST_PLACES ? GROWS_AT : MOST_LOAD)
  }
}

/** Three bits of a word, by bits of a hash that choose neither part nor place. */
const filterMask = (high: number): number =>
  (1 << (high & 31)) | (1 << ((high >>> 5) & 31)) | (1 << ((high >>> 10) & 31))

/** The filter of a part that is not there: nothing is in it. */
const EMPTY = new Uint32Array(1)

export class BanTable {
  readonly #parts: (Part | undefined)[] = Array.from({ length: PARTS })
  /** The filters of the parts: all that a key without an entry has to be looked up in. */
  readonly #filters: Uint32Array[] = Array.from({ length: PARTS }, () => EMPTY)
  readonly #epochMs: number
  #size = 0
  /** Hashes come from the store, too: what writes them must not choose their places. */
  readonly #factor: number
  readonly #highFactor: number
  /** The end of the entry that was found last, ms. */
  untilMs = 0

  /** @param nowMs the present, the earliest time that an entry can end at */
  constructor(nowMs: number) {
    this.#epochMs = nowMs
    const [factor, highFactor] = crypto.getRandomValues(new Int32Array(2))
    this.#factor = factor! | 1
    this.#highFactor = highFactor! | 1
  }

  /** The place of a hash in a part, by its upper bits under secret factors (multiplicative hashing). */
  #placeOf({ scale }: Part, low: number, high: number): number {
    return ((Math.imul(low ^ Math.imul(high, this.#highFactor), this.#factor) >>> 4) * scale) | 0
  }

  /** Entries, those that are over among them. */
  get size(): number {
    return this.#size
  }

  /** Memory of the places, bytes. */
  get bytes(): number {
    return this.#parts.reduce((sum, part) => sum + (part ? part.cells.byteLength + part.filter.byteLength : 0), 0)
  }

  /** The marks of a key, and its end in {@link BanTable.untilMs}; 0: there is no entry. The caller looks at its end. */
  find(hash: number): number {
    const low = hash | 0
    const filter = this.#filters[low & (PARTS - 1)]!
    const high = (hash * OF_HIGH) | 0
    const mask = filterMask(high)
    return (filter[(low >>> 4) & (filter.length - 1)]! & mask) === mask ? this.#search(low >>> 0, high) : 0
  }

  #search(low: number, high: number): number {
    const part = this.#parts[low & (PARTS - 1)]!
    const { cells, places } = part
    let place = this.#placeOf(part, low, high)
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

  /**
   * Enters a key, or changes what its entry says.
   *
   * @param marks of {@link MARK}, not 0
   * @param isFirst another gives way where there is no room, whenever it ends
   * @returns false where there is no room
   */
  set(hash: number, marks: number, untilMs: number, nowMs: number, isFirst = false): boolean {
    const low = hash >>> 0
    const index = low & (PARTS - 1)
    let part = this.#parts[index]
    if (part === undefined) {
      part = new Part(LEAST_PLACES)
      this.#parts[index] = part
      this.#filters[index] = part.filter
    }
    const high = (hash * OF_HIGH) | 0
    const word = high + marks * 2 ** MARK_SHIFT
    const end = Math.min(Math.max(Math.ceil((untilMs - this.#epochMs) / UNIT_MS), 0), HIGH - 1)
    if (part.size + 1 > part.room && this.find(hash) === 0) {
      part = this.#withRoom(part, index, this.#placeOf(part, low, high), isFirst ? HIGH : end, nowMs)
      if (part.size + 1 > part.room) return false
    }
    this.#put(part, low, word, end)
    return true
  }

  #put(part: Part, low: number, word: number, end: number): void {
    const { cells, places } = part
    let place = this.#placeOf(part, low, word & HIGH_MASK)
    for (;;) {
      const at = place * CELLS
      const known = cells[at + 1]!
      if (known === 0) {
        part.size += 1
        this.#size += 1
        part.filter[(low >>> 4) & (part.filter.length - 1)]! |= filterMask(word & HIGH_MASK)
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

  /** Drops what is over and grows, or gives up the entry that ends first of a few, where that is before the new one does. */
  #withRoom(part: Part, index: number, from: number, end: number, nowMs: number): Part {
    if (part.places < MOST_PLACES) {
      const grown = new Part(Math.min(part.places * 2, MOST_PLACES))
      const present = Math.floor((nowMs - this.#epochMs) / UNIT_MS)
      const { cells } = part
      this.#size -= part.size
      for (let at = 0; at < cells.length; at += CELLS) {
        if (cells[at + 1] !== 0 && cells[at + 2]! > present)
          this.#put(grown, cells[at]!, cells[at + 1]!, cells[at + 2]!)
      }
      this.#parts[index] = grown
      this.#filters[index] = grown.filter
      return grown
    }
    let first = -1
    let place = from
    for (let sought = 0; sought < SOUGHT; sought++) {
      const at = place * CELLS
      if (part.cells[at + 1] !== 0 && (first < 0 || part.cells[at + 2]! < part.cells[first + 2]!)) first = at
      place = place + 1 === part.places ? 0 : place + 1
    }
    // One that is over ends before the new one does.
    if (first >= 0 && part.cells[first + 2]! < end) this.#removeAt(part, first / CELLS)
    return part
  }

  /** Removes a key's entry. @returns whether there was one */
  delete(hash: number): boolean {
    const low = hash >>> 0
    const part = this.#parts[low & (PARTS - 1)]
    if (part === undefined) return false
    const high = (hash * OF_HIGH) | 0
    let place = this.#placeOf(part, low, high)
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
      const wanted = this.#placeOf(part, cells[at]!, cells[at + 1]! & HIGH_MASK)
      // It stays where its own place is behind the hole, seen from the hole round to it.
      const fromHole = (wanted - hole + places) % places
      const toNext = (next - hole + places) % places
      if (fromHole > 0 && fromHole <= toNext) continue
      cells.copyWithin(hole * CELLS, at, at + CELLS)
      hole = next
    }
    cells.fill(0, hole * CELLS, hole * CELLS + CELLS)
    // The bits of a filter are of several keys: they go when the last one does.
    if (part.size === 0) part.filter.fill(0)
  }

  clear(): void {
    this.#parts.fill(undefined)
    this.#filters.fill(EMPTY)
    this.#size = 0
  }
}
