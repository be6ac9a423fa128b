/**
 * Documents that the nodes of a provider share: read again when another node wrote one, or from time to time, and changed by
 * compare-and-set. Nothing here throws into a timer, and no read waits for the one before longer than a moment.
 */

import { documentIn } from '../base/documents.js'
import { ConnectionError } from '../base/errors.js'
import { noticeEnd } from '../base/host-calls.js'
import { own } from '../base/own.js'
import type { DocumentProvider, SharedDocument } from '../providers/provider.js'

const DEFAULT_INTERVAL_MS = 100
/** Intervals between two reads where the provider reports changes: it may miss one. */
const INTERVALS_WITH_HINTS = 10
/** Characters of a document that are read again in each interval. */
const CHARACTERS_AN_INTERVAL = 16_384
/** A read that took so long is no longer waited for, ms. */
const MOST_READ_MS = 2_000
/** Tries of a change that others interrupt. */
const MOST_TRIES = 16

export type DocumentListener = (document: SharedDocument) => void

interface Followed {
  readonly listener: DocumentListener
  version: number
  characters: number
  /** Intervals until the next read. */
  left: number
  /** The time of a read under way; −1: there is none. */
  readingMs: number
  failed: boolean
  /** Another node wrote while a read was under way. */
  again: boolean
}

export class SharedDocuments {
  readonly #provider: DocumentProvider
  readonly #intervalMs: number
  readonly #followed = new Map<string, Followed>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #stopWatching: (() => void) | undefined
  #isRunning = false

  constructor(provider: DocumentProvider) {
    this.#provider = provider
    const intervalMs = own(provider, 'intervalMs')
    this.#intervalMs = typeof intervalMs === 'number' && intervalMs > 0 ? intervalMs : DEFAULT_INTERVAL_MS
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** The provider's interval, ms. */
  get intervalMs(): number {
    return this.#intervalMs
  }

  /** Calls back with a document whenever it has changed, while this is running; `listener` throws nothing. */
  follow(name: string, listener: DocumentListener): void {
    this.#followed.set(name, {
      ...{ listener, version: -1, characters: 0, left: 0, readingMs: -1, failed: false, again: false },
    })
  }

  /** Begins to follow. The provider is connected. */
  start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      const stop = this.#provider.watchDocuments?.((name) => this.#hint(name))
      this.#stopWatching = typeof stop === 'function' ? stop : undefined
    } catch {
      // Without hints the documents are read more often.
    }
    this.#beat()
  }

  stop(): void {
    this.#isRunning = false
    clearTimeout(this.#timer)
    try {
      noticeEnd(this.#stopWatching?.())
    } catch {}
    this.#stopWatching = undefined
    for (const one of this.#followed.values()) one.version = -1
  }

  /**
   * Changes a document by compare-and-set.
   *
   * @param change the new text from the old; undefined: nothing is to be changed
   * @returns whether it was changed
   * @throws (rejects) what the provider rejects with, and what `change` throws
   */
  async update(name: string, change: (text: string | null, nowMs: number) => string | undefined): Promise<boolean> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const document = await this.read(name)
      const text = change(document.text, document.nowMs)
      if (text === undefined) return false
      if ((await this.#provider.writeDocument(name, document.version, text)) === true) return true
      // Nodes that change it at the same time do not meet again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(2 ** tries, 64)))
    }
    throw new Error(`document ${name} was changed by others ${MOST_TRIES} times in a row`)
  }

  /** @throws (rejects) what the provider rejects with, ConnectionError for an answer that is no document */
  async read(name: string): Promise<SharedDocument> {
    const document = documentIn(await this.#provider.readDocument(name))
    if (document === undefined) {
      throw new ConnectionError(this.#provider.name, { cause: new Error(`it gave no document for ${name}`) })
    }
    return document
  }

  #hint(name: unknown): void {
    const one = typeof name === 'string' ? this.#followed.get(name) : undefined
    if (one !== undefined && this.#isRunning) void this.#look(name as string, one)
  }

  #beat(): void {
    for (const [name, one] of this.#followed) {
      one.left -= 1
      if (one.left <= 0 || one.failed) void this.#look(name, one)
    }
    this.#timer = setTimeout(() => this.#beat(), this.#intervalMs)
    this.#timer.unref?.()
  }

  async #look(name: string, one: Followed): Promise<void> {
    const nowMs = performance.now()
    if (one.readingMs >= 0 && nowMs - one.readingMs < MOST_READ_MS) {
      one.again = true
      return
    }
    one.readingMs = nowMs
    one.again = false
    one.left = Math.max(
      this.#stopWatching === undefined ? 1 : INTERVALS_WITH_HINTS,
      Math.ceil(one.characters / CHARACTERS_AN_INTERVAL),
    )
    try {
      const document = await this.read(name)
      one.failed = false
      if (this.#isRunning && document.version !== one.version) {
        one.version = document.version
        one.characters = document.text?.length ?? 0
        one.listener(document)
      }
    } catch {
      one.failed = true
    }
    if (one.readingMs !== nowMs) return
    one.readingMs = -1
    if (one.again && this.#isRunning) void this.#look(name, one)
  }
}
