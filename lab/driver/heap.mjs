/**
 * A binary min-heap of events ordered by time, ties by order of insertion: two events of the same millisecond
 * always happen in the order in which they were scheduled, which keeps runs repeatable.
 * @template T
 */
export class EventHeap {
  /** @type {{ atMs: number, order: number, event: T }[]} */
  #nodes = []
  #order = 0

  get size() {
    return this.#nodes.length
  }

  /** Time of the earliest event, Infinity when there is none. */
  get nextMs() {
    return this.#nodes.length === 0 ? Number.POSITIVE_INFINITY : this.#nodes[0].atMs
  }

  /** The earliest event, undefined when there is none. @returns {T | undefined} */
  get first() {
    return this.#nodes[0]?.event
  }

  /**
   * @param {number} atMs
   * @param {T} event
   */
  push(atMs, event) {
    const nodes = this.#nodes
    const node = { atMs, order: this.#order++, event }
    let i = nodes.length
    nodes.push(node)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(node, nodes[parent])) break
      nodes[i] = nodes[parent]
      i = parent
    }
    nodes[i] = node
  }

  /** @returns {T | undefined} the earliest event, removed */
  pop() {
    const nodes = this.#nodes
    if (nodes.length === 0) return undefined
    const top = nodes[0].event
    const last = nodes.pop()
    const length = nodes.length
    if (length > 0) {
      let i = 0
      for (;;) {
        let child = 2 * i + 1
        if (child >= length) break
        if (child + 1 < length && before(nodes[child + 1], nodes[child])) child += 1
        if (!before(nodes[child], last)) break
        nodes[i] = nodes[child]
        i = child
      }
      nodes[i] = last
    }
    return top
  }
}

const before = (a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/**
 * A first-in first-out queue without per-item shifting.
 * @template T
 */
export class Fifo {
  /** @type {T[]} */
  #items = []
  #head = 0

  get length() {
    return this.#items.length - this.#head
  }

  /** @param {T} item */
  push(item) {
    this.#items.push(item)
  }

  /** @returns {T | undefined} */
  shift() {
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
