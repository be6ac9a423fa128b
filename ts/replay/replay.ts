/** Replay: the decisions of a recording made again, each compared with the recorded one. */

import { isAtrionError } from '../base/errors.js'
import { FRAME, STATE, STATUS } from '../engine/port.js'
import { digestOf, SIZE, wordsOf } from '../recording/format.js'
import { type About, type EngineMaker, requireAbout } from './about.js'
import { GarbageError } from './block-reader.js'
import { Blocks, RecordingError, type Source } from './blocks.js'
import type { Companion } from './companion.js'
import { Decoder } from './decoder.js'
import { EngineRun, MOST_PLACES, NO_PERMIT_HERE, Numbers } from './engine-run.js'
import type { Entry, Handler } from './entry.js'
import type { Doubt, ReplayResult } from './result.js'
import { type RouteTally, Tally } from './tally.js'

/** The doubts that an image ends: all that the decisions after it depend on is known again. */
const CURED: readonly Doubt[] = ['began late', 'blocks were dropped', 'ring', 'reports of other nodes', 'stalls']
/** Once looked up: a name of another chunk is a getter. */
const digest = digestOf
const BITS = STATUS.ALLOW | STATUS.TICKED | STATUS.STALE | STATUS.WAIT
const UNNAMED = 'a route without a name'

export class Replay implements Handler {
  readonly #make: EngineMaker
  readonly #companion: Companion | undefined
  #run: EngineRun | undefined
  #about: About | undefined
  #frame: Float64Array = new Float64Array()
  #words: Int32Array = new Int32Array()
  readonly #doubts = new Set<Doubt>()
  /** Doubts that decisions met. */
  readonly #met = new Set<Doubt>()
  readonly tally = new Tally()
  readonly #routes: (RouteTally | undefined)[] = []
  /** The time at which the permit of a place was granted, ms, and its route. */
  readonly #admittedMs = new Numbers(Number.NaN, MOST_PLACES)
  readonly #admittedOn: (RouteTally | undefined)[] = []
  decisions = 0
  certain = 0
  equal = 0
  equalDoubtful = 0
  asks = 0
  dropped = 0
  firstDifference: string | undefined

  constructor(make: EngineMaker, companion?: Companion) {
    this.#make = make
    this.#companion = companion
  }

