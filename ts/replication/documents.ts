/**
 * Documents that the nodes of a provider share: read again when another node wrote one, or from time to time, and changed by
 * compare-and-set. Nothing here throws into a timer, and no read waits for the one before longer than a moment.
 */

import { DocumentCalls, type FoundDocument } from '../base/document-calls.js'
import { own } from '../base/own.js'
import { type After, afterHost } from '../base/within.js'
import type { DocumentProvider, SharedDocument } from '../providers/provider.js'

const DEFAULT_INTERVAL_MS = 100
/** Intervals between two reads where the provider reports changes: it may miss one. */
const INTERVALS_WITH_HINTS = 10
/** Characters of a document that are read again in each interval. */
const CHARACTERS_AN_INTERVAL = 16_384
/** After so long without an answer a second read begins beside the first, ms: the store may be slow, or have lost it. */
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
  readonly unreadable: (error: Error) => void
  /** The time of the newest read under way; −1: there is none. */
  readingMs: number
  /** Reads so far, and the newest of them that was answered: an answer that comes after that of a newer one is dropped. */
  reads: number
  answered: number
  failed: boolean
  isUnreadable: boolean
  /** Another node wrote while a read was under way. */
  again: boolean
}

export class SharedDocuments {
  readonly #calls: DocumentCalls
  readonly #after: After
  readonly #intervalMs: number
  readonly #followed = new Map<string, Followed>()
  #stopTimer: (() => void) | undefined
  #stopWatching: (() => void) | undefined
  #isRunning = false

  /** @param after by default, a timer of the host's */
  constructor(provider: DocumentProvider, after: After = afterHost) {
    this.#after = after
    this.#calls = new DocumentCalls(provider, after)
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

  /**
   * Calls back with a document whenever it has changed, and once with the reason for which the store cannot read what is there, until it
   * can; while this is running. Neither throws anything.
   */
  follow(name: string, listener: DocumentListener, unreadable: (error: Error) => void): void {
    this.#followed.set(name, {
      ...{ listener, unreadable, version: -1, characters: 0, left: 0, readingMs: -1, failed: false, again: false },
      ...{ reads: 0, answered: 0, isUnreadable: false },
    })
  }

  /** Begins to follow. The provider is connected. */
  start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    // Without hints the documents are read more often.
    this.#stopWatching = this.#calls.watch(
      (name) => this.#hint(name),
      () => {
        this.#stopWatching = undefined
      },
    )
    this.#beat()
  }

  stop(): void {
    this.#isRunning = false
    this.#stopTimer?.()
    this.#stopWatching?.()
    this.#stopWatching = undefined
    for (const one of this.#followed.values()) Object.assign(one, { version: -1, isUnreadable: false })
  }

  /**
   * Changes a document by compare-and-set. What the store cannot read counts as none, and is replaced.
   *
   * @param change the new text from the old; undefined: nothing is to be changed
   * @returns whether it was changed
   * @throws (rejects) what the provider rejects with, and what `change` throws
   */
  async update(name: string, change: (text: string | null, nowMs: number) => string | undefined): Promise<boolean> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const document = await this.#calls.find(name)
      const text = change(document.text, document.nowMs)
      if (text === undefined) return false
      if (await this.#calls.write(name, document.version, text)) return true
      // Nodes that change it at the same time do not meet again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(2 ** tries, 64)))
    }
    throw new Error(`document ${name} was changed by others ${MOST_TRIES} times in a row`)
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
    this.#stopTimer = this.#after(this.#intervalMs, () => this.#beat())
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
    one.reads += 1
    const { reads } = one
    try {
      const document = await this.#calls.find(name)
      one.failed = false
      if (this.#isRunning && reads > one.answered) {
        one.answered = reads
        this.#receive(one, document)
      }
    } catch {
      one.failed = true
    }
    if (one.readingMs !== nowMs) return
    one.readingMs = -1
    if (one.again && this.#isRunning) void this.#look(name, one)
  }

  #receive(one: Followed, { unreadable, ...document }: FoundDocument): void {
    const isNew = unreadable !== undefined && !one.isUnreadable
    one.isUnreadable = unreadable !== undefined
    if (unreadable !== undefined) {
      // A document of the same version is news after that.
      one.version = -1
      if (isNew) one.unreadable(unreadable)
    } else if (document.version !== one.version) {
      one.version = document.version
      one.characters = document.text?.length ?? 0
      one.listener(document)
    }
  }
}
