/**
 * The decisions of another configuration on the same requests. A request that it admits and the recorded one refused has no recorded end, so
 * that it is decided twice, for the bounds: such a request is answered well, as fast as half of its route's are, or not at all, twice its
 * deadline later. Between the bounds lies what it does to the others, but for what it makes them wait.
 */

import type { EngineKind } from '../engine/kinds.js'
import { type Engine, FRAME, STATUS } from '../engine/port.js'
import type { RouteProfileOptions } from '../options/options.js'
import type { RouteParams } from '../options/route-params.js'
import { SIZE } from '../recording/format.js'
import { deriveCells } from '../routes/params.js'
import { EventHeap } from '../simulation/event-heap.js'
import type { About, EngineMaker } from './about.js'
import { GarbageError } from './block-reader.js'
import { type Candidate, candidateBase, candidateParams, recordedBase, recordedProfile } from './candidate-file.js'
import type { Companion } from './companion.js'
import { EngineRun, NO_PERMIT_HERE } from './engine-run.js'
import type { Entry } from './entry.js'
import { quantile, type RouteTally, Tally } from './tally.js'

export type Bound = 'best' | 'worst'

/** Requests that the recorded configuration refused and that are under way at once. */
const MOST_ASSUMED = 2 ** 20
const CANNOT_WAIT = -1
const [SUCCESS, FAILURE, IGNORED] = [0, 1, 2]
/** Releases between two looks at a route's latencies. */
const LOOK_EVERY = 256

interface Assumed {
  readonly permit: number
  readonly outcome: number
}

interface Usual {
  ms: number
  seen: number
}

export class CandidateRun implements Companion {
  readonly candidate: Candidate
  readonly bound: Bound
  readonly tally = new Tally()
  readonly #make: EngineMaker
  #run: EngineRun | undefined
  #base: RouteParams | undefined
  readonly #names: string[] = []
  readonly #given: (RouteProfileOptions | undefined)[] = []
  readonly #params: (RouteParams | undefined)[] = []
  /** Slots of routes that have settings of their own. */
  readonly #own = new Set<number>()
  readonly #laws = new Map<string, number>()
  readonly #assumed = new EventHeap<Assumed>()
  readonly #usual = new Map<RouteTally, Usual>()
  /** Asks of requests that wait for their turn: they ask at the recorded times. */
  waited = 0

  constructor(candidate: Candidate, bound: Bound, make: EngineMaker) {
    this.candidate = candidate
    this.bound = bound
    this.#make = make
  }

  get #engine(): EngineRun {
    if (this.#run === undefined) throw new GarbageError('it does not say how it was recorded')
    return this.#run
  }

  about({ engine, maxRoutes, dryRun }: About): void {
    this.#run = new EngineRun(this.#make(engine as EngineKind, maxRoutes))
    if (dryRun) this.#run.engine.setDryRun(true)
  }

