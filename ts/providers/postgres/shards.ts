/** The routes of this node as they lie in its rows: by shard, with what has still to be written. */

import { BoundedRoutes } from '../../base/bounded-routes.js'
import { isPhysicsVector, type PhysicsVector } from '../provider.js'

/** Rows that a node has at most. */
export const SHARDS = 256
/** A statement is full when its bodies have so many characters. */
const STATEMENT_CHARACTERS = 1 << 23
/** Longest body of a row that is read, characters. */
const MAX_BODY = 1 << 25

/** The shard of a route: FNV-1a over its UTF-16 units. */
export function shardOf(routeId: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < routeId.length; i++) hash = Math.imul(hash ^ routeId.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 16)) & (SHARDS - 1)
}

/** A route as a row has it. */
export interface StoredRoute {
  readonly routeId: string
  readonly vector: PhysicsVector
  /** The stamp of the batch that wrote it: µs of the server's clock. */
  readonly stamp: number
  /** The time that passed from the change to the batch, ms. */
  readonly lagMs: number
}

/** The time of the change, µs. */
export const timeOf = ({ stamp, lagMs }: StoredRoute): number => stamp - lagMs * 1000

/** The routes of a body; those that no node writes are left out. Undefined where it is none. */
export function readBody(body: unknown): StoredRoute[] | undefined {
  let list: unknown
  try {
    list = typeof body === 'string' && body.length <= MAX_BODY ? JSON.parse(body) : undefined
  } catch {}
  if (!Array.isArray(list)) return undefined
  const routes: StoredRoute[] = []
  for (const item of list) {
    if (!Array.isArray(item)) continue
    const [routeId, scar, momentumScalar, lastTick, resistance, stamp, lagMs] = item as unknown[]
    const vector = { scar, momentumScalar, lastTick, resistance }
    if (typeof routeId !== 'string' || !isPhysicsVector(vector)) continue
    if (!Number.isSafeInteger(stamp) || typeof lagMs !== 'number' || !(lagMs >= 0)) continue
    routes.push({ routeId, vector, stamp: stamp as number, lagMs })
  }
  return routes
}

interface Entry {
  readonly routeId: string
  /** The name as JSON has it. */
  readonly name: string
  readonly shard: Shard
  scar: number
  momentumScalar: number
  lastTick: number
  resistance: number
  /** The time of the change, ms of this process. */
  atMs: number
  /** The vector as it was last written. */
  text: string
  stamp: number
  /** True while the entry is to be written. */
  isChanged: boolean
  /** True while its present value is being written. */
  isSent: boolean
}

interface Shard {
  readonly entries: Map<string, Entry>
  /** The version of its row; 0: there is none. */
  version: number
  isChanged: boolean
}

/** A shard on its way to the server. */
export interface Outgoing {
  readonly shard: number
  readonly version: number
  readonly body: string
  readonly entries: readonly Entry[]
}

