/** Documents in Redis: what the addon answers, as promises of the port. */

import { AtrionError, ConnectionError } from '../../base/errors.js'
import { later } from '../../base/later.js'
import { checkedWrite, DocumentWatchers, requireDocumentName } from '../documents.js'
import type { DocumentOptions, SharedDocument } from '../provider.js'

/** A document, or the reason for which it was not read or written; of a write the version is 1 where it was written. */
export interface NativeDocument {
  readonly failure?: 'lost' | 'refused' | 'unreadable'
  readonly message?: string
  readonly version: number
  readonly text?: string
  readonly nowMs: number
}

/** The part of the addon's class that keeps documents. */
export interface NativeDocuments {
  readDocument(name: string): Promise<NativeDocument>
  writeDocument(name: string, version: number, text: string, ttlMs: number): Promise<NativeDocument>
  watchDocuments(on: boolean): void
}

/** The documents of one link. */
export class RedisDocuments {
  readonly #providerName: () => string
  readonly #link: NativeDocuments
  readonly #isConnected: () => Promise<void>
  readonly #watchers = new DocumentWatchers()

  /** @param isConnected rejects where the link is not connected */
  constructor(link: NativeDocuments, providerName: () => string, isConnected: () => Promise<void>) {
    this.#link = link
    this.#providerName = providerName
    this.#isConnected = isConnected
  }

  async read(name: string): Promise<SharedDocument> {
    requireDocumentName(name)
    await this.#isConnected()
    const { version, text = null, nowMs } = this.#answer(name, 'read', await this.#link.readDocument(name))
    return { version, text, nowMs }
  }

  async write(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    const ttlMs = checkedWrite(name, version, text, options) ?? 0
    await this.#isConnected()
    const answer = this.#answer(name, 'written', await this.#link.writeDocument(name, version, text, ttlMs))
    const isWritten = answer.version === 1
    // Redis calls this node's link for the writes of others only, and several instances may use it.
    if (isWritten && this.#watchers.size > 0) later(() => this.#watchers.call(name))
    return isWritten
  }

  watch(onWrite: (name: string) => void): () => void {
    const stop = this.#watchers.add(onWrite)
    this.#link.watchDocuments(true)
    return () => {
      stop()
      if (this.#watchers.size === 0) this.#link.watchDocuments(false)
    }
  }

  /** Calls the watchers for a document that another node wrote. */
  written(name: string): void {
    this.#watchers.call(name)
  }

  /** @throws ConnectionError or AtrionError where the answer is a failure */
  #answer(name: string, done: 'read' | 'written', answer: NativeDocument): NativeDocument {
    const { failure, message } = answer
    if (failure === undefined) return answer
    if (failure === 'lost') throw new ConnectionError(this.#providerName(), { cause: new Error(message) })
    const isUnreadable = failure === 'unreadable'
    const problem = isUnreadable ? 'cannot be read' : `was not ${done}`
    throw new AtrionError(`document ${JSON.stringify(name)} ${problem}: ${message}`, {
      code: isUnreadable ? 'ATRION_PARSE' : 'ATRION_SYNC',
    })
  }
}
