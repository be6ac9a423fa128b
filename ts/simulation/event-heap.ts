/** The events of a simulation, in order of time, and a queue. */

interface Node<T> {
  readonly atMs: number
  readonly order: number
  readonly event: T
}

const isBefore = (a: Node<unknown>, b: Node<unknown>): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/**
 * A binary min-heap of events ordered by time, ties by order of insertion: two events of the same millisecond always happen in the order
 * in which they were scheduled, which keeps runs repeatable.
 */
export class EventHeap<T> {
  readonly #nodes: Node<T>[] = []
  #order = 0

  get size(): number {
    return this.#nodes.length
  }

  /** Time of the earliest event, Infinity when there is none. */
  get nextMs(): number {
    return this.#nodes.length === 0 ? Number.POSITIVE_INFINITY : this.#nodes[0]!.atMs
  }

  /** The earliest event, undefined when there is none. */
  get first(): T | undefined {
    return this.#nodes[0]?.event
  }

  push(atMs: number, event: T): void {
    const nodes = this.#nodes
    const node = { atMs, order: this.#order++, event }
    let i = nodes.length
    nodes.push(node)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(node, nodes[parent]!)) break
      nodes[i] = nodes[parent]!
      i = parent
    }
    nodes[i] = node
  }

  /** Takes the earliest event. To be called only while {@link EventHeap.size} is not 0. */
  pop(): T {
    const nodes = this.#nodes
    const top = nodes[0]?.event as T
    const last = nodes.pop()
    const { length } = nodes
    if (length > 0 && last !== undefined) {
      let i = 0
      for (;;) {
        let child = 2 * i + 1
        if (child >= length) break
        if (child + 1 < length && isBefore(nodes[child + 1]!, nodes[child]!)) child += 1
        if (!isBefore(nodes[child]!, last)) break
        nodes[i] = nodes[child]!
        i = child
      }
      nodes[i] = last
    }
    return top
  }
}

/** A first-in first-out queue without per-item shifting. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head += 1
    if (this.#head > 4096 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