export class OwnShards {
  readonly #entries: BoundedRoutes<Entry>
  readonly #shards: Shard[] = Array.from({ length: SHARDS }, () => ({
    entries: new Map(),
    version: 0,
    isChanged: false,
  }))

  constructor(maxRoutes: number) {
    this.#entries = new BoundedRoutes(maxRoutes)
  }

  get hasChanges(): boolean {
    return this.#shards.some(({ isChanged }) => isChanged)
  }

  has(routeId: string): boolean {
    return this.#entries.has(routeId)
  }

  /** The shards of which something has to be written. */
  changed(): Set<number> {
    return new Set(this.#shards.flatMap(({ isChanged }, at) => (isChanged ? [at] : [])))
  }

  set(routeId: string, { scar, momentumScalar, lastTick, resistance }: PhysicsVector, nowMs: number): void {
    let entry = this.#entries.get(routeId)
    const shard = entry?.shard ?? this.#shardOf(routeId)
    if (entry === undefined) {
      entry = {
        ...{ routeId, name: JSON.stringify(routeId), shard, scar, momentumScalar, lastTick, resistance },
        ...{ atMs: nowMs, text: '', stamp: 0, isChanged: true, isSent: false },
      }
      shard.entries.set(routeId, entry)
    } else {
      entry.scar = scar
      entry.momentumScalar = momentumScalar
      entry.lastTick = lastTick
      entry.resistance = resistance
      entry.atMs = nowMs
      entry.isChanged = true
      entry.isSent = false
    }
    this.#entries.set(routeId, entry, (gone) => this.#drop(gone))
    shard.isChanged = true
  }

  /** Removes a route here; its row is written anew by who deletes it there. */
  remove(routeId: string): void {
    this.#entries.delete(routeId)
    this.#shardOf(routeId).entries.delete(routeId)
  }

  /** All rows are written anew: the server has lost them. */
  markAll(): void {
    for (const shard of this.#shards) this.#mark(shard)
  }

  #mark(shard: Shard): void {
    if (shard.entries.size === 0) return
    shard.isChanged = true
    for (const entry of shard.entries.values()) entry.isChanged = true
  }

  /**
   * Rows of some shards, as many as go into one statement; these are taken out of `due`. Routes that nothing has changed for `retentionMs` are left
   * out.
   */
  take(due: Set<number>, stamp: number, nowMs: number, retentionMs: number): Outgoing[] {
    const taken: Outgoing[] = []
    let characters = 0
    for (const at of due) {
      if (characters > STATEMENT_CHARACTERS) break
      due.delete(at)
      const shard = this.#shards[at]!
      shard.isChanged = false
      const entries = [...shard.entries.values()]
      const texts: string[] = []
      for (const entry of entries) {
        if (nowMs - entry.atMs > retentionMs) {
          this.remove(entry.routeId)
          continue
        }
        entry.isSent = true
        if (entry.isChanged) {
          entry.text = textOf(entry, stamp, nowMs)
          entry.stamp = stamp
        }
        texts.push(entry.text)
      }
      const body = `[${texts.join(',')}]`
      characters += body.length
      taken.push({ shard: at, version: shard.version, body, entries })
    }
    return taken
  }

  /** The row was written. */
  written({ shard: at, version, entries }: Outgoing): void {
    this.#shards[at]!.version = version + 1
    for (const entry of entries) if (entry.isSent) entry.isChanged = false
  }

  /** The row was not written, or it is not known whether: it goes with a later batch. */
  failed({ shard: at }: Outgoing): void {
    this.#shards[at]!.isChanged = true
  }

  /**
   * The row is another than was known: another node deleted some of its routes, or a statement that was given up wrote it after all. Those that are
   * not in it any more are gone, but for those that have changed since. An older version is no deletion: the server has lost what was written last.
   */
  merge(at: number, version: number, stored: readonly StoredRoute[]): void {
    const shard = this.#shards[at]!
    const isOlder = version < shard.version
    shard.version = version
    if (isOlder) {
      this.#mark(shard)
      return
    }
    const names = new Set(stored.map(({ routeId }) => routeId))
    for (const entry of [...shard.entries.values()]) {
      if (!entry.isChanged && !names.has(entry.routeId)) this.remove(entry.routeId)
    }
    shard.isChanged = shard.isChanged || [...shard.entries.values()].some(({ isChanged }) => isChanged)
  }

  /** Another version of a row of which this node deleted routes by itself. */
  replaced(at: number, version: number): void {
    this.#shards[at]!.version = version
  }

  #shardOf(routeId: string): Shard {
    return this.#shards[shardOf(routeId)]!
  }

  #drop(routeId: string): void {
    const shard = this.#shardOf(routeId)
    shard.entries.delete(routeId)
    shard.isChanged = true
  }
}

function textOf(entry: Entry, stamp: number, nowMs: number): string {
  const { name, scar, momentumScalar, lastTick, resistance, atMs } = entry
  const lagMs = Math.max(0, Math.round(nowMs - atMs))
  return `[${name},${scar},${momentumScalar},${lastTick},${resistance},${stamp},${lagMs}]`
}
