/**
 * Deadlines: a binary heap, earliest first. Each deadline knows its place, so that one that is no longer
 * needed leaves nothing behind; with a million leases of an hour, ended after a second, that is the whole difference.
 */

export interface HeapTimer<T> {
  readonly item: T
  /** ms */
  at: number
  /** Index in the heap; −1 when it is in none. */
  place: number
}

export class TimerHeap<T> {
  readonly #heap: HeapTimer<T>[] = []

  get size(): number {
    return this.#heap.length
  }

  get earliest(): HeapTimer<T> | undefined {
    return this.#heap[0]
  }

  add(item: T, at: number): HeapTimer<T> {
    const deadline = { item, at, place: this.#heap.length }
    this.#heap.push(deadline)
    this.#rise(deadline)
    return deadline
  }

  /** Takes a deadline out; one that is out already stays out. */
  remove(deadline: HeapTimer<T>): void {
    const { place } = deadline
    if (place < 0) return
    deadline.place = -1
    const last = this.#heap.pop()!
    if (last === deadline) return
    this.#put(last, place)
    this.#rise(last)
    this.#sink(last)
  }

  /** Puts a deadline off. */
  postpone(deadline: HeapTimer<T>, at: number): void {
    if (deadline.place < 0) return
    deadline.at = at
    this.#sink(deadline)
  }

  #put(deadline: HeapTimer<T>, place: number): void {
    this.#heap[place] = deadline
    deadline.place = place
  }

  #rise(deadline: HeapTimer<T>): void {
    while (deadline.place > 0) {
      const { place } = deadline
      const parent = this.#heap[(place - 1) >> 1]!
      if (parent.at <= deadline.at) return
      this.#put(deadline, parent.place)
      this.#put(parent, place)
    }
  }

  #sink(deadline: HeapTimer<T>): void {
    for (;;) {
      const { place } = deadline
      const left = this.#heap[2 * place + 1]
      const right = this.#heap[2 * place + 2]
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left
      if (child === undefined || deadline.at <= child.at) return
      this.#put(deadline, child.place)
      this.#put(child, place)
    }
  }
}
