// A custom store, as a user would write it, that records its calls.

export class RecordingProvider {
  name = 'RecordingProvider'
  vectors = new Map()
  calls = []

  async connect() {
    this.calls.push(['connect'])
  }

  async disconnect() {
    this.calls.push(['disconnect'])
  }

  async getVector(routeId) {
    this.calls.push(['getVector', routeId])
    return this.vectors.get(routeId) ?? null
  }

  async updateVector(routeId, vector) {
    this.calls.push(['updateVector', routeId])
    this.vectors.set(routeId, vector)
  }

  async deleteVector(routeId) {
    this.calls.push(['deleteVector', routeId])
    this.vectors.delete(routeId)
  }

  async listRoutes() {
    this.calls.push(['listRoutes'])
    return [...this.vectors.keys()]
  }

  /** Routes that were updated, in the order of the calls. */
  get updated() {
    return this.calls.filter(([method]) => method === 'updateVector').map(([, routeId]) => routeId)
  }

  countOf(method) {
    return this.calls.filter(([name]) => name === method).length
  }
}

/** A promise and what settles it. */
export const deferred = () => {
  let settle
  const promise = new Promise((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}
