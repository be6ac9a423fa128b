/**
 * The trial of a patch on a share of keys. A route stays one: its work in flight, its measurements and its ticks go by the settings that
 * hold, and only the decision on a request of a key that is tried goes by the others. Therefore only `limits` and `reserve` are tried so: of these
 * nothing but decisions depends, and the limit of either holds for the work in flight of both.
 */

import { ConfigError } from '../base/errors.js'
import { TIERS } from '../engine/port.js'
import type { KeyTrial, TrialGroup } from '../limiter/key-trial.js'
import type { RouteParams } from '../options/route-params.js'
import type { RouteOverlay } from '../routes/overlay.js'
import type { Routes } from '../routes/routes.js'
import { type GroupTotals, PARTS } from './canary.js'
import { type JsonObject, leavesOf } from './merge.js'
import { textOfPath } from './paths.js'

/** Settings that decisions alone depend on. */
const TRIED: readonly string[] = ['limits', 'reserve']
/** Routes of which the law that is tried is kept. */
const MOST_LAWS = 1_024

/** Finds whether changes can be tried on a share of keys. @throws ConfigError */
export function requireTriable(changes: JsonObject): void {
  for (const path of leavesOf(changes)) {
    const section = path[0] === 'routes' ? path[2] : path[0]
    if (section !== undefined && TRIED.includes(section)) continue
    throw new ConfigError(
      'canary.keyShare',
      'a trial of limits and reserve alone: try others on nodes',
      textOfPath(path),
    )
  }
}

class Group implements TrialGroup, GroupTotals {
  readonly isTried: boolean
  readonly offered: Float64Array[] = TIERS.map(() => new Float64Array(PARTS))
  readonly succeeded: Float64Array[] = TIERS.map(() => new Float64Array(PARTS))
  /** The part of the keys that the request which is decided next is of. */
  part = 0

  constructor(isTried: boolean) {
    this.isTried = isTried
  }

  refused(tier: number): void {
    if (tier >= 0) this.offered[tier]![this.part]! += 1
  }

  admitted(tier: number, failed: (() => void) | undefined): (() => void) | undefined {
    if (tier < 0) return failed
    const { part } = this
    const succeeded = this.succeeded[tier]!
    this.offered[tier]![part]! += 1
    succeeded[part]! += 1
    return () => {
      succeeded[part]! -= 1
      failed?.()
    }
  }
}

interface Tried {
  /** The parameters that hold for the route, by which the law was made. */
  readonly own: RouteParams
  /** −1: the route's own. */
  readonly law: number
}

export class SettingsTrial implements KeyTrial {
  readonly version: number
  readonly tried = new Group(true)
  readonly control = new Group(false)
  readonly #routes: Routes
  /** Bounds and salt of the lots that keys draw. */
  readonly #below: number
  readonly #salt: number
  #overlay: RouteOverlay
  readonly #laws = new Map<string, Tried>()

  /** @param share of the keys, (0, 1) @param version the patch's: each draws lots of its own */
  constructor(routes: Routes, overlay: RouteOverlay, share: number, version: number) {
    this.#routes = routes
    this.#overlay = overlay
    this.#below = share * 2 ** 32
    this.#salt = Math.imul(version % 2 ** 32, 0x9e37_79b1)
    this.version = version
  }

  /** Other settings are tried from now on, since the layers around them have changed. */
  replace(overlay: RouteOverlay): void {
    this.#overlay = overlay
    this.end()
  }

  /** Gives back what it has of the engine. */
  end(): void {
    for (const { law } of this.#laws.values()) this.#routes.profiles.releaseTried(law)
    this.#laws.clear()
  }

  groupOf(hash: number): TrialGroup {
    // The engine ranks keys by other bits than these: the lot says nothing of a key's rank. (Appleby, MurmurHash3's finalizer.)
    let lot = (hash ^ (hash / 2 ** 32) ^ this.#salt) | 0
    lot = Math.imul(lot ^ (lot >>> 16), 0x85eb_ca6b)
    lot = Math.imul(lot ^ (lot >>> 13), 0xc2b2_ae35)
    lot = (lot ^ (lot >>> 16)) >>> 0
    const group = lot < this.#below ? this.tried : this.control
    group.part = lot % PARTS
    return group
  }

  lawOf(routeId: string): number {
    const own = this.#routes.paramsOf(routeId)
    const known = this.#laws.get(routeId)
    if (known?.own === own) return known.law
    if (known !== undefined) this.#routes.profiles.releaseTried(known.law)
    else if (this.#laws.size >= MOST_LAWS) this.end()
    const law = this.#lawOver(routeId, own)
    this.#laws.set(routeId, { own, law })
    return law
  }

  #lawOver(routeId: string, own: RouteParams): number {
    try {
      const { limits, reserve } = this.#routes.paramsUnder(routeId, this.#overlay)
      return this.#routes.profiles.claimTried({ ...own, limits, reserve })
    } catch {
      // The code has given the route numbers meanwhile that do not go with those that are tried.
      return -1
    }
  }
}
