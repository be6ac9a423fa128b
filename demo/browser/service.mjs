/** A service in virtual time: a few servers, one queue, and a request that waits longer than the deadline has waited in vain. */

/** Requests that wait before even a service without protection turns them away: memory is finite. */
const LONGEST_QUEUE = 200_000

/** The work in progress by its end, the earliest first. */
class Agenda {
  #items = []

  get next() {
    return this.#items[0]
  }

  add(item) {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (items[above].endsAt <= item.endsAt) break
      items[at] = items[above]
      at = above
    }
    items[at] = item
  }

  take() {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (items.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= items.length) break
      if (below + 1 < items.length && items[below + 1].endsAt < items[below].endsAt) below++
      if (items[below].endsAt >= last.endsAt) break
      items[at] = items[below]
      at = below
    }
    items[at] = last
    return first
  }
}

export class Service {
  #servers
  #agenda = new Agenda()
  #queue = []
  #head = 0
  #busy = 0
  #onEnd

  /** @param onEnd gets every request that ends, with the time */
  constructor(servers, onEnd) {
    this.#servers = servers
    this.#onEnd = onEnd
  }

  /** Requests in it, waiting or being served. */
  get inside() {
    return this.#busy + this.#queue.length - this.#head
  }

  /** A request comes: { serviceMs, … }. */
  enter(request, nowMs) {
    if (this.#busy < this.#servers) this.#serve(request, nowMs)
    else if (this.#queue.length - this.#head < LONGEST_QUEUE) this.#queue.push(request)
  }

  /** When the next request ends, ms. */
  get nextMs() {
    return this.#agenda.next?.endsAt ?? Number.POSITIVE_INFINITY
  }

  /** The next request ends. */
  step() {
    const request = this.#agenda.take()
    this.#busy--
    if (this.#head < this.#queue.length) {
      this.#serve(this.#queue[this.#head], request.endsAt)
      this.#queue[this.#head++] = undefined
      if (this.#head > 4096 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
    }
    this.#onEnd(request, request.endsAt)
  }

  #serve(request, nowMs) {
    this.#busy++
    request.endsAt = nowMs + request.serviceMs
    this.#agenda.add(request)
  }
}
