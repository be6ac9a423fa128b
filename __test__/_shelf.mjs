// A provider as a user would write one: a store in this process, shared by name, that tells of changes.

const shelves = new Map()

export class ShelfProvider {
  name = 'ShelfProvider'
  #shelf
  #listeners = new Map()

  constructor(shelf) {
    if (!shelves.has(shelf))
      shelves.set(shelf, { vectors: new Map(), readers: new Set(), documents: new Map(), last: 0 })
    this.#shelf = shelves.get(shelf)
  }

  async connect() {
    this.#shelf.readers.add(this)
  }

  async disconnect() {
    this.#shelf.readers.delete(this)
  }

  async getVector(routeId) {
    const kept = this.#shelf.vectors.get(routeId)
    return kept ? { ...kept.vector } : null
  }

  async updateVector(routeId, vector) {
    this.#shelf.vectors.set(routeId, { vector: { ...vector }, at: Date.now() })
    for (const reader of this.#shelf.readers) if (reader !== this) reader.tell(routeId, vector)
  }

  async deleteVector(routeId) {
    this.#shelf.vectors.delete(routeId)
  }

  async listRoutes() {
    return [...this.#shelf.vectors.keys()]
  }

  async load(maxRoutes) {
    const kept = [...this.#shelf.vectors].slice(0, maxRoutes)
    return kept.map(([routeId, { vector, at }]) => [routeId, { ...vector }, Date.now() - at])
  }

  subscribe(routeId, onChange) {
    const listeners = this.#listeners.get(routeId) ?? new Set()
    this.#listeners.set(routeId, listeners.add(onChange))
    return () => listeners.delete(onChange)
  }

  tell(routeId, vector) {
    for (const onChange of this.#listeners.get(routeId) ?? []) {
      queueMicrotask(() => {
        try {
          onChange({ ...vector })
        } catch {}
      })
    }
  }

  async readDocument(name) {
    checkDocument(name)
    const nowMs = Date.now()
    const { version = 0, text = null } = this.#document(name, nowMs) ?? {}
    return { version, text, nowMs }
  }

  async writeDocument(name, version, text, { ttlMs } = {}) {
    checkDocument(name, version ?? -1, text, ttlMs)
    const nowMs = Date.now()
    if ((this.#document(name, nowMs)?.version ?? 0) !== version) return false
    this.#shelf.last = Math.max(this.#shelf.last + 1, nowMs)
    const expiresAtMs = nowMs + (ttlMs ?? Number.POSITIVE_INFINITY)
    this.#shelf.documents.set(name, { version: this.#shelf.last, text, expiresAtMs })
    for (const reader of this.#shelf.readers) if (reader !== this) reader.tellDocument(name)
    return true
  }

  #watchers = new Set()

  watchDocuments(onWrite) {
    const watcher = { onWrite }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  tellDocument(name) {
    for (const watcher of this.#watchers) {
      queueMicrotask(() => {
        try {
          if (this.#watchers.has(watcher)) watcher.onWrite(name)
        } catch {}
      })
    }
  }

  #document(name, nowMs) {
    const document = this.#shelf.documents.get(name)
    return document && nowMs < document.expiresAtMs ? document : undefined
  }
}

const isText = (value, least, most) =>
  typeof value === 'string' &&
  !/\p{Surrogate}/u.test(value) &&
  Buffer.byteLength(value) >= least &&
  Buffer.byteLength(value) <= most

function checkDocument(name, version = 0, text = '', ttlMs = 1) {
  if (!isText(name, 1, 256)) throw new RangeError('name')
  if (!Number.isSafeInteger(version) || version < 0) throw new RangeError('version')
  if (!isText(text, 0, 2 ** 20)) throw new RangeError('text')
  if (!Number.isInteger(ttlMs) || ttlMs < 1 || ttlMs > 31_536_000_000) throw new RangeError('ttlMs')
}
