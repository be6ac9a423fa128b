/** The changes of this process that the hub has not confirmed: each is sent again to the next hub, until one has. */

import { BoundedRoutes } from '../../base/bounded-routes.js'
import { later } from '../../base/later.js'
import type { PhysicsVector } from '../provider.js'
import { chunksOf, type Message } from './frames.js'

/** A promise that several wait for. */
export interface Confirmation {
  readonly done: Promise<void>
  readonly settle: (error?: Error) => void
}

interface Sent {
  readonly changes: readonly (readonly [string, PhysicsVector | undefined])[]
  readonly confirmation: Confirmation
}

export class Outbox {
  /** Changes by route, the last of each; undefined: it was deleted. */
  readonly #changes: BoundedRoutes<{ vector: PhysicsVector | undefined }>
  readonly #sent = new Map<number, Sent>()
  #next: Confirmation | undefined

  readonly #timeoutMs: number

  /** @param timeoutMs a change that no hub has confirmed for so long rejects; it is sent nevertheless */
  constructor(maxRoutes: number, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#changes = new BoundedRoutes(maxRoutes)
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0 && this.#sent.size === 0
  }

  /** Resolves when a hub has the change. */
  add(routeId: string, vector: PhysicsVector | undefined): Promise<void> {
    this.#changes.set(routeId, { vector })
    this.#next ??= confirmation(this.#timeoutMs)
    return this.#next.done
  }

  /** Everything that is to be sent, as messages under ids of their own. */
  take(nextId: () => number): Message[] {
    if (this.#changes.size === 0) return []
    const all = [...this.#changes].map(([routeId, { vector }]) => [routeId, vector] as const)
    this.#changes.clear()
    const whole = this.#next ?? confirmation(this.#timeoutMs)
    this.#next = undefined
    const lengthOf = ([routeId]: readonly [string, unknown]): number => routeId.length
    const deleted = [
      ...chunksOf(
        all.filter(([, vector]) => vector === undefined),
        lengthOf,
      ),
    ]
    const changed = [
      ...chunksOf(
        all.filter(([, vector]) => vector !== undefined),
        lengthOf,
      ),
    ]
    let open = deleted.length + changed.length
    const part: Confirmation = {
      done: whole.done,
      settle: (error) => {
        if (error !== undefined || --open === 0) whole.settle(error)
      },
    }
    const keep = (changes: Sent['changes']): number => {
      const id = nextId()
      this.#sent.set(id, { changes, confirmation: part })
      return id
    }
    return [
      ...deleted.map(
        (changes): Message => ({ kind: 'delete', id: keep(changes), routeIds: changes.map(([id]) => id) }),
      ),
      ...changed.map(
        (changes): Message => ({ kind: 'put', id: keep(changes), routes: changes as [string, PhysicsVector][] }),
      ),
    ]
  }

  /** A hub has the changes of a message. */
  confirm(id: number): void {
    const sent = this.#sent.get(id)
    this.#sent.delete(id)
    sent?.confirmation.settle()
  }

  /** The hub is lost: its answers do not come. */
  restore(): void {
    const lost = [...this.#sent.values()]
    this.#sent.clear()
    for (const { changes, confirmation: part } of lost) {
      for (const [routeId, vector] of changes) {
        if (!this.#changes.has(routeId)) this.#changes.set(routeId, { vector })
      }
      this.#next ??= confirmation(this.#timeoutMs)
      this.#next.done.then(
        () => part.settle(),
        (error: Error) => part.settle(error),
      )
    }
  }
}

function confirmation(timeoutMs: number): Confirmation {
  let settle: Confirmation['settle'] = () => {}
  const done = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => later(() => settle(new Error(`no answer within ${timeoutMs} ms`))), timeoutMs)
    settle = (error) => {
      clearTimeout(timer)
      if (error === undefined) resolve()
      else reject(error)
    }
  })
  done.catch(() => {})
  return { done, settle }
}
