/** Calls of a store of documents: each is given up in time, and what it answers is checked before anything uses it. */

import { documentIn, type GivenDocument } from './documents.js'
import { ConnectionError, isParseError } from './errors.js'
import { subscribed } from './host-calls.js'
import { own } from './own.js'
import { type After, afterHost, within } from './within.js'

/** The part of a provider that keeps documents. */
export interface DocumentStore {
  readonly name?: string
  readonly documentTimeoutMs?: number
  readDocument(name: string): Promise<GivenDocument>
  writeDocument(name: string, version: number, text: string, options?: { readonly ttlMs: number }): Promise<boolean>
  watchDocuments?(onWrite: (name: string) => void): () => void
}

/** A call that has not settled after so long counts as lost, ms, where the provider says nothing else. */
const DEFAULT_TIMEOUT_MS = 8_000
/** The most that a provider can say, ms. */
const LONGEST_TIMEOUT_MS = 3_600_000
/** A name that no node writes: its answer has the store's clock. */
const NO_DOCUMENT = 'atrion/none'

/** A document as it was found. */
export interface FoundDocument extends GivenDocument {
  /** The reason for which the store cannot read what is there: a write of version 0 replaces it. undefined: it can. */
  readonly unreadable: Error | undefined
}

export class DocumentCalls {
  readonly #store: DocumentStore
  readonly #after: After
  readonly #timeoutMs: number

  constructor(store: DocumentStore, after: After = afterHost) {
    this.#store = store
    this.#after = after
    const timeoutMs = own(store, 'documentTimeoutMs')
    this.#timeoutMs =
      typeof timeoutMs === 'number' && timeoutMs > 0 ? Math.min(timeoutMs, LONGEST_TIMEOUT_MS) : DEFAULT_TIMEOUT_MS
  }

  /** @throws (rejects) what the store rejects with, ConnectionError for no answer in time and for one that is no document */
  async read(name: string): Promise<GivenDocument> {
    const document = documentIn(await this.#within(() => this.#store.readDocument(name)))
    if (document === undefined) throw this.#lost(`it gave no document for ${name}`)
    return document
  }

  /** The same, also of one that the store cannot read. */
  async find(name: string): Promise<FoundDocument> {
    try {
      return { ...(await this.read(name)), unreadable: undefined }
    } catch (error) {
      if (!isParseError(error)) throw error
      const { nowMs } = await this.read(NO_DOCUMENT)
      return { version: 0, text: null, nowMs, unreadable: error }
    }
  }

  /**
   * Calls back with the name of each document that another node wrote. Never throws.
   *
   * @param onLost called where the store cannot do so @returns the end of it; undefined where there are no such calls
   */
  watch(onWrite: (name: string) => void, onLost: () => void = () => {}): (() => void) | undefined {
    return subscribed(() => this.#store.watchDocuments?.(onWrite), onLost)
  }

  /** @returns whether it was written @throws (rejects) what the store rejects with, ConnectionError for no answer in time: it may have been written then */
  async write(name: string, version: number, text: string, options?: { readonly ttlMs: number }): Promise<boolean> {
    return (await this.#within(() => this.#store.writeDocument(name, version, text, options))) === true
  }

  #within<T>(call: () => Promise<T>): Promise<T> {
    return within(call, this.#timeoutMs, this.#after, () => this.#lost(`no answer within ${this.#timeoutMs} ms`))
  }

  #lost(reason: string): ConnectionError {
    return new ConnectionError(this.#store.name ?? 'the provider', { cause: new Error(reason) })
  }
}
