/** Documents that nodes share: the check of what is to be written, and a store of them in this process. */

import { MAX_TEXT_BYTES } from '../base/documents.js'
import { AtrionError, ConfigError } from '../base/errors.js'
import { later } from '../base/later.js'
import { own } from '../base/own.js'
import type { DocumentOptions, SharedDocument } from './provider.js'

/** Longest name, bytes of UTF-8. */
export const MAX_NAME_BYTES = 256
/** Longest life of a document that has one, ms: 365 days. */
const MAX_TTL_MS = 31_536_000_000

const NAME_RANGE = `well-formed text of 1 to ${MAX_NAME_BYTES} bytes`
const TEXT_RANGE = `well-formed text of at most ${MAX_TEXT_BYTES} bytes`

/** Half a pair of surrogates has no UTF-8. */
const LONE_SURROGATE = /[\ud800-\udfff]/u
const encoder = new TextEncoder()

const isTextOf = (value: unknown, maxBytes: number): value is string =>
  typeof value === 'string' &&
  value.length <= maxBytes &&
  // No UTF-16 unit takes more than three bytes.
  (value.length * 3 <= maxBytes || encoder.encode(value).length <= maxBytes) &&
  !LONE_SURROGATE.test(value)

/** Returns whether a document can have that text. */
export const isDocumentText = (text: unknown): text is string => isTextOf(text, MAX_TEXT_BYTES)

/** @throws ConfigError unless a document can have that name */
export function requireDocumentName(name: unknown): asserts name is string {
  if (name === '' || !isTextOf(name, MAX_NAME_BYTES)) throw new ConfigError('name', NAME_RANGE, name)
}

/**
 * The time after which a document is gone, ms; undefined: never.
 *
 * @throws ConfigError unless a document can be written like that
 */
export function checkedWrite(
  name: unknown,
  version: unknown,
  text: unknown,
  options: DocumentOptions | null | undefined,
): number | undefined {
  requireDocumentName(name)
  if (!Number.isSafeInteger(version) || (version as number) < 0)
    throw new ConfigError('version', 'an integer ≥ 0', version)
  if (!isDocumentText(text)) throw new ConfigError('text', TEXT_RANGE, text)
  if (options == null) return undefined
  if (typeof options !== 'object') throw new ConfigError('options', 'an object', options)
  const ttlMs = own(options, 'ttlMs') ?? undefined
  if (ttlMs !== undefined && !(Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= MAX_TTL_MS)) {
    throw new ConfigError('ttlMs', `a whole number in [1, ${MAX_TTL_MS}]`, ttlMs)
  }
  return ttlMs
}

/** The watchers of documents. One that throws affects no other. */
export class DocumentWatchers {
  readonly #callbacks = new Set<{ readonly onWrite: (name: string) => void }>()

  get size(): number {
    return this.#callbacks.size
  }

  /** @throws TypeError when `onWrite` is no function */
  add(onWrite: (name: string) => void): () => void {
    if (typeof onWrite !== 'function') throw new TypeError('onWrite must be a function')
    // Watching twice with one function is two watches.
    const entry = { onWrite }
    this.#callbacks.add(entry)
    return () => void this.#callbacks.delete(entry)
  }

  call(name: string): void {
    for (const entry of [...this.#callbacks]) {
      // Another callback may have ended this watch meanwhile.
      if (!this.#callbacks.has(entry)) continue
      try {
        entry.onWrite(name)
      } catch {
        // The callback's own.
      }
    }
  }
}

interface Kept {
  readonly version: number
  readonly text: string
  /** Unix ms; Infinity: it stays. */
  readonly expiresAtMs: number
}

const MAX_DOCUMENTS = 4096
const MAX_CHARACTERS = 1 << 26

/** Documents of this process: at most 4096, of 64 Mi characters in all. Nothing gives way to anything: without room a write throws. */
export class DocumentShelf {
  readonly #now: () => number
  readonly #kept = new Map<string, Kept>()
  readonly #watchers = new DocumentWatchers()
  /** Names that are still to be reported to watchers. */
  readonly #written = new Set<string>()
  #characters = 0
  /** The highest version of any document that is gone. */
  #lastGone = 0

  /** @param now the clock, Unix ms: by default the system's as it was when the process began, which goes on whatever that is set to */
  constructor(now: () => number = () => Math.floor(performance.timeOrigin + performance.now())) {
    this.#now = now
  }

  read(name: string): SharedDocument {
    requireDocumentName(name)
    const nowMs = this.#now()
    const { version = 0, text = null } = this.#get(name, nowMs) ?? {}
    return { version, text, nowMs }
  }

  write(name: string, version: number, text: string, options?: DocumentOptions): boolean {
    const ttlMs = checkedWrite(name, version, text, options)
    const nowMs = this.#now()
    const before = this.#get(name, nowMs)
    if ((before?.version ?? 0) !== version) return false
    this.#makeRoom(name, before, text, nowMs)
    const next = Math.max(Math.floor(nowMs), 1 + (before?.version ?? this.#lastGone))
    this.#characters += text.length - (before?.text.length ?? 0)
    this.#kept.set(name, { version: next, text, expiresAtMs: ttlMs === undefined ? Infinity : nowMs + ttlMs })
    this.#report(name)
    return true
  }

  watch(onWrite: (name: string) => void): () => void {
    return this.#watchers.add(onWrite)
  }

  clear(): void {
    for (const name of [...this.#kept.keys()]) this.#remove(name)
  }

  #get(name: string, nowMs: number): Kept | undefined {
    const kept = this.#kept.get(name)
    if (kept === undefined || nowMs < kept.expiresAtMs) return kept
    this.#remove(name)
    return undefined
  }

  #remove(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    this.#kept.delete(name)
    this.#characters -= kept.text.length
    this.#lastGone = Math.max(this.#lastGone, kept.version)
  }

  /** @throws AtrionError when there is none, even without what has expired */
  #makeRoom(name: string, before: Kept | undefined, text: string, nowMs: number): void {
    const hasRoom = (): boolean =>
      (before !== undefined || this.#kept.size < MAX_DOCUMENTS) &&
      this.#characters - (before?.text.length ?? 0) + text.length <= MAX_CHARACTERS
    if (hasRoom()) return
    for (const other of [...this.#kept.keys()]) if (other !== name) this.#get(other, nowMs)
    if (hasRoom()) return
    const kept = `${this.#kept.size} documents of ${this.#characters} characters are kept`
    throw new AtrionError(`there is no room for document ${JSON.stringify(name)}: ${kept}`, { code: 'ATRION_SYNC' })
  }

  #report(name: string): void {
    if (this.#watchers.size === 0) return
    this.#written.add(name)
    if (this.#written.size > 1) return
    later(() => {
      const names = [...this.#written]
      this.#written.clear()
      for (const one of names) this.#watchers.call(one)
    })
  }
}
