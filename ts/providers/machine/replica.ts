/** A full copy of what the processes of a machine share. Each process has one, so that any of them can take over the hub. */

import { BoundedRoutes } from '../../base/bounded-routes.js'
import { MachineClock } from './clock.js'
import { chunksOf, listOf, type Merge, type Shared, type SharedText, sharedOf, textOf } from './frames.js'

/** Routes that were deleted lately, so that no process that missed it brings them back. */
const MOST_GONE = 4096
/** Documents, and the characters that they have in all. */
const MOST_TEXTS = 4096
const MOST_CHARACTERS = 1 << 26
/** The furthest that a stamp of a process may be ahead, µs. */
const MOST_AHEAD_US = 60_000_000
/** The furthest that a version may be, ms: they are times, and after one at the end of what a number counts there is no later one. */
const MOST_AHEAD_MS = 366 * 86_400_000

/** The part of a message that was newer than all that was known. */
export type News = Required<Omit<Merge, 'clock'>>

export class Replica {
  readonly #routes: BoundedRoutes<Shared>
  readonly #gone = new BoundedRoutes<number>(MOST_GONE)
  readonly #texts = new Map<string, SharedText>()
  #characters = 0
  #lastStamp = 0
  readonly clock: MachineClock

  /** @param node the name of this process */
  constructor(maxRoutes: number, node: string) {
    this.clock = new MachineClock(node)
    this.#routes = new BoundedRoutes(maxRoutes)
  }

  /** A stamp that is later than all that were seen, µs. */
  nextStamp(): number {
    this.#lastStamp = Math.max(this.#lastStamp + 1, this.clock.nowMs() * 1000)
    return this.#lastStamp
  }

  get(routeId: string): Shared | undefined {
    return this.#routes.get(routeId)
  }

  routes(): Shared[] {
    return [...this.#routes.values()]
  }

  /** The document, also one that has expired; undefined: there was none. */
  text(name: string): SharedText | undefined {
    return this.#texts.get(name)
  }

  /** Takes over what is newer than what is known, and returns that. What a message has no place for is left out. */
  merge({ routes, gone, texts, clock }: Merge): News {
    this.clock.learn(clock)
    const news = {
      kind: 'merge',
      routes: [] as Shared[],
      gone: [] as [string, number][],
      texts: [] as SharedText[],
    } as const
    for (const item of listOf(gone)) {
      const [routeId, stamp] = listOf(item)
      if (typeof routeId === 'string' && this.#sees(stamp) && this.#remove(routeId, stamp))
        news.gone.push([routeId, stamp])
    }
    for (const item of listOf(routes)) {
      const route = sharedOf(item)
      if (route !== undefined && this.#sees(route.stamp) && this.#set(route)) news.routes.push(route)
    }
    for (const item of listOf(texts)) {
      const text = textOf(item)
      if (text !== undefined && text.version <= this.clock.nowMs() + MOST_AHEAD_MS && this.#keep(text))
        news.texts.push(text)
    }
    return news
  }

  /** Returns whether there is room for a document. */
  hasRoom({ name, text }: { name: string; text: string }): boolean {
    const before = this.#texts.get(name)
    const characters = this.#characters + text.length - (before?.text.length ?? -name.length)
    return (before !== undefined || this.#texts.size < MOST_TEXTS) && characters <= MOST_CHARACTERS
  }

  /** Everything, in messages of a bounded length. */
  *everything(): Generator<Merge> {
    // The first: stamps are held against it.
    yield { kind: 'merge', clock: this.clock.read() }
    for (const routes of chunksOf(this.#routes.values(), ({ routeId }) => routeId.length))
      yield { kind: 'merge', routes }
    for (const gone of chunksOf([...this.#gone], ([routeId]) => routeId.length)) yield { kind: 'merge', gone }
    for (const text of this.#texts.values()) yield { kind: 'merge', texts: [text] }
  }

  #sees(stamp: unknown): stamp is number {
    if (!Number.isSafeInteger(stamp) || (stamp as number) > this.clock.nowMs() * 1000 + MOST_AHEAD_US) return false
    this.#lastStamp = Math.max(this.#lastStamp, stamp as number)
    return true
  }

  #set(route: Shared): boolean {
    const { routeId, stamp } = route
    if ((this.#routes.get(routeId)?.stamp ?? 0) >= stamp || (this.#gone.get(routeId) ?? 0) >= stamp) return false
    this.#gone.delete(routeId)
    this.#routes.set(routeId, route)
    return true
  }

  #remove(routeId: string, stamp: number): boolean {
    if ((this.#routes.get(routeId)?.stamp ?? 0) > stamp || (this.#gone.get(routeId) ?? 0) >= stamp) return false
    this.#routes.delete(routeId)
    this.#gone.set(routeId, stamp)
    return true
  }

  #keep(text: SharedText): boolean {
    const before = this.#texts.get(text.name)
    if (before !== undefined && before.version > text.version) return false
    // Of two that were written under two hubs at the same moment, all take the same one.
    if (before !== undefined && before.version === text.version && before.text >= text.text) return false
    if (!this.hasRoom(text)) this.#dropExpired(text.name)
    if (!this.hasRoom(text)) return false
    this.#characters += text.text.length - (before?.text.length ?? -text.name.length)
    this.#texts.set(text.name, text)
    return true
  }

  #dropExpired(except: string): void {
    const nowMs = this.clock.nowMs()
    for (const [name, { text, expiresAtMs }] of this.#texts) {
      if (name === except || expiresAtMs === null || expiresAtMs > nowMs) continue
      this.#texts.delete(name)
      this.#characters -= name.length + text.length
    }
  }
}
