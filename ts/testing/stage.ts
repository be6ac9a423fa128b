/** The stage of a test of the suite: its providers, its route names, and the means to clear both away. */

import type { StateProvider } from '../providers/provider.js'

/** Makes a provider, not yet connected. */
export type ProviderUnderTest = () => StateProvider | Promise<StateProvider>

/** One promise, and what it needs beyond a provider. */
export interface Clause {
  readonly needs?: 'durable'
  readonly run: (stage: Stage) => Promise<void>
}

/** Routes deleted at the same time. */
const AT_ONCE = 100

let stages = 0

export class Stage {
  readonly routes: number
  readonly timeoutMs: number
  /** True when providers see what the others write. */
  readonly shared: boolean
  readonly #make: ProviderUnderTest
  readonly #providers: StateProvider[] = []
  readonly #names = new Set<string>()
  readonly #documents = new Set<string>()
  /** Other tests, processes and earlier runs may use the same store. */
  readonly #mark = `${(stages++).toString(36)}-${Math.random().toString(36).slice(2, 10)}`

  constructor(make: ProviderUnderTest, { routes, timeoutMs, shared }: Pick<Stage, 'routes' | 'timeoutMs' | 'shared'>) {
    this.#make = make
    this.routes = routes
    this.timeoutMs = timeoutMs
    this.shared = shared
  }

  /** A provider that is not connected. */
  async idle(): Promise<StateProvider> {
    const provider = await this.#make()
    this.#providers.push(provider)
    return provider
  }

  /** A provider that is connected. */
  async connected(): Promise<StateProvider> {
    const provider = await this.idle()
    await provider.connect()
    return provider
  }

  /** A route's name that nothing else uses; the same for the same label. */
  name(label = 'route'): string {
    return this.own(`atrion-test ${this.#mark} ${label}`)
  }

  /** Deletes this route in the end. */
  own(routeId: string): string {
    this.#names.add(routeId)
    return routeId
  }

  /** A document's name that nothing else uses; it is gone in the end. */
  document(label = 'document'): string {
    return this.ownDocument(`atrion-test ${this.#mark} ${label}`)
  }

  ownDocument(name: string): string {
    this.#documents.add(name)
    return name
  }

  async clear(): Promise<void> {
    const [provider, ...others] = this.#providers
    if (provider === undefined) return
    try {
      await provider.connect()
      const names = [...this.#names]
      for (let from = 0; from < names.length; from += AT_ONCE) {
        await Promise.all(names.slice(from, from + AT_ONCE).map((routeId) => provider.deleteVector(routeId)))
      }
      for (const name of this.#documents) await expire(provider, name)
    } finally {
      await Promise.all([provider, ...others].map((each) => each.disconnect()))
    }
  }
}

/** Documents have no delete: each is replaced by one that expires at once. */
async function expire(provider: StateProvider, name: string): Promise<void> {
  const { version = 0 } = (await provider.readDocument?.(name)) ?? {}
  if (version !== 0) await provider.writeDocument?.(name, version, '', { ttlMs: 1 })
}
