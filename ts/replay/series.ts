/** Counts over time: bins that widen as the time grows, so that they stay few. */

const FIRST_BIN_MS = 100
const MOST_BINS = 4_096

export class Series {
  #firstMs = Number.NaN
  binMs = FIRST_BIN_MS
  readonly #lanes: number[][]

  constructor(lanes: number) {
    this.#lanes = Array.from({ length: lanes }, () => [])
  }

  add(lane: number, nowMs: number): void {
    if (Number.isNaN(this.#firstMs)) this.#firstMs = nowMs
    if (!(nowMs >= this.#firstMs && nowMs < Number.MAX_SAFE_INTEGER)) return
    let bin = Math.floor((nowMs - this.#firstMs) / this.binMs)
    while (bin >= MOST_BINS) {
      this.#widen()
      bin = Math.floor((nowMs - this.#firstMs) / this.binMs)
    }
    for (const one of this.#lanes) while (one.length <= bin) one.push(0)
    this.#lanes[lane]![bin]! += 1
  }

  /** Counts a second of a lane. */
  perS(lane: number): number[] {
    return this.#lanes[lane]!.map((count) => (1000 * count) / this.binMs)
  }

  #widen(): void {
    this.binMs *= 2
    for (const lane of this.#lanes) {
      const pairs = Array.from({ length: (lane.length + 1) >> 1 }, (_, i) => lane[2 * i]! + (lane[2 * i + 1] ?? 0))
      lane.splice(0, lane.length, ...pairs)
    }
  }
}
