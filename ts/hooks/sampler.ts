/** Samples of the statistics of routes for components: one timer for all of an instance, from the first subscriber to the last. */

import type { RouteStats } from '../limiter/types.js'

/** The instance that is sampled: an Atrion. */
export interface HookAtrion {
  stats(routeId: string): RouteStats
}

interface Entry {
  stats: RouteStats
  readonly listeners: Set<() => void>
}

/** Routes that were read and not subscribed to yet: renders that may never be shown. */
const MOST_PENDING = 256

/** Returns whether two statistics are the same, `shedByTier` by its numbers. */
function isSame(a: RouteStats, b: RouteStats): boolean {
  const before = a as unknown as Record<string, unknown>
  return Object.entries(b).every(([name, value]) => {
    if (name !== 'shedByTier') return Object.is(before[name], value)
    const tiers = value as RouteStats['shedByTier']
    return (Object.keys(tiers) as (keyof typeof tiers)[]).every((tier) => tiers[tier] === a.shedByTier[tier])
  })
}

export class Sampler {
  readonly #atrion: HookAtrion
  readonly #intervalMs: number
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, RouteStats>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(atrion: HookAtrion, intervalMs: number) {
    this.#atrion = atrion
    this.#intervalMs = intervalMs
  }

  /** The last sample of a route: the same object until something has changed. @throws TypeError for what is no name of a route */
  read(route: string): RouteStats {
    const known = this.#entries.get(route)?.stats ?? this.#pending.get(route)
    if (known !== undefined) return known
    const stats = this.#atrion.stats(route)
    if (this.#pending.size >= MOST_PENDING) this.#pending.delete(this.#pending.keys().next().value!)
    this.#pending.set(route, stats)
    return stats
  }

  /** Calls back after each change of a route's statistics. @returns a function that ends it */
  subscribe(route: string, listener: () => void): () => void {
    const entry = this.#entries.get(route) ?? { stats: this.#fresh(route), listeners: new Set() }
    this.#pending.delete(route)
    this.#entries.set(route, entry)
    // A listener that subscribes twice counts as two.
    const own = (): void => listener()
    entry.listeners.add(own)
    this.#start()
    return () => {
      if (!entry.listeners.delete(own) || entry.listeners.size > 0) return
      this.#entries.delete(route)
      if (this.#entries.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** The statistics of now: the same object as was read before where nothing has changed, which may be long ago. */
  #fresh(route: string): RouteStats {
    const stats = this.#atrion.stats(route)
    const read = this.#pending.get(route)
    return read !== undefined && isSame(read, stats) ? read : stats
  }

  #start(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.#sample(), this.#intervalMs)
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  #sample(): void {
    for (const [route, entry] of [...this.#entries]) {
      const stats = this.#atrion.stats(route)
      if (isSame(entry.stats, stats)) continue
      entry.stats = stats
      for (const listener of [...entry.listeners]) listener()
    }
  }
}
