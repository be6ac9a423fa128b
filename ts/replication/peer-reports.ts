/** What other nodes said of the routes, through a provider that tells of changes: the newest word of each, for 3 s. */

import { BoundedRoutes } from '../base/bounded-routes.js'
import type { VectorOrigin } from '../providers/provider.js'

/** A node that was not heard from for so long says nothing any more, ms. */
const SILENT_MS = 3000
/** Nodes that may speak of one route. */
const MOST_VOICES = 16
/** Who speaks where the provider does not say. */
const SOMEBODY = ''

interface Word {
  readonly scar: number
  readonly requests: number
  /** When it was so. */
  readonly saidMs: number
  readonly heardMs: number
}

export class Voices {
  readonly #words: BoundedRoutes<Map<string, Word>>

  constructor(maxRoutes: number) {
    this.#words = new BoundedRoutes(maxRoutes)
  }

  hear(routeId: string, scar: number, origin: VectorOrigin | undefined, nowMs: number): void {
    const { node = SOMEBODY, requests = 0, ageMs = 0 } = origin ?? {}
    const age = Number.isFinite(ageMs) ? Math.max(0, ageMs) : 0
    let words = this.#words.get(routeId)
    if (words === undefined) {
      if (!this.#words.hasRoom(routeId)) return
      words = new Map()
      this.#words.set(routeId, words)
    }
    words.delete(node)
    if (words.size >= MOST_VOICES) words.delete(words.keys().next().value as string)
    words.set(node, { scar, requests, saidMs: nowMs - age, heardMs: nowMs })
  }

  /** Tells what is said of every route now, scars decayed since; once more, with no voices, when the last has fallen silent. */
  speak(
    nowMs: number,
    decayRate: number,
    tell: (routeId: string, voices: readonly { scar: number; requests: number }[]) => void,
  ): void {
    for (const [routeId, words] of this.#words) {
      for (const [node, { heardMs }] of words) if (Math.abs(nowMs - heardMs) > SILENT_MS) words.delete(node)
      const voices = [...words.values()].map(({ scar, requests, saidMs }) => ({
        scar: scar * Math.exp((-decayRate * Math.max(0, nowMs - saidMs)) / 1000),
        requests,
      }))
      if (voices.length === 0) this.#words.delete(routeId)
      tell(routeId, voices)
    }
  }

  forget(routeId: string): void {
    this.#words.delete(routeId)
  }

  /** Nobody speaks any more; tells of every route that somebody spoke of. */
  silence(tell: (routeId: string) => void): void {
    for (const routeId of this.#words.keys()) tell(routeId)
    this.#words.clear()
  }
}
