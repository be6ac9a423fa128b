// A provider as a user would write one: a store in this process, shared by name, that tells of changes.

const shelves = new Map()

export class ShelfProvider {
  name = 'ShelfProvider'
  #shelf
  #listeners = new Map()

  constructor(shelf) {
    if (!shelves.has(shelf)) shelves.set(shelf, { vectors: new Map(), readers: new Set() })
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
}
