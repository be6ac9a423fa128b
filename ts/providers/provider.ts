/** The port to a store of route state. Any class with these methods works; nothing on the decision path ever waits for it. */

import { ConfigError } from '../base/errors.js'
import { own, ownOptions } from '../base/own.js'

/** The report of a node on a route. */
export interface PhysicsVector {
  /** S, Ω, ≥ 0 */
  scar: number
  /** M, 1/ms, ≥ 0 */
  momentumScalar: number
  /** Ticks of the route so far. */
  lastTick: number
  /** R, Ω */
  resistance: number
}

/** The origin of a change, as far as a provider knows it. */
export interface VectorOrigin {
  /** The node; changes that name none count as one node's. */
  readonly node?: string
  /** Requests the route saw there lately: the weight of the report. Default 0. */
  readonly requests?: number
  /** The time since it was so, ms. Default 0. */
  readonly ageMs?: number
  /** The zone of the node. Default: none. */
  readonly zone?: string
}

/** A small text that all nodes share under a name: a swarm's budget, a patch of the configuration, a list of bans. */
export interface SharedDocument {
  /** The version, an integer > 0 that no other content of that name ever has; 0: there is none. */
  readonly version: number
  /** null: there is none. */
  readonly text: string | null
  /** The store's clock when it was read, Unix ms. */
  readonly nowMs: number
}

/** Options of `writeDocument()`. */
export interface DocumentOptions {
  /** The document is gone so long after this write, ms, a whole number in [1, 31,536,000,000]. Without it, it stays. */
  readonly ttlMs?: number | null | undefined
}

export interface StateProvider {
  readonly name: string
  /** The interval at which changes are sent, ms. Default 100. */
  readonly intervalMs?: number
  /** γ: the weight of other nodes' reports against this node's own measurements, [0, 1]. Default 0.3. */
  readonly gamma?: number
  /**
   * True when only this process, and those before it in its place, store anything: then it is taken over in full.
   * Default false: what others may have stored counts as one node's report, at most γ·baseResistance·breakMultiplier Ω.
   */
  readonly ownsRecords?: boolean
  /**
   * True when the nodes that changes name are proved, as by a secret of theirs. Default true. false: every client that can write may invent
   * nodes, so that those that come later count as one until they have been there for a while.
   */
  readonly hasProvedNodes?: boolean
  /**
   * false: `atrion.connect()` resolves where `connect()` of this rejects, with the event 'degraded'; it is tried again until the store is there, and then
   * what it has is loaded. Default true.
   */
  readonly required?: boolean
  /** The zone of this node, as 'eu-1': reports that name the same one weigh four times as much as others. Default: none, all weigh alike. */
  readonly zone?: string
  /**
   * Calls of `updateVector()` that may be under way at once, ≥ 1. A provider that sends all changes together takes as many as there are
   * routes. Default 64.
   */
  readonly maxConcurrentUpdates?: number
  connect(): Promise<void>
  disconnect(): Promise<void>
  getVector(routeId: string): Promise<PhysicsVector | null>
  updateVector(routeId: string, vector: PhysicsVector): Promise<void>
  deleteVector(routeId: string): Promise<void>
  listRoutes(): Promise<string[]>
  /** Calls back when another node changed the route; returns how to stop that. */
  subscribe?(routeId: string, onChange: (vector: PhysicsVector, origin?: VectorOrigin) => void): () => void
  /**
   * Everything the store knows, at most `maxRoutes` routes of it, in one go: each route with its vector and how long ago, in
   * ms, it was so. Without it, `connect()` asks for one route after the other.
   */
  load?(maxRoutes: number): Promise<Iterable<readonly [routeId: string, vector: PhysicsVector, ageMs: number]>>
  /**
   * A call of `readDocument()` or `writeDocument()` that has not settled after so long counts as lost, ms, in (0, 3600000]: it is made again, and
   * what comes of it later is dropped. Default 8000.
   */
  readonly documentTimeoutMs?: number
  /**
   * The document of a name, 1 to 256 bytes of UTF-8. A provider has both `readDocument()` and `writeDocument()`, or neither. They reject
   * within a bounded time while the store is lost; a write that rejects may have succeeded, which only a later read shows. A read may reject
   * with code `ATRION_PARSE` where there is something that is no document: a write of version 0 replaces it.
   */
  readDocument?(name: string): Promise<SharedDocument>
  /**
   * Replaces a document by a text of at most 1 MiB of UTF-8 if its version still is `version` (0: if there is none), and resolves to
   * whether it did: of all who write at one version, one does. Versions never repeat, not even after a document expired: a new one is
   * max(last + 1, the store's clock in Unix ms).
   */
  writeDocument?(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean>
  /**
   * Calls back with a name soon after another node wrote it; a node's own writes may be reported, too. A hint that can be missed: readers
   * also look from time to time. Returns how to stop.
   */
  watchDocuments?(onWrite: (name: string) => void): () => void
}

/** The name of the provider that keeps state in this process only: there is no other where none is given. */
export const IN_MEMORY = 'InMemoryProvider'

/** Control characters, and halves of pairs of surrogates. In a literal the classes are built when the code is parsed. */
const NO_TEXT = '[\\p{Cc}\\p{Cs}]'
/** Characters of the name of a zone. */
const MAX_ZONE_LENGTH = 64

/** @throws ConfigError for what is not the name of a zone */
export function zoneOf(value: unknown): string {
  if (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= MAX_ZONE_LENGTH &&
    !new RegExp(NO_TEXT, 'u').test(value)
  )
    return value
  throw new ConfigError('zone', `text of 1 to ${MAX_ZONE_LENGTH} characters`, value)
}

const isQuantity = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0

/** The names of a vector. */
export const VECTOR_NAMES = ['scar', 'momentumScalar', 'lastTick', 'resistance'] satisfies (keyof PhysicsVector)[]

/** Returns whether what a store returned can be trusted as a vector. */
export function isPhysicsVector(value: unknown): value is PhysicsVector {
  if (typeof value !== 'object' || value === null) return false
  const { scar, momentumScalar, lastTick, resistance } = ownOptions(value as Record<string, unknown>, VECTOR_NAMES)
  return isQuantity(scar) && isQuantity(momentumScalar) && isQuantity(lastTick) && isQuantity(resistance)
}

/** A provider that keeps documents. */
export type DocumentProvider = StateProvider & Required<Pick<StateProvider, 'readDocument' | 'writeDocument'>>

/** Returns whether a provider keeps documents. */
export const keepsDocuments = (provider: StateProvider | undefined): provider is DocumentProvider =>
  provider !== undefined &&
  typeof own(provider, 'readDocument') === 'function' &&
  typeof own(provider, 'writeDocument') === 'function'
