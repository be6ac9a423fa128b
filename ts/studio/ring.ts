/** A ring of points in time, each a row of numbers: the newest so many are kept. */

export class Ring {
  readonly width: number
  readonly capacity: number
  readonly #cells: Float32Array
  readonly #times: Float64Array
  #next = 0
  #size = 0

  constructor(capacity: number, width: number) {
    this.capacity = capacity
    this.width = width
    this.#cells = new Float32Array(capacity * width)
    this.#times = new Float64Array(capacity)
  }

  get size(): number {
    return this.#size
  }

  /** Adds a point. @param atMs time since the epoch, ms @param write fills the row that it is given */
  push(atMs: number, write: (row: Float32Array) => void): void {
    const at = this.#next
    this.#times[at] = atMs
    write(this.#cells.subarray(at * this.width, (at + 1) * this.width))
    this.#next = (at + 1) % this.capacity
    this.#size = Math.min(this.#size + 1, this.capacity)
  }

  /** The points from a time on, oldest first. */
  *since(fromMs: number): Generator<{ readonly atMs: number; readonly row: Float32Array }> {
    for (let i = this.#size; i > 0; i--) {
      const at = (this.#next - i + this.capacity) % this.capacity
      const atMs = this.#times[at]!
      if (atMs >= fromMs) yield { atMs, row: this.#cells.subarray(at * this.width, (at + 1) * this.width) }
    }
  }
}
