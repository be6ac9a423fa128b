/** The way in: what a request says of itself, what the process is short of, and the question. */

import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Atrion } from '../atrion.js'
import { ConfigError } from '../errors.js'
import type { AcquireOptions, Permit, Tier } from '../loop.js'
import type { Arrival } from '../pressure/arrival.js'
import { Pressure } from '../pressure/pressure.js'
import { type AdapterOptions, asked, isTier, sharedRoute, validateAdapterOptions } from './_options.js'

/** What of Node's request is read. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly socket?: Socket | null | undefined
}

/** `acquire` reads its options at once, so that one object serves all requests. */
type Asking = { -readonly [K in keyof AcquireOptions]: AcquireOptions[K] | undefined }

export class Gate<Request, Response> {
  readonly atrion: Atrion
  readonly options: AdapterOptions<Request, Response>
  readonly #pressure: Pressure
  readonly #asking: Asking = {
    tier: undefined,
    voltage: undefined,
    key: undefined,
    queueAgeMs: 0,
    saturation: 0,
  }

  /** @throws ConfigError for an option of the wrong type */
  constructor(atrion: Atrion, options: AdapterOptions<Request, Response> = {}) {
    if (typeof atrion?.acquire !== 'function') throw new ConfigError('atrion', 'an Atrion', atrion)
    if (atrion.engine === 'ts') throw new ConfigError('engine', "'native' or 'wasm', which have the closed loop", 'ts')
    validateAdapterOptions(options)
    this.atrion = atrion
    this.options = options
    this.#pressure = new Pressure(options.pressure, options.signals)
  }

  /** Is this request none of ours? */
  skips(request: Request): boolean {
    const { skip } = this.options
    return skip !== undefined && asked('skip', skip, request, false) === true
  }

  /** The route of a request that `route` was asked for; `pattern` where it was not, or had no answer. */
  routeOf(request: Request, node: NodeRequest, pattern: string | undefined): string {
    const { route } = this.options
    const named = route && asked<Request, string>('route', route, request, '')
    if (typeof named === 'string' && named !== '') return named
    return pattern ?? sharedRoute(node.method)
  }

  /** Asks for a permit. `tierOf` tells afterwards with which tier. */
  enter(routeId: string, request: Request, node: NodeRequest): Permit {
    const asking = this.#asking
    this.#describe(asking, request, node)
    const nowMs = performance.now()
    asking.queueAgeMs = this.#pressure.queueAgeMs(nowMs, node.socket as Arrival | null | undefined)
    asking.saturation = this.#pressure.saturation(nowMs)
    return this.atrion.acquire(routeId, asking as AcquireOptions)
  }

  /** The tier of the request that entered last; undefined when it came with a voltage. */
  get lastTier(): Tier | undefined {
    return this.#asking.voltage === undefined ? (this.#asking.tier ?? 'normal') : undefined
  }

  #describe(asking: Asking, request: Request, node: NodeRequest): void {
    const { tier, key, trustHeaders } = this.options
    asking.voltage = undefined
    const wanted = tier && asked<Request, string | undefined>('tier', tier, request, undefined)
    asking.tier = isTier(wanted) ? wanted : undefined
    const who = key && asked<Request, string | undefined>('key', key, request, undefined)
    asking.key = typeof who === 'string' ? who : undefined
    if (asking.tier !== undefined) return
    const { headers, method } = node
    if (trustHeaders === true) {
      const voltage = headers['x-atrion-voltage']
      if (typeof voltage === 'string' && /^\d{1,9}(\.\d{1,9})?$/.test(voltage)) asking.voltage = Number(voltage)
      const header = headers['x-atrion-tier']
      if (asking.voltage === undefined && isTier(header)) asking.tier = header
      if (asking.voltage !== undefined || asking.tier !== undefined) return
    }
    // A preflight costs next to nothing, and without it the real request would not come at all.
    if (method === 'OPTIONS' && headers['access-control-request-method'] !== undefined) asking.tier = 'critical'
  }
}
