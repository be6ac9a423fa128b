/** Decides whether an answer that is written in pieces waits for its client to read, rather than for the work that makes it. */

import type { ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { after, callOff, nowMs, type Timer } from './_timers.js'

/** A client that does not read is waited for this long at a time, ms. */
const STALLED_MS = 25
/** A client that reads slowly is waited for this long in all, ms. */
const WAITED_MS = 100
/** An answer of which this much has been written is a transfer: how long it takes is for its client to say, bytes. */
const TRANSFER_BYTES = 1 << 20

/** Returns whether bytes that were written wait for the client. A response of HTTP/2 does not know it: its stream does. */
function isWaiting(response: ServerResponse & { readonly stream?: Writable | null }): boolean {
  return response.writableNeedDrain ?? response.stream?.writableNeedDrain ?? false
}

/** Watches one response from the first write that its client did not take at once. */
export class ReaderWatch {
  readonly #response: ServerResponse
  readonly #onWait: () => void
  #timer: Timer | undefined
  #writtenMs = 0
  #waitedMs = 0
  #writtenBytes = 0

  constructor(response: ServerResponse, onWait: () => void) {
    this.#response = response
    this.#onWait = onWait
  }

  /** The client has not taken this piece yet. */
  wrote(chunk: unknown): void {
    this.#writtenBytes += (chunk as { length?: number } | null | undefined)?.length ?? 0
    if (this.#writtenBytes >= TRANSFER_BYTES) {
      this.#onWait()
      return
    }
    this.#writtenMs = nowMs()
    if (this.#timer === undefined) this.#wait(STALLED_MS)
  }

  stop(): void {
    callOff(this.#timer)
    this.#timer = undefined
    this.#response.removeListener('drain', this.#drained)
  }

  #wait(ms: number): void {
    this.#timer = after(ms, this.#look)
    this.#response.on('drain', this.#drained)
  }

  readonly #drained = (): void => {
    this.#waitedMs += nowMs() - this.#writtenMs
    if (this.#waitedMs >= WAITED_MS) this.#onWait()
  }

  readonly #look = (): void => {
    this.stop()
    if (!isWaiting(this.#response)) return
    const leftMs = STALLED_MS - (nowMs() - this.#writtenMs)
    if (leftMs <= 0) this.#onWait()
    else this.#wait(leftMs)
  }
}
