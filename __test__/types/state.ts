/** Providers of shared state: the one that comes with the package, and a host's own. */
import assert from 'node:assert/strict'
import { Atrion, InMemoryProvider, type PhysicsVector, type StateProvider } from 'atrion'

class Shelf implements StateProvider {
  readonly name = 'shelf'
  readonly #vectors = new Map<string, PhysicsVector>()
  async connect(): Promise<void> {}
  async disconnect(): Promise<void> {}
  async getVector(routeId: string): Promise<PhysicsVector | null> {
    return this.#vectors.get(routeId) ?? null
  }
  async updateVector(routeId: string, vector: PhysicsVector): Promise<void> {
    this.#vectors.set(routeId, vector)
  }
  async deleteVector(routeId: string): Promise<void> {
    this.#vectors.delete(routeId)
  }
  async listRoutes(): Promise<string[]> {
    return [...this.#vectors.keys()]
  }
  subscribe(_routeId: string, _told: (vector: PhysicsVector) => void): () => void {
    return () => {}
  }
}

/** `subscribe` may be left out. */
const silent: StateProvider = {
  name: 'silent',
  connect: async () => {},
  disconnect: async () => {},
  getVector: async () => null,
  updateVector: async () => {},
  deleteVector: async () => {},
  listRoutes: async () => [],
}

async function keep(provider: StateProvider): Promise<void> {
  const vector: PhysicsVector = { scar: 1, momentumScalar: 0.5, lastTick: 1000, resistance: 12 }
  await provider.connect()
  await provider.updateVector('a', vector)
  const kept: PhysicsVector | null = await provider.getVector('a')
  if (provider !== silent) assert.deepEqual(kept, vector)
  assert.ok((await provider.listRoutes()).length <= 1)
  await provider.deleteVector('a')
  assert.equal(await provider.getVector('a'), null)
  const stop: (() => void) | undefined = provider.subscribe?.('a', (vector: PhysicsVector) =>
    assert.ok(vector.scar >= 0),
  )
  stop?.()
  await provider.disconnect()
  assert.equal(new Atrion({ engine: 'ts', provider }).providerName, provider.name)
}

for (const provider of [new InMemoryProvider(), new InMemoryProvider({ maxRoutes: 10 }), new Shelf(), silent]) {
  void keep(provider)
}
