/** The way in: reads a request, measures what the process is short of, and asks for a permit. */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { own } from '../base/own.js'
import { ADAPTER_PORT, type AdapterPort } from '../limiter/adapter-port.js'
import type { AcquireOptions, Permit } from '../limiter/types.js'
import type { Arrival } from '../pressure/arrival.js'
import { Pressure } from '../pressure/pressure.js'
import {
  type AcquireParams,
  acquire,
  acquireAgain,
  enter,
  GONE,
  streamsSpent,
  type TrackerHost,
} from './_acquire-params.js'
import { AnswerStyles } from './_answer-style.js'
import { isClosed, whenClosed } from './_closed.js'
import { deferContinue, deferContinueOnHttp2 } from './_continue.js'
import { isExempt, NONE_EXEMPT } from './_exempt.js'
import { sharedRoute } from './_method.js'
import { type AdapterOptions, adapterOptionsOf, DEFAULT_MAX_STREAMS, DEFAULT_MAX_WAIT_MS } from './_options.js'
import { isThenable } from './_resolve.js'
import { noteRefused, ResponseTracker, trackerOf } from './_response-tracker.js'
import { type AdapterRouteOptions, type Answers, answersOf, over } from './_route-options.js'
import { hasRoom, isUpgrade, openStream } from './_stream.js'
import { priorityOf } from './_tier-headers.js'
import { hasFakedTimers, nowMs } from './_timers.js'
import type { Connection } from './_upgrade.js'

/** The fields of Node's request that are read. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly socket?: Socket | null | undefined
}

/** Both sides of a request, as its framework and as Node have them. */
export interface Crossing<Request> {
  readonly request: Request
  readonly node: IncomingMessage
  readonly response: ServerResponse
  /** The framework's own pattern, where it has one. */
  readonly pattern: () => string | undefined
  /** Options of the route that the request is going to come to. */
  readonly own?: AdapterRouteOptions<Request> | undefined
}

export class Gate<Request, Response> implements TrackerHost {
  readonly atrion: Atrion
  readonly options: AdapterOptions<Request, Response>
  readonly maxStreams: number
  readonly #maxWaitMs: number
  readonly #pressure: Pressure
  /** The guard's options with those of a route over them, by the latter. */
  readonly #combined = new WeakMap<object, AdapterRouteOptions<Request>>()
  readonly #exempt: AdapterPort['exempt']
  readonly #styles: AnswerStyles

  /** @throws ConfigError for an option that is unknown, of the wrong type or out of its range */
  constructor(atrion: Atrion, given: AdapterOptions<Request, Response> = {}) {
    if (typeof atrion?.acquire !== 'function') throw new ConfigError('atrion', 'an Atrion', atrion)
    if (atrion.engine === 'ts') throw new ConfigError('engine', "'native' or 'wasm', which have the closed loop", 'ts')
    const options = adapterOptionsOf(given)
    this.atrion = atrion
    this.options = options
    this.maxStreams = options.maxStreams ?? DEFAULT_MAX_STREAMS
    this.#maxWaitMs = options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS
    this.#styles = new AnswerStyles(atrion, options)
    this.#exempt = (atrion as Partial<Atrion>)[ADAPTER_PORT]?.exempt ?? NONE_EXEMPT
    this.#pressure = new Pressure(options.pressure, options.signals)
    deferContinue()
  }

