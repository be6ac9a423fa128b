/** Settings that are set aside: those of patches that no longer fit what the code says by now. The code may change whatever was patched. */

import type { Layer, TrailEntry } from './layers.js'
import { emptyObject, isObject, type Json, type JsonObject, leavesOf } from './merge.js'
import { pointerOf } from './paths.js'
import { UPPER, type UpperLayer } from './types.js'

export type Layers = Readonly<Record<UpperLayer, Layer>>

/** The settings of one patch. */
interface Unit {
  readonly layer: UpperLayer
  readonly version: number
}

/** A patch that was set aside. */
export interface SetAside extends Unit {
  readonly entry: TrailEntry | undefined
}

export class Aside {
  #versions: Readonly<Record<UpperLayer, ReadonlySet<number>>> = NOTHING

  get isEmpty(): boolean {
    return this.#versions === NOTHING
  }

  /** Finds whether a patch is set aside now; the answer does not change later. */
  get isAside(): (patch: SetAside) => boolean {
    const versions = this.#versions
    return ({ layer, version }) => versions[layer].has(version)
  }

  /** A layer without what is set aside of it. */
  of(name: UpperLayer, layer: Layer): Layer {
    return without(layer, this.#versions[name])
  }

  /**
   * Sets aside as little as is needed. Patches are put on in their order, many at once where these fit, and those that do not once more after
   * others, which they may need.
   *
   * @param fits whether layers fit the code's settings
   * @returns what was not aside before
   */
  refit(layers: Layers, fits: (layers: Layers) => boolean): SetAside[] {
    const before = this.#versions
    const all = UPPER.flatMap((layer) => versionsIn(layers[layer]).map((version) => ({ layer, version })))
    let left = new Set<Unit>(all.filter(({ layer, version }) => before[layer].has(version)))
    const isFit = (without: ReadonlySet<Unit>): boolean => fits(withoutAll(layers, without))
    // Those that hold go on to hold where they can.
    if (!isFit(left)) left = new Set(all)
    const add = (units: readonly Unit[]): void => {
      if (units.length === 0) return
      const others = new Set(left)
      for (const unit of units) others.delete(unit)
      if (isFit(others)) {
        left = others
        return
      }
      if (units.length === 1) return
      const half = units.length >> 1
      add(units.slice(0, half))
      add(units.slice(half))
    }
    let tried = -1
    while (left.size !== tried) {
      tried = left.size
      add([...left])
    }
    this.#versions = left.size === 0 ? NOTHING : versionsOf(left)
    return [...left]
      .filter(({ layer, version }) => !before[layer].has(version))
      .map((unit) => ({ ...unit, entry: layers[unit.layer].trail.find(({ version }) => version === unit.version) }))
  }
}

/** The version of settings whose origin is not known. */
const UNKNOWN = -1
const versionAt = ({ origins }: Layer, leaf: readonly string[]): number => origins[pointerOf(leaf)]?.version ?? UNKNOWN

/** The versions whose settings are in a layer, the oldest first. */
const versionsIn = (layer: Layer): number[] => {
  const settled = leavesOf(layer.settled).map((leaf) => versionAt(layer, leaf))
  return [...new Set([...settled, ...layer.standing.map(({ version }) => version)])].sort((a, b) => a - b)
}

/** The layer without the settings of some versions. */
function without(layer: Layer, versions: ReadonlySet<number>): Layer {
  if (versions.size === 0) return layer
  const kept = (value: Json, path: readonly string[]): Json | undefined => {
    const names = isObject(value) ? Object.keys(value) : []
    if (names.length === 0) return path.length > 0 && versions.has(versionAt(layer, path)) ? undefined : value
    const copy = emptyObject()
    for (const name of names) {
      const one = kept((value as JsonObject)[name]!, [...path, name])
      if (one !== undefined) copy[name] = one
    }
    return path.length > 0 && Object.keys(copy).length === 0 ? undefined : copy
  }
  return {
    ...layer,
    settled: kept(layer.settled, []) as JsonObject,
    standing: layer.standing.filter(({ version }) => !versions.has(version)),
  }
}

const versionsOf = (given: Iterable<Unit>): Record<UpperLayer, ReadonlySet<number>> => {
  const units = [...given]
  const of = (name: UpperLayer) => new Set(units.flatMap(({ layer, version }) => (layer === name ? [version] : [])))
  return { file: of('file'), cluster: of('cluster'), node: of('node') }
}
const NOTHING = versionsOf([])

function withoutAll(layers: Layers, units: Iterable<Unit>): Layers {
  const versions = versionsOf(units)
  const of = (name: UpperLayer): Layer => without(layers[name], versions[name])
  return { file: of('file'), cluster: of('cluster'), node: of('node') }
}