  /** Replays blocks until their end or their damage. */
  all(source: Source): ReplayResult {
    const started = performance.now()
    const blocks = new Blocks(source)
    const decoder = new Decoder(this)
    let at = blocks.at
    let sequence = -1
    for (let block = blocks.next(); block !== undefined; block = blocks.next()) {
      if (this.#about !== undefined && (block.droppedBefore > 0 || block.sequence !== sequence + 1)) {
        this.#doubts.add(this.#about.isRing ? 'ring' : 'blocks were dropped')
      }
      sequence = block.sequence
      this.dropped += block.droppedBefore
      try {
        decoder.decode(block)
      } catch (error) {
        // An engine may find out late that a law is none.
        if (!(error instanceof GarbageError || isAtrionError(error))) throw error
        blocks.stop(`a block holds what no recording holds: ${error.message}`, at)
        break
      }
      at = blocks.at
    }
    const about = this.#about
    const { damage } = blocks
    if (about === undefined) {
      throw new RecordingError(
        damage === undefined ? 'the recording is empty' : `nothing of the recording can be read: ${damage.cause}`,
      )
    }
    return {
      coverage: {
        about,
        bytes: source.length,
        decisions: this.decisions,
        dropped: this.dropped,
        damage,
        certain: this.certain,
        doubts: [...new Set([...this.#met, ...this.#doubts])],
        asks: this.asks,
      },
      equal: this.equal,
      equalDoubtful: this.equalDoubtful,
      firstDifference: this.firstDifference,
      tally: this.tally,
      seconds: (performance.now() - started) / 1000,
    }
  }

  get #engine(): EngineRun {
    if (this.#run === undefined) throw new GarbageError('it does not say how it was recorded')
    return this.#run
  }

  about(value: unknown): void {
    const about = requireAbout(value)
    // Written again after blocks were lost.
    if (this.#about !== undefined) return
    this.#about = about
    this.#run = new EngineRun(this.#make(about.engine, about.maxRoutes))
    if (about.dryRun) this.#run.engine.setDryRun(true)
    if (about.isShared) this.#doubts.add('shared engine')
    else if (!about.isWhole) this.#doubts.add('began late')
    if (about.sample < 1) this.#doubts.add('sampled')
    this.#companion?.about(about)
  }

  base(params: unknown): void {
    this.#companion?.base(params)
  }

  name(slot: number, bytes: number, name: string): void {
    this.#engine.name(slot, bytes)
    this.#routes[slot] = this.tally.routeOf(name)
    this.#companion?.name(slot, bytes, name)
  }

  profile(slot: number, profile: unknown): void {
    this.#companion?.profile(slot, profile)
  }

  #both(call: (run: EngineRun) => void): void {
    call(this.#engine)
    this.#companion?.rare(call)
  }

  intern(slot: number, nowMs: number): void {
    this.#both((run) => run.intern(slot, nowMs))
  }

  remove(slot: number, nowMs: number): void {
    this.#both((run) => run.remove(slot, nowMs))
  }

  law(law: number, cells: Float64Array): void {
    this.#engine.law(law, cells)
    this.#companion?.law(law, cells)
  }

  setLaw(slot: number, law: number, nowMs: number): void {
    this.#engine.setLaw(slot, law, nowMs)
    this.#companion?.setLaw(slot, nowMs)
  }

  state(slot: number, cells: Float64Array, nowMs: number): void {
    this.#both((run) => run.state(slot, cells, nowMs))
  }

  known(slot: number, hasLimiter: boolean, cells: Float64Array, nowMs: number): void {
    if (hasLimiter) this.#doubts.add('began late')
    this.#both((run) => {
      run.intern(slot, nowMs)
      run.state(slot, cells, nowMs)
    })
    this.#engine.setLaw(slot, cells[STATE.LAW]!, nowMs)
    this.#companion?.setLaw(slot, nowMs)
  }

  share(slot: number, cells: Float64Array, nowMs: number): void {
    this.#both((run) => run.share(slot, cells, nowMs))
  }

  inherit(slot: number, taken: boolean, cells: Float64Array, nowMs: number): void {
    this.#both((run) => run.inherit(slot, taken, cells, nowMs))
  }

  scar(slot: number, ohms: number, nowMs: number): void {
    this.#both((run) => run.scar(slot, ohms, nowMs))
  }

  lease(slot: number, taken: boolean, nowMs: number): void {
    this.#both((run) => run.lease(slot, taken, nowMs))
  }

  order(slot: number, order: number, nowMs: number): void {
    this.#both((run) => run.order(slot, order, nowMs))
  }

  dryRun(dryRun: boolean): void {
    this.#both((run) => run.engine.setDryRun(dryRun))
  }

  used(times: number): void {
    this.#both((run) => run.used(times))
  }

  image(image: Uint8Array, nowMs: number): void {
    const isTaken = this.#engine.image(image) !== undefined
    this.#companion?.image(image, nowMs)
    if (isTaken) for (const doubt of CURED) this.#doubts.delete(doubt)
  }

  peers(): void {
    this.#doubts.add('reports of other nodes')
  }

  stall(sinceMs: number, untilMs: number): void {
    if (!this.#engine.stall(sinceMs, untilMs)) this.#doubts.add('stalls')
    this.#companion?.rare((run) => run.stall(sinceMs, untilMs))
  }

  tooManyStalls(): void {
    this.#doubts.add('stalls')
  }

  fault(): void {
    this.#doubts.add('the engine failed')
  }

  #look(run: EngineRun): Float64Array {
    const { frame } = run.engine
    if (frame !== this.#frame) {
      this.#frame = frame
      this.#words = wordsOf(frame)
    }
    return frame
  }

  #routeAt(slot: number): RouteTally {
    this.#routes[slot] ??= this.tally.routeOf(UNNAMED)
    return this.#routes[slot]
  }

  /** The digest of the frame's R, voltage and Retry-After, as a recording has it. */
  #digest(): number {
    return digest(
      this.#words,
      FRAME.RESISTANCE * SIZE.WORDS,
      FRAME.VOLTAGE * SIZE.WORDS,
      FRAME.RETRY_AFTER_MS * SIZE.WORDS,
    )
  }

  /** Counts whether a decision came out as it was recorded. */
  #compare(isEqual: boolean, entry: Entry, what: string): void {
    this.decisions += 1
    if (this.#doubts.size > 0) {
      for (const doubt of this.#doubts) this.#met.add(doubt)
      if (isEqual) this.equalDoubtful += 1
      return
    }
    this.certain += 1
    if (isEqual) this.equal += 1
    else this.firstDifference ??= `decision ${this.decisions}, ${what} at ${entry.nowMs} ms`
  }

