// Nodes that share one provider, each of which can be cut off from it.
import { InMemoryProvider } from 'atrion'
import { create } from '../_engine.mjs'
import { until } from '../_patience.mjs'

/** One node's way to the provider of all: cut off, its calls fail and no hint comes. */
export class Way {
  name = 'Way'
  isCut = false
  intervalMs = 20
  #provider

  constructor(provider, more = {}) {
    this.#provider = provider
    Object.assign(this, more)
    for (const name of [
      'connect',
      'disconnect',
      'getVector',
      'updateVector',
      'deleteVector',
      'listRoutes',
      'readDocument',
      'writeDocument',
    ]) {
      this[name] = async (...given) => {
        if (this.isCut) throw new Error('cut off')
        return provider[name](...given)
      }
    }
  }

  watchDocuments(callback) {
    return this.#provider.watchDocuments((name) => {
      if (!this.isCut) callback(name)
    })
  }
}

/** So many connected nodes over one provider. */
export async function clusterOf(t, count, { provider = new InMemoryProvider(), of = {}, way = {} } = {}) {
  const ways = Array.from({ length: count }, () => new Way(provider, way))
  const nodes = ways.map((one) => create({ provider: one, ...of }))
  await Promise.all(nodes.map((node) => node.connect()))
  t.teardown(async () => {
    for (const one of ways) one.isCut = false
    await Promise.all(nodes.map((node) => node.disconnect()))
  })
  return { nodes, ways, provider }
}

/** Keeps the process alive until a promise has settled: nothing of an instance does. */
export const awaited = (promise) => {
  const timer = setInterval(() => {}, 1_000)
  return promise.finally(() => clearInterval(timer))
}

/** Resolves with the next event that is wanted. */
export const eventOf = (atrion, name, wanted = () => true) => awaited(nextOf(atrion, name, wanted))

const nextOf = (atrion, name, wanted) =>
  new Promise((resolve) => {
    const stop = atrion.on(name, (event) => {
      if (!wanted(event)) return
      stop()
      resolve(event)
    })
  })

/** A patch on the version that a node knows. */
export const patch = (atrion, changes, more) =>
  atrion.patch({ base: atrion.config.current().versions[more?.layer ?? 'cluster'], changes, ...more })

export { until }

/** A request of the key: true if a ban refuses it. */
export const isBanned = (atrion, key, routeId = 'r') => {
  const permit = atrion.acquire(routeId, { key })
  permit.release()
  return permit.limitedBy === 'ban'
}
