/**
 * The live configuration of an instance: the layers over the code's settings, and what they come to. Everything is checked before
 * anything moves, and moves in one turn: a decision sees all of a change or nothing of it.
 */

import type { RouteParams } from '../options/route-params.js'
import type { RouteOverlay } from '../routes/overlay.js'
import { Aside, type SetAside } from './aside.js'
import {
  EMPTY_LAYER,
  endsOf,
  entryOf,
  expiriesOf,
  isOver,
  isTriedOn,
  type Layer,
  nextExpiryOf,
  nextVersion,
  noted,
  type Origin,
  originAt,
  pathsOf,
  settingsOf,
  settle,
  type TrailEntry,
  trialOf,
} from './layers.js'
import { emptyObject, inOrder, type Json, type JsonObject, mergeObjects, valueAt } from './merge.js'
import { namesOfPath, textOfPath } from './paths.js'
import type { ConfigAuditEntry, ConfigChanges, ConfigExplanation, CurrentConfig, LayerValue } from './types.js'
import { UPPER, type UpperLayer } from './types.js'
import { overlayOf } from './validate.js'

/** Settings that are tried on a share of keys. */
export interface TriedSettings {
  readonly overlay: RouteOverlay
  readonly keyShare: number
  /** The version of the patch. */
  readonly version: number
}

/** The part of an instance that settings lead to. */
export interface Settable {
  /** @throws ConfigError where the overlay does not fit; nothing is changed then */
  checkOverlay(next: RouteOverlay): void
  /** @throws ConfigError where the overlay does not fit; nothing is changed then */
  setOverlay(next: RouteOverlay): void
  /** Never throws. undefined: as the code has it. */
  orderDryRun(dryRun: boolean | undefined): void
  /** Never throws. undefined: there is no allow-list of that layer's. */
  allow(list: readonly Json[] | undefined): void
  /** Settings that are tried on a share of keys from now on; undefined: none are. Never throws. */
  tryOnKeys(trial: TriedSettings | undefined): void
  /** Places may have become free on any route. Never throws. */
  changed(): void
  /** The value that governs, at a path. */
  valueOf(path: readonly string[]): unknown
  /** The code's value, at a path. */
  codeValueOf(path: readonly string[]): unknown
}

export type { UpperLayer } from './types.js'

export class LiveConfig {
  readonly #settable: Settable
  readonly node: string
  #layers: Readonly<Record<UpperLayer, Layer>> = { file: EMPTY_LAYER, cluster: EMPTY_LAYER, node: EMPTY_LAYER }
  /** The lead of the clock of each layer's store over this node's, ms. */
  readonly #aheadMs: Record<UpperLayer, number> = { file: 0, cluster: 0, node: 0 }
  readonly #nowMs: () => number
  readonly #aside = new Aside()
  /** The settings that hold, as one text: a change of no setting moves nothing. */
  #applied = '{}'

  constructor(settable: Settable, node: string, nowMs: () => number) {
    this.#settable = settable
    this.node = node
    this.#nowMs = nowMs
  }

  layer(name: UpperLayer): Layer {
    return this.#layers[name]
  }

  /** The time of a layer's store, Unix ms. */
  nowOf(name: UpperLayer): number {
    return this.#nowMs() + this.#aheadMs[name]
  }

  /** Notes the time of a layer's store. */
  synchronize(name: UpperLayer, storeNowMs: number): void {
    this.#aheadMs[name] = storeNowMs - this.#nowMs()
  }

  /** @param laterMs the time from now at which they are so, ms @param ofTried for the keys that a patch is tried on */
  #merged(layers: Readonly<Record<UpperLayer, Layer>>, laterMs = 0, ofTried = false): JsonObject {
    return UPPER.reduce<JsonObject>(
      (merged, name) =>
        mergeObjects(
          merged,
          settingsOf(this.#aside.of(name, layers[name]), this.node, this.nowOf(name) + laterMs, ofTried),
        ),
      emptyObject(),
    )
  }