  acquire(entry: Entry): void {
    const run = this.#engine
    if (!run.engine.hasClosedLoop) {
      const { kind } = run.engine
      if (this.#about?.engine === kind) throw new GarbageError(`a permit on engine '${kind}'`)
      throw new RecordingError(`the recording has permits, and engine '${kind}' has none: --engine native or wasm`)
    }
    run.acquire(entry, entry.waitedMs)
    const frame = this.#look(run)
    const status = frame[FRAME.STATUS]! & BITS
    const recorded =
      (entry.isAllowed ? STATUS.ALLOW : 0) |
      (entry.isTicked ? STATUS.TICKED : 0) |
      (entry.isStale ? STATUS.STALE : 0) |
      (entry.waits ? STATUS.WAIT : 0)
    const isEqual =
      status === recorded &&
      frame[FRAME.MODE] === entry.mode &&
      frame[FRAME.CAUSE] === entry.cause &&
      this.#digest() === entry.digest
    const isAllowedHere = (status & STATUS.ALLOW) !== 0
    if (isAllowedHere) {
      const permit = frame[FRAME.PERMIT]!
      if (entry.isAllowed && permit < SIZE.MOST_PERMIT) run.hold(entry.place, permit)
      else run.release(permit, 2, entry.nowMs)
    } else if (entry.isAllowed) run.hold(entry.place, NO_PERMIT_HERE)
    const route = this.#routeAt(entry.slot)
    this.#compare(isEqual, entry, 'a permit')
    if (entry.isStale) return
    this.#companion?.acquire(entry, route)
    if (entry.waits) {
      this.asks += 1
      return
    }
    if (entry.isAllowed && entry.place >= 0 && entry.place < MOST_PLACES) {
      this.#admittedMs.set(entry.place, entry.nowMs)
      this.#admittedOn[entry.place] = route
    }
    this.tally.add(route, entry.tier, entry.key, entry.nowMs, entry.isAllowed, entry.isAllowed, entry.cause)
  }

  release(entry: Entry): void {
    const run = this.#engine
    if (entry.permit === -1) {
      run.conclude(entry)
      this.#companion?.release(entry)
      return
    }
    // One that was granted before the image that was taken over has its own number.
    if (entry.place < 0 && !run.hasImage) return
    const permit = entry.place < 0 ? entry.permit : run.take(entry.place)
    if (entry.place < 0) entry.place = entry.permit % SIZE.PLACES
    if (permit !== NO_PERMIT_HERE) run.release(permit, entry.outcome, entry.nowMs, entry.excusedMs)
    if (entry.excusedMs > 0 && run.engine.loop === undefined) this.#doubts.add('stalls')
    const route = this.#admittedOn[entry.place]
    if (route !== undefined) {
      this.#admittedOn[entry.place] = undefined
      if (entry.outcome === 0 || entry.outcome === 1) {
        route.completed += 1
        if (entry.outcome === 1) route.failed += 1
        route.addLatency(entry.nowMs - this.#admittedMs.get(entry.place) - entry.excusedMs)
      }
    }
    this.#companion?.release(entry)
  }

  route(entry: Entry): void {
    const run = this.#engine
    run.route(entry, entry.law < 0 ? -1 : run.lawOf(entry.law))
    const frame = this.#look(run)
    const status = frame[FRAME.STATUS]!
    const isEqual =
      ((status & STATUS.ALLOW) !== 0) === entry.isAllowed &&
      ((status & STATUS.STALE) !== 0) === entry.isStale &&
      frame[FRAME.MODE] === entry.mode &&
      this.#digest() === entry.digest
    this.#compare(isEqual, entry, 'a tick')
    if (entry.isStale) return
    const route = this.#routeAt(entry.slot)
    this.#companion?.route(entry, route)
    this.tally.add(route, -1, Number.NaN, entry.nowMs, entry.isAllowed, entry.isAllowed, entry.cause)
  }

  row(entry: Entry, status: number): void {
    const batch = this.#engine.row(entry)
    const words = wordsOf(batch)
    const isEqual = batch[2] === entry.mode && batch[3] === status && (words[2]! ^ words[3]!) === entry.digest
    this.#compare(isEqual, entry, 'a row of a batch')
    const route = this.#routeAt(entry.slot)
    this.tally.add(route, -1, Number.NaN, entry.nowMs, entry.mode !== 2, entry.mode !== 2, 0)
  }
}
