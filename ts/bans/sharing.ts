/** The cluster's document of bans: changes of this node travel together, and what other nodes wrote is read. */

import { textOfAny } from '../base/host-calls.js'
import type { SharedDocument } from '../providers/provider.js'
import type { SharedDocuments } from '../replication/documents.js'
import { keep } from './known.js'
import { changeDocument, type Pending } from './pending.js'
import { type BanDocument, LaterFormat, readBans, writeBans } from './record.js'

/** The name of the document. */
export const DOCUMENT = 'atrion/bans'
/** Changes wait so long for others to travel with them, ms. */
const TOGETHER_MS = 5
/** After a failure, ms. */
const LEAST_AGAIN_MS = 20
/** Nodes that look for evidence report that this often, ms. */
const REPORTS_MS = 30_000

export interface SharingHost {
  readonly node: string
  /** True where this node looks for evidence, and has to be known to the others. */
  readonly isWitness: boolean
  /** The salt of this node's hashes. */
  salt(): string
  nowMs(): number
  warn(message: string, context: Record<string, unknown>): void
  /** The nodes' salt is another. */
  adopt(salt: string): void
  /** A copy of the document as this node took it over last; undefined: it has taken over none. */
  known(): BanDocument | undefined
  /** Takes over what the document holds. @param aheadMs the lead of the store's clock over this node's */
  take(document: BanDocument, aheadMs: number): void
}

export class BanSharing {
  readonly #documents: SharedDocuments
  readonly #host: SharingHost
  /** Changes that the document does not have yet. */
  readonly pending = new Map<number, Pending>()
  #isWriting = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #presentMs = Number.NEGATIVE_INFINITY
  /** The document cannot be read, or not be written, and that was logged. */
  #isDamaged = false
  #isUnshared = false

  constructor(documents: SharedDocuments, host: SharingHost) {
    this.#documents = documents
    this.#host = host
    documents.follow(
      DOCUMENT,
      (document) => this.#receive(document),
      (error) => this.#unreadable(error),
    )
  }

  /** Shares a change as soon as the provider is connected. */
  share(hash: number, pending: Pending): void {
    keep(this.pending, hash, pending)
    this.flush()
  }

  /** Writes what is to be written soon. */
  flush(): void {
    const isDue = this.#host.isWitness && this.#host.nowMs() - this.#presentMs >= REPORTS_MS
    if (this.#documents.isRunning && (isDue || this.pending.size > 0)) this.#arm(TOGETHER_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Agrees with the other nodes on a salt. @throws (rejects) what the provider rejects with */
  async agreeOnSalt(): Promise<void> {
    if (!this.#documents.isRunning) return
    await this.#documents.update(DOCUMENT, (text, nowMs) => {
      const { document, isLost } = this.#readOr(text, nowMs)
      this.#host.adopt(document.salt)
      return isLost ? writeBans(document) : undefined
    })
  }

  #arm(afterMs: number): void {
    if (this.#timer !== undefined || this.#isWriting) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#write()
    }, afterMs)
    this.#timer.unref?.()
  }

  async #write(): Promise<void> {
    if (!this.#documents.isRunning) return
    this.#isWriting = true
    let sent: [number, Pending][] = []
    let written: BanDocument | undefined
    let afterMs = TOGETHER_MS
    try {
      await this.#documents.update(DOCUMENT, (text, nowMs) => {
        const { document } = this.#readOr(text, nowMs)
        this.#host.adopt(document.salt)
        sent = [...this.pending]
        const aheadMs = nowMs - this.#host.nowMs()
        for (const [hash, pending] of sent) changeDocument(document, hash, pending, this.#host.node, aheadMs, nowMs)
        if (this.#host.isWitness) document.nodes.set(this.#host.node, nowMs)
        written = document
        return writeBans(document)
      })
      this.#presentMs = this.#host.nowMs()
      for (const [hash, pending] of sent) if (this.pending.get(hash) === pending) this.pending.delete(hash)
      if (written !== undefined) this.#host.take(written, this.#aheadMs)
      this.#isUnshared = false
    } catch (error) {
      afterMs = Math.max(this.#documents.intervalMs, LEAST_AGAIN_MS)
      if (!this.#isUnshared) {
        this.#host.warn('bans could not be shared; another attempt follows', { error: textOfAny(error) })
      }
      this.#isUnshared = true
    }
    this.#isWriting = false
    if (this.pending.size > 0) this.#arm(afterMs)
  }

  #aheadMs = 0

  #read(text: string | null, nowMs: number): BanDocument {
    this.#aheadMs = nowMs - this.#host.nowMs()
    return readBans(text, nowMs, this.#host.salt())
  }

  /** The document, or what this node knows of it where the store has lost it or has something else in its place. @throws LaterFormat */
  #readOr(text: string | null, nowMs: number): { readonly document: BanDocument; readonly isLost: boolean } {
    try {
      const document = this.#read(text, nowMs)
      return text === null ? { document: this.#host.known() ?? document, isLost: true } : { document, isLost: false }
    } catch (error) {
      if (error instanceof LaterFormat) throw error
      return { document: this.#host.known() ?? this.#read(null, nowMs), isLost: true }
    }
  }

  #receive({ text, nowMs }: SharedDocument): void {
    // A store that lost it lifts nothing: each ban ends by itself.
    if (text === null) return
    try {
      const document = this.#read(text, nowMs)
      this.#host.adopt(document.salt)
      this.#host.take(document, this.#aheadMs)
      this.#isDamaged = false
    } catch (error) {
      this.#unreadable(error)
    }
  }

  #unreadable(error: unknown): void {
    if (this.#isDamaged) return
    this.#isDamaged = true
    this.#host.warn('the list of bans in the store cannot be read; the last one that could be read stays in force', {
      ...{ document: DOCUMENT, error: textOfAny(error) },
    })
  }
}