  base(value: unknown): void {
    let recorded: RouteParams
    try {
      recorded = recordedBase(value)
    } catch (error) {
      throw new GarbageError(`settings that are none: ${(error as Error).message}`)
    }
    this.#base = candidateBase(this.candidate, recorded)
    this.#engine.engine.defineLaw(deriveCells(this.#base), 0)
    this.#params.length = 0
    // A route with settings of its own keeps the number of its law, whose numbers follow the base.
    for (const slot of this.#own) if (this.#engine.has(slot)) this.setLaw(slot, 0)
  }

  name(slot: number, bytes: number, name: string): void {
    this.#engine.name(slot, bytes)
    this.#names[slot] = name
    this.#given[slot] = undefined
    this.#params[slot] = undefined
  }

  profile(slot: number, profile: unknown): void {
    this.#given[slot] = this.#base && recordedProfile(profile, this.#base)
    this.#params[slot] = undefined
  }

  rare(call: (run: EngineRun) => void): void {
    call(this.#engine)
  }

  /** The requests under way are the recorded ones, from here on. */
  image(image: Uint8Array, nowMs: number): void {
    const slots = this.#engine.image(image)
    if (slots === undefined) return
    while (this.#assumed.size > 0) this.#assumed.pop()
    this.#own.clear()
    for (const slot of slots) this.setLaw(slot, nowMs)
  }

  #paramsOf(slot: number): RouteParams {
    let params = this.#params[slot]
    if (params === undefined) {
      if (this.#base === undefined) throw new GarbageError('it does not say what governed its routes')
      params = candidateParams(this.candidate, this.#base, this.#names[slot] ?? '', this.#given[slot])
      this.#params[slot] = params
    }
    return params
  }

  /** A call that names a profile goes by the recorded law. */
  law(law: number, cells: Float64Array): void {
    if (law !== 0) this.#engine.law(law, cells)
  }

  setLaw(slot: number, nowMs: number): void {
    const params = this.#paramsOf(slot)
    const { engine } = this.#engine
    const here = this.#engine.slotOf(slot, nowMs)
    if (params === this.#base) {
      this.#own.delete(slot)
      engine.setLaw(here, 0)
      return
    }
    this.#own.add(slot)
    const cells = deriveCells(params)
    const key = cells.join()
    let law = this.#laws.get(key)
    if (law === undefined) {
      law = engine.defineLaw(cells)
      if (law < 0) return
      this.#laws.set(key, law)
    }
    engine.setLaw(here, law)
  }

  /** Ends what was assumed to end by now. */
  #settle(nowMs: number): void {
    while (this.#assumed.nextMs <= nowMs) {
      const atMs = this.#assumed.nextMs
      const { permit, outcome } = this.#assumed.pop()
      this.#engine.release(permit, outcome, atMs)
    }
  }

  /** The latency that half of a route's requests stay below, ms, as far as it is recorded. */
  #usualOf(route: RouteTally): number {
    let usual = this.#usual.get(route)
    if (usual === undefined) {
      usual = { ms: 0, seen: -LOOK_EVERY }
      this.#usual.set(route, usual)
    }
    if (route.completed >= usual.seen + LOOK_EVERY || (route.completed > 0 && usual.ms === 0)) {
      usual.seen = route.completed
      usual.ms =
        quantile(
          [...route.latencies].sort((a, b) => a - b),
          0.5,
        ) || 0
    }
    return usual.ms
  }

  #assume(permit: number, entry: Entry, route: RouteTally): void {
    if (this.#assumed.size >= MOST_ASSUMED) {
      this.#engine.release(permit, IGNORED, entry.nowMs)
      return
    }
    const deadlineMs = this.#paramsOf(entry.slot).slo.maxAcceptableLatencyMs
    const isBest = this.bound === 'best'
    const ms = isBest ? this.#usualOf(route) : 2 * deadlineMs
    this.#assumed.push(entry.nowMs + ms, { permit, outcome: isBest ? SUCCESS : FAILURE })
  }

  acquire(entry: Entry, recorded: RouteTally): void {
    this.#settle(entry.nowMs)
    const run = this.#engine
    let frame = run.acquire(entry, entry.waitedMs)
    let status = frame[FRAME.STATUS]!
    if (entry.waitedMs !== CANNOT_WAIT) {
      this.waited += 1
      if (entry.waits) {
        // It asks again later, whatever is decided now.
        if ((status & STATUS.ALLOW) !== 0) run.release(frame[FRAME.PERMIT]!, IGNORED, entry.nowMs)
        return
      }
      if ((status & STATUS.WAIT) !== 0) {
        frame = run.acquire(entry, Number.POSITIVE_INFINITY)
        status = frame[FRAME.STATUS]!
      }
    }
    const isAllowed = (status & STATUS.ALLOW) !== 0
    if (isAllowed) {
      const permit = frame[FRAME.PERMIT]!
      if (permit >= SIZE.MOST_PERMIT) run.hold(entry.place, NO_PERMIT_HERE)
      else if (entry.isAllowed && entry.place >= 0) run.hold(entry.place, permit)
      else this.#assume(permit, entry, recorded)
    } else if (entry.isAllowed) run.hold(entry.place, NO_PERMIT_HERE)
    const route = this.tally.routeOf(recorded.name)
    this.tally.add(route, entry.tier, entry.key, entry.nowMs, isAllowed, entry.isAllowed, frame[FRAME.CAUSE]!)
  }

  release(entry: Entry): void {
    this.#settle(entry.nowMs)
    const run = this.#engine
    if (entry.permit === -1) {
      run.conclude(entry)
      return
    }
    const permit = entry.permit >= 0 ? entry.permit : run.take(entry.place)
    if (permit !== NO_PERMIT_HERE) run.release(permit, entry.outcome, entry.nowMs, entry.excusedMs)
  }

  route(entry: Entry, recorded: RouteTally): void {
    const frame = this.#engine.route(entry, entry.law < 0 ? -1 : this.#engine.lawOf(entry.law))
    const isAllowed = (frame[FRAME.STATUS]! & STATUS.ALLOW) !== 0
    const route = this.tally.routeOf(recorded.name)
    this.tally.add(route, -1, Number.NaN, entry.nowMs, isAllowed, entry.isAllowed, frame[FRAME.CAUSE]!)
  }

  /** The engine's own memory of what is under way. */
  get engine(): Engine {
    return this.#engine.engine
  }
}

/** Several runs beside one replay. */
export class Companions implements Companion {
  readonly #all: readonly Companion[]

  constructor(all: readonly Companion[]) {
    this.#all = all
  }

  about(about: About): void {
    for (const one of this.#all) one.about(about)
  }

  base(params: unknown): void {
    for (const one of this.#all) one.base(params)
  }

  profile(slot: number, profile: unknown): void {
    for (const one of this.#all) one.profile(slot, profile)
  }

  name(slot: number, bytes: number, name: string): void {
    for (const one of this.#all) one.name(slot, bytes, name)
  }

  rare(call: (run: EngineRun) => void): void {
    for (const one of this.#all) one.rare(call)
  }

  law(law: number, cells: Float64Array): void {
    for (const one of this.#all) one.law(law, cells)
  }

  image(image: Uint8Array, nowMs: number): void {
    for (const one of this.#all) one.image(image, nowMs)
  }

  setLaw(slot: number, nowMs: number): void {
    for (const one of this.#all) one.setLaw(slot, nowMs)
  }

  acquire(entry: Entry, route: RouteTally): void {
    for (const one of this.#all) one.acquire(entry, route)
  }

  release(entry: Entry): void {
    for (const one of this.#all) one.release(entry)
  }

  route(entry: Entry, route: RouteTally): void {
    for (const one of this.#all) one.route(entry, route)
  }
}