  /** The trial on a share of keys that is one of this node's. */
  #keyTrial(layers: Readonly<Record<UpperLayer, Layer>>): TriedSettings | undefined {
    for (const name of UPPER) {
      const patch = trialOf(layers[name])
      const keyShare = patch?.trial?.keyShare
      if (patch === undefined || keyShare === undefined) continue
      if (!isTriedOn(patch, this.node) || isOver(patch, this.nowOf(name))) continue
      return { overlay: overlayOf(this.#merged(layers, 0, true)), keyShare, version: patch.version }
    }
    return undefined
  }

  /**
   * Finds whether a layer could take another's place: by itself over the code's settings, since no other node need have what this one
   * has, and with the others; now, and whenever a patch expires. Also with the patch on trial in it, where this node is not of the trial.
   *
   * @throws ConfigError
   */
  check(name: UpperLayer, layer: Layer): void {
    const layers: Record<UpperLayer, Layer> = { ...this.#layers, [name]: layer }
    const nowMs = this.nowOf(name)
    const nodes = [this.node, ...layer.standing.filter(({ trial }) => trial).map((patch) => patch.node)]
    const ends = UPPER.flatMap((one) => expiriesOf(layers[one]).map((endMs) => endMs - this.nowOf(one)))
    for (const laterMs of new Set([0, ...ends.filter((endMs) => endMs > 0)])) {
      for (const ofTried of [false, true]) {
        for (const node of nodes) {
          this.#settable.checkOverlay(
            overlayOf(settingsOf(this.#aside.of(name, layer), node, nowMs + laterMs, ofTried)),
          )
        }
        this.#settable.checkOverlay(overlayOf(this.#merged(layers, laterMs, ofTried)))
      }
    }
  }

  /** Puts a layer in place and applies what all of them come to. @throws ConfigError where that does not fit; nothing is changed then */
  put(name: UpperLayer, layer: Layer): void {
    const layers = { ...this.#layers, [name]: layer }
    this.#apply(this.#merged(layers))
    this.#layers = layers
    if (!this.#aside.isEmpty) this.refit()
    this.#settable.tryOnKeys(this.#keyTrial(layers))
  }

  /**
   * Puts in place what fits the code's settings, which have changed, and sets the rest aside until it fits.
   *
   * @param isLaid false: nothing lies over the code's settings now
   * @returns what is newly set aside
   */
  refit(isLaid = true): SetAside[] {
    if (isLaid && this.#aside.isEmpty) return []
    if (!isLaid) this.#applied = ''
    const newly = this.#fit()
    this.#settable.tryOnKeys(this.#keyTrial(this.#layers))
    return newly
  }

  /** Sets aside what does not fit, and applies the rest. @returns what is newly set aside */
  #fit(): SetAside[] {
    const { isAside: wasAside } = this.#aside
    const newly = this.#setAside((overlay) => this.#settable.checkOverlay(overlay))
    try {
      this.#apply(this.#merged(this.#layers))
      return newly
    } catch {
      // There is no room for so many different laws or pools, which only laying them shows.
      this.#applied = ''
      newly.push(...this.#setAside((overlay) => this.#settable.setOverlay(overlay)))
      this.#apply(this.#merged(this.#layers))
      const { isAside } = this.#aside
      return newly.filter((patch) => isAside(patch) && !wasAside(patch))
    }
  }

  /** @param attempt throws where an overlay does not fit */
  #setAside(attempt: (overlay: RouteOverlay) => void): SetAside[] {
    return this.#aside.refit(this.#layers, (some) => {
      const all = UPPER.map((name) => settingsOf(some[name], this.node, this.nowOf(name)))
      try {
        attempt(overlayOf(all.reduce<JsonObject>(mergeObjects, emptyObject())))
        return true
      } catch {
        return false
      }
    })
  }

  #apply(merged: JsonObject): void {
    const text = JSON.stringify(merged)
    if (text === this.#applied) return
    this.#settable.setOverlay(overlayOf(merged))
    // Nothing from here on fails.
    this.#applied = text
    const { dryRun } = merged
    this.#settable.orderDryRun(typeof dryRun === 'boolean' ? dryRun : undefined)
    const allow = valueAt(merged, ['bans', 'allow'])
    this.#settable.allow(Array.isArray(allow) ? allow : undefined)
    this.#settable.changed()
  }

  /** The time until the next patch expires, ms; Infinity: none does. */
  get untilExpiryMs(): number {
    const left = UPPER.map((name) => nextExpiryOf(this.#layers[name], this.nowOf(name)) - this.nowOf(name))
    return Math.min(...left)
  }

  /**
   * Takes out what has expired. What is left and does not fit without it, since the code has changed meanwhile, is set aside.
   *
   * @returns the patches that have expired, each with its layer, and what is newly set aside
   */
  expire(): {
    readonly over: { readonly layer: UpperLayer; readonly entry: TrailEntry }[]
    readonly aside: SetAside[]
  } {
    const over = UPPER.flatMap((name) =>
      endsOf(this.#layers[name], this.nowOf(name)).map((entry) => ({ layer: name, entry })),
    )
    // A trial without a result in time no longer holds either.
    let aside: SetAside[] = []
    try {
      this.#apply(this.#merged(this.#layers))
    } catch {
      aside = this.#fit()
    }
    const layers: Record<UpperLayer, Layer> = { ...this.#layers }
    for (const name of UPPER) layers[name] = settle(layers[name], this.nowOf(name))
    this.#layers = layers
    this.#settable.tryOnKeys(this.#keyTrial(layers))
    return { over, aside }
  }

  /** Replaces the whole of the file's layer. @throws ConfigError where it does not fit; nothing is changed then */
  replaceFile(settings: JsonObject, origin: Omit<Origin, 'version'>): TrailEntry {
    const before = this.#layers.file
    const version = nextVersion(before.version, this.nowOf('file'))
    const paths = pathsOf(settings)
    const patch = { ...origin, version, changes: settings, node: this.node }
    const entry = entryOf(patch, this.nowOf('file'), 'applied')
    const layer = settle({ ...EMPTY_LAYER, version, standing: [patch], trail: noted(before.trail, entry) }, 0)
    this.check('file', layer)
    this.put('file', layer)
    return { ...entry, paths }
  }

  /** @param main the layer whose version is the base of the next patch */
  current(main: 'cluster' | 'node'): CurrentConfig {
    const { file, cluster, node } = this.#layers
    return {
      version: this.#layers[main].version,
      versions: { file: file.version, cluster: cluster.version, node: node.version },
      changes: JSON.parse(JSON.stringify(inOrder(this.#merged(this.#layers)))) as ConfigChanges,
    }
  }

  explain(path: readonly string[]): ConfigExplanation {
    const layers: LayerValue[] = []
    for (const name of [...UPPER].reverse()) {
      const nowMs = this.nowOf(name)
      const whole = this.#layers[name]
      const kept = this.#aside.of(name, whole)
      const held = valueAt(settingsOf(kept, this.node, nowMs), path)
      const given = kept === whole ? held : valueAt(settingsOf(whole, this.node, nowMs), path)
      const value = held ?? given
      if (value === undefined) continue
      const origin = originAt(whole, path, this.node, nowMs)
      layers.push({
        layer: name,
        value: JSON.parse(JSON.stringify(value)),
        author: origin?.author,
        reason: origin?.reason,
        version: origin?.version,
        expiresAtMs: origin?.expiresAtMs,
        isSetAside: held === undefined,
      })
    }
    const code = this.#settable.codeValueOf(path)
    const nothing = { author: undefined, reason: undefined, version: undefined, expiresAtMs: undefined }
    layers.push({ layer: 'code', value: code, ...nothing, isSetAside: false })
    const { layer } = layers.find(({ isSetAside }) => !isSetAside)!
    return { path: textOfPath(path), value: this.#settable.valueOf(path), layer, layers }
  }

  /** The trails of all layers, the newest first. */
  audit(): ConfigAuditEntry[] {
    return UPPER.flatMap((layer) =>
      this.#layers[layer].trail.map(({ version, atMs, author, reason, paths, state, node }) => ({
        ...{ layer, version, atMs, author, reason, paths, state },
        node: node === '' ? undefined : node,
      })),
    ).sort((a, b) => b.atMs - a.atMs || b.version - a.version)
  }
}

/** The value at a path of parameters, as a patch names it. */
export function valueInParams(params: RouteParams, path: readonly string[], tiers: readonly string[]): unknown {
  const [section = '', ...rest] = path
  const { config, slo, limits, profile, pool, reserve, lanes } = params
  const reserved = Object.fromEntries(
    tiers.flatMap((tier, i) => (reserve[i]! > 0 ? [[tier, reserve[i]!] as const] : [])),
  )
  const inLanes =
    lanes.length === 0 ? undefined : { reserve: Object.fromEntries(lanes.map(({ name, share }) => [name, share])) }
  const sections: Record<string, unknown> = {
    ...{ slo, limits, profile, pool, reserve: reserved, lanes: inLanes },
    ...config,
    config,
  }
  let at: unknown = Object.hasOwn(sections, section) ? sections[section] : undefined
  for (const name of rest) {
    at =
      typeof at === 'object' && at !== null && Object.hasOwn(at, name)
        ? (at as Record<string, unknown>)[name]
        : undefined
  }
  return at
}

/** The names of a path that was given as text or as names. */
export const namesOf = (path: unknown): string[] | undefined => {
  if (typeof path === 'string') return namesOfPath(path)
  return Array.isArray(path) && path.every((name) => typeof name === 'string') ? [...(path as string[])] : undefined
}
