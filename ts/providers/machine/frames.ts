/** The messages between the processes of a machine: JSON with its length before it, each read with care and none without a bound. */

import { MAX_NAME_BYTES } from '../documents.js'
import { isPhysicsVector, type PhysicsVector } from '../provider.js'
import type { ClockReading } from './clock.js'

/** Longest message, bytes. */
const MAX_FRAME_BYTES = 1 << 23
/** Messages of many routes are cut into such of about so many characters. */
const CHUNK_CHARACTERS = 1 << 19
/** A route takes so many besides its name. */
const CHARACTERS_BESIDE_NAME = 150
/** Longest name of a route that travels, characters: JSON may take six bytes for each. */
export const MAX_NAME = 1 << 20

/** A route as all have it: the node that changed it last, and when. */
export interface Shared {
  readonly routeId: string
  readonly vector: PhysicsVector
  /** µs, given by the hub: later changes have later ones. */
  readonly stamp: number
  readonly node: string
}

export interface SharedText {
  readonly name: string
  readonly version: number
  readonly text: string
  /** The last writes of the document, this one last. */
  readonly by: readonly string[]
  /** Unix ms; null: it stays. */
  readonly expiresAtMs: number | null
}

/** News, or all that one knows. */
export interface Merge {
  readonly kind: 'merge'
  readonly routes?: readonly Shared[]
  readonly gone?: readonly (readonly [routeId: string, stamp: number])[]
  readonly texts?: readonly SharedText[]
  readonly clock?: ClockReading
}

export type Message =
  | Merge
  | { readonly kind: 'join'; readonly node: string }
  | { readonly kind: 'welcome'; readonly nodes: number; readonly clock?: ClockReading }
  | { readonly kind: 'put'; readonly id: number; readonly routes: readonly (readonly [string, PhysicsVector])[] }
  | { readonly kind: 'delete'; readonly id: number; readonly routeIds: readonly string[] }
  | {
      readonly kind: 'write'
      readonly id: number
      readonly name: string
      readonly version: number
      readonly text: string
      readonly ttlMs: number | null
      /** The name of this write, which a later hub knows it by. */
      readonly by: string
      /** True when a hub that was lost may have done it. */
      readonly isAgain: boolean
    }
  | { readonly kind: 'ping'; readonly id: number }
  | {
      readonly kind: 'done'
      readonly id: number
      readonly ok: boolean | null
      readonly nodes: number
      readonly clock?: ClockReading
    }

export function frameOf(message: Message): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8')
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32LE(body.length, 0)
  body.copy(frame, 4)
  return frame
}

/** Puts pieces of a stream together. */
export class FrameReader {
  #pieces: Buffer[] = []
  #bytes = 0

  /** @throws Error for a frame that is too long, or is no message */
  read(piece: Buffer): Message[] {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    const messages: Message[] = []
    for (;;) {
      if (this.#bytes < 4) return messages
      if (this.#pieces[0]!.length < 4) this.#join()
      const length = this.#pieces[0]!.readUInt32LE(0)
      if (length > MAX_FRAME_BYTES)
        throw new Error(`a message has ${length} bytes, and at most ${MAX_FRAME_BYTES} are read`)
      if (this.#bytes < 4 + length) return messages
      this.#join()
      const all = this.#pieces[0]!
      const message: unknown = JSON.parse(all.toString('utf8', 4, 4 + length))
      if (typeof message !== 'object' || message === null) throw new Error('a message is not a JSON object')
      messages.push(message as Message)
      this.#pieces = [all.subarray(4 + length)]
      this.#bytes -= 4 + length
    }
  }

  #join(): void {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)]
  }
}

/** Lists of a length that fits into a message. @param lengthOf the characters of an item's name */
export function* chunksOf<T>(items: Iterable<T>, lengthOf: (item: T) => number): Generator<T[]> {
  let chunk: T[] = []
  let characters = 0
  for (const item of items) {
    chunk.push(item)
    characters += lengthOf(item) + CHARACTERS_BESIDE_NAME
    if (characters < CHUNK_CHARACTERS) continue
    yield chunk
    chunk = []
    characters = 0
  }
  if (chunk.length > 0) yield chunk
}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Longest name of a node, characters. */
export const MAX_NODE = 64

const isNode = (value: unknown): value is string => typeof value === 'string' && value.length <= MAX_NODE

/** A route that a message brought; undefined where it is none. */
export function sharedOf(value: unknown): Shared | undefined {
  const { routeId, vector, stamp, node } = (value ?? {}) as Partial<Shared>
  if (typeof routeId !== 'string' || !isNode(node) || !isPhysicsVector(vector)) return undefined
  return Number.isSafeInteger(stamp) ? { routeId, vector, stamp: stamp!, node } : undefined
}

/** Writes of a document that are known by name, at most. */
export const MOST_WRITES = 32

const writesOf = (value: unknown): string[] =>
  listOf(value)
    .filter((one) => typeof one === 'string' && one.length <= 64)
    .slice(-MOST_WRITES) as string[]

export function textOf(value: unknown): SharedText | undefined {
  const { name, version, text, by, expiresAtMs } = (value ?? {}) as Partial<SharedText>
  if (typeof name !== 'string' || name.length > MAX_NAME_BYTES) return undefined
  if (typeof text !== 'string' || !Number.isSafeInteger(version)) return undefined
  return {
    name,
    version: version!,
    text,
    by: writesOf(by),
    expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : null,
  }
}
