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

  /** The points from a time on, oldest first; the row of each is a view that the next points leave alone. */
  *since(fromMs: number): Generator<{ readonly atMs: number; readonly row: Float32Array }> {
    let count = 0
    while (count < this.#size && this.#times[this.#indexOf(count + 1)]! >= fromMs) count += 1
    for (let i = count; i > 0; i--) {
      const at = this.#indexOf(i)
      yield { atMs: this.#times[at]!, row: this.#cells.subarray(at * this.width, (at + 1) * this.width) }
    }
  }

  /** The place of the point that was pushed so many points ago, 1 is the newest. */
  #indexOf(ago: number): number {
    return (this.#next - ago + this.capacity) % this.capacity
  }
}
