/** Images of the engine in a recording: all that its later decisions depend on, where the entries before do not have it. */

import { type Engine, FRAME, STATE } from '../engine/port.js'
import type { BlockWriter } from './block-writer.js'
import { ENTRY, LARGEST_ENTRY } from './format.js'

/** A piece of an image, bytes. */
const IMAGE_PIECE = LARGEST_ENTRY / 2
/** After an image that was lost none is written for so long, ms. */
const REST_MS = 10_000

/** The part of the coder that an image is written with. */
interface ImageCoder {
  readonly engine: Engine
  readonly writer: BlockWriter
  readonly epoch: number
  readonly generations: Int32Array
  look(): Float64Array
  beginLarge(): void
  beginRare(entry: number, nowMs: number): void
  note(slot: number): void
  writeName(slot: number, name: string): void
  introduceLaw(law: number): void
}

export class Images {
  readonly #mostBytes: (isFirst: boolean) => number
  /** True where the engine has to be written as it is, before the next call. */
  isOwed = false
  #noneUntilMs = 0
  /** Images that were written. */
  #count = 0

  /** @param mostBytes the largest image, bytes: of the engine at the beginning, or where decisions were lost; 0: none */
  constructor(mostBytes: (isFirst: boolean) => number) {
    this.#mostBytes = mostBytes
  }

  /** The engine has to be written as it is, but not before so long from now, ms. */
  owe(pauseMs: number): void {
    this.isOwed = true
    this.#noneUntilMs = Math.max(this.#noneUntilMs, performance.now() + pauseMs)
  }

  /** Writes the engine as it is, where that is not too much. */
  write(coder: ImageCoder): void {
    if (performance.now() < this.#noneUntilMs) return
    this.isOwed = false
    const most = this.#mostBytes(this.#count === 0)
    if (most === 0) return
    const { engine, writer, epoch } = coder
    const image = engine.images?.take(most)
    if (image === undefined) return
    for (const name of engine.routeIds()) {
      const slot = engine.find(name)
      if (slot < 0 || !engine.readState(slot)) continue
      coder.beginLarge()
      coder.note(slot)
      coder.writeName(slot, name)
      coder.introduceLaw(coder.look()[FRAME.STATE + STATE.LAW]!)
    }
    for (let from = 0; from < image.length; from += IMAGE_PIECE) {
      coder.beginRare(ENTRY.IMAGE, writer.lastMs)
      writer.varint(image.length)
      writer.varint(from)
      writer.piece(image.subarray(from, from + IMAGE_PIECE))
    }
    if (coder.epoch === epoch) this.#count += 1
    else this.#noneUntilMs = performance.now() + REST_MS
    // A reader that begins here knows the permits that are out by their numbers alone.
    coder.generations.fill(0)
  }
}