  /** Reads a request; undefined where it is not guarded. Never rejects, and never throws. */
  ask(
    request: Request,
    node: NodeRequest,
    own?: AdapterRouteOptions<Request>,
  ): AcquireParams | undefined | Promise<AcquireParams | undefined> {
    if (this.#exempt.size > 0 && isExempt(this.#exempt, request, node)) return undefined
    const answers = answersOf(this.#optionsWith(own), request)
    if (!isThenable(answers)) return this.#params(node, answers as Answers | undefined)
    return (answers as Promise<Answers | undefined>).then((given) => this.#params(node, given))
  }

  #optionsWith(own: AdapterRouteOptions<Request> | undefined): AdapterRouteOptions<Request> {
    if (own === undefined) return this.options
    let all = this.#combined.get(own)
    if (all === undefined) {
      all = over<AdapterRouteOptions<Request>>(this.options, own)
      this.#combined.set(own, all)
    }
    return all
  }

  /** Asks for a permit. Never rejects, and never throws. */
  enter(
    routeId: string,
    params: AcquireParams,
    node: NodeRequest,
    response?: ServerResponse,
    maxWaitMs = this.#maxWaitMs,
  ): Permit | Promise<Permit> {
    const options = this.#optionsOf(params, node)
    if (maxWaitMs <= 0) return acquire(this.atrion, routeId, options)
    // A client that goes away gives up its turn.
    const listen = response && ((abort: (reason: unknown) => void) => whenClosed(response, () => abort(GONE)))
    return enter(this.atrion, routeId, options, maxWaitMs, listen)
  }

  /** Notes in which style a refusal is to be answered. */
  dress(permit: Permit, routeId: string | undefined): Permit {
    return this.#styles.dress(permit, routeId)
  }

  again(routeId: string, params: AcquireParams): Permit {
    const permit = acquireAgain(this.atrion, routeId, params)
    return permit.allow ? permit : this.dress(permit, routeId)
  }

  /**
   * Takes a request in: one permit, whatever guards of this instance it passes.
   *
   * @param go what comes next; without a tracker where the request is not guarded
   * @param refuse what answers a request that is shed
   */
  pass<T>(
    crossing: Crossing<Request>,
    go: (tracker: ResponseTracker | undefined) => T,
    refuse: (permit: Permit) => T,
  ): T | Promise<T> {
    const params = this.ask(crossing.request, crossing.node, crossing.own)
    if (isThenable(params)) {
      return (params as Promise<AcquireParams | undefined>).then((answer) => this.#arrive(crossing, answer, go, refuse))
    }
    return this.#arrive(crossing, params as AcquireParams | undefined, go, refuse)
  }

  #arrive<T>(
    crossing: Crossing<Request>,
    params: AcquireParams | undefined,
    go: (tracker: ResponseTracker | undefined) => T,
    refuse: (permit: Permit) => T,
  ): T | Promise<T> {
    const { node, response, pattern, own } = crossing
    if (params === undefined) {
      // A guard before this one did not know that the route is not guarded.
      if (own?.skip !== undefined) trackerOf(node, this)?.dismiss()
      return go(undefined)
    }
    const turnAway = (permit: Permit): T => {
      noteRefused(node, permit)
      return refuse(this.dress(permit, known))
    }
    if (node.httpVersionMajor === 2) deferContinueOnHttp2(response)
    const known = params.route ?? pattern()
    const outer = trackerOf(node, this)
    if (outer !== undefined) {
      outer.foreseen ??= own as AdapterRouteOptions<unknown> | undefined
      const refusal = outer.refine(known, params)
      return refusal === undefined ? go(outer) : turnAway(refusal)
    }
    const routeId = known ?? sharedRoute(node.method)
    const isStream = isUpgrade(node) || params.isStream
    if (isStream && !hasRoom(this.atrion, routeId, this.maxStreams)) return turnAway(this.spent(routeId, params))
    const goIn = (permit: Permit): T => {
      if (!permit.allow) return turnAway(permit)
      const tracker = new ResponseTracker(this, routeId, permit, params, node, response, isStream)
      tracker.foreseen = own as AdapterRouteOptions<unknown> | undefined
      return go(tracker)
    }
    const permit = this.enter(routeId, params, node, response, own?.maxWaitMs)
    if (!isThenable(permit)) return goIn(permit as Permit)
    return (permit as Promise<Permit>).then((given) => {
      if (!given.allow || !isClosed(response)) return goIn(given)
      // The client did not wait: nothing is done for it.
      given.release('ignored')
      return refuse(given)
    })
  }

  /** Counts a connection that leaves HTTP as one of its route's streams; false where their budget is spent. Never throws. */
  passUpgrade(request: Request, node: NodeRequest, connection: Connection): boolean {
    const { stream } = connection
    const count = (params: AcquireParams | undefined): boolean => {
      if (params === undefined || stream.destroyed) return true
      const routeId = params.route ?? sharedRoute(node.method)
      const close = openStream(this.atrion, routeId, this.maxStreams)
      if (close === undefined) {
        this.spent(routeId, params)
        return false
      }
      // A client that has gone may leave its half open for ever.
      stream.once('end', close).once('close', close)
      return true
    }
    const params = this.ask(request, node)
    if (!isThenable(params))
      return count(params as AcquireParams | undefined)
      // The work of the application's listener meanwhile cannot be taken back.
    ;(params as Promise<AcquireParams | undefined>).then((answer) => count(answer) || stream.destroy())
    return true
  }

  spent(routeId: string, { tier }: AcquireParams): Permit {
    return streamsSpent(this.atrion, routeId, tier, this.maxStreams)
  }

  #params(node: NodeRequest, answers: Answers | undefined): AcquireParams | undefined {
    if (answers === undefined) return undefined
    const { route, key, isStream, share } = answers
    let { tier } = answers
    let voltage: number | undefined
    if (tier === undefined) {
      const { headers, method } = node
      ;({ tier, voltage } = priorityOf((name) => own(headers, name), this.options))
      // A preflight costs next to nothing, and without it the real request would not come at all.
      const isUnnamed = tier === undefined && voltage === undefined
      if (isUnnamed && method === 'OPTIONS' && own(headers, 'access-control-request-method') !== undefined)
        tier = 'critical'
    }
    return { route, tier, voltage, key, isStream, share }
  }

  #optionsOf({ tier, voltage, key }: AcquireParams, node: NodeRequest): AcquireOptions {
    const now = nowMs()
    const socket = node.socket as Arrival | null | undefined
    // With a faked `setImmediate` the clock of the event loop stands still.
    const queueAgeMs = hasFakedTimers() ? 0 : this.#pressure.queueAgeMs(now, socket)
    return { tier, voltage, key, queueAgeMs, saturation: this.#pressure.saturation(now) } as AcquireOptions
  }
}
