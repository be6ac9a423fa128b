/** Patches: made on this node, on the cluster's document or this node's layer, and received from other nodes. */

import { AtrionError, ConfigError, ConnectionError } from '../base/errors.js'
import { errorOf, textOfAny } from '../base/host-calls.js'
import type { AtrionEvents } from '../events/events.js'
import type { SharedDocument } from '../providers/provider.js'
import type { SharedDocuments } from '../replication/documents.js'
import type { Verdict } from './canary.js'
import { conflictOf, trialFrom } from './conflict.js'
import {
  isTriedOn,
  type Layer,
  MOST_STANDING,
  pathsOf,
  readLayer,
  requireSize,
  settle,
  type TrailEntry,
  type Trial,
  trialOf,
  withPatch,
  withVerdict,
  writeLayer,
} from './layers.js'
import type { LiveConfig, UpperLayer } from './live.js'
import type { JsonObject } from './merge.js'
import { type CheckedPatch, readPatchOptions } from './options.js'
import { beginTrial, type Running, slowDown } from './running.js'
import type { CanaryOutcome, PatchConflict, PatchOptions, PatchResult } from './types.js'

/** The name of the document that holds the cluster's layer. */
export const DOCUMENT = 'atrion/config'

export interface PatchHost {
  emit<K extends 'patch' | 'rollback' | 'patch_refused'>(name: K, event: AtrionEvents[K]): void
  warn(message: string, context: Record<string, unknown>): void
  /** Monotonic, or the instance's own, ms. */
  spanMs(): number
  /** The judge of a trial that is about to begin. */
  judgeOf(version: number, trial: Trial): (isLast: boolean) => Verdict
  /** @throws ConfigError where nothing can be tried on a share of keys */
  requireKeyTrials(): void
  /** Changes as other nodes may see them: keys as hashes. */
  forOthers(changes: JsonObject): Promise<JsonObject>
  /** Called when there is something new to wait for. */
  arm(): void
}

export class Patches {
  readonly #live: LiveConfig
  readonly #documents: SharedDocuments | undefined
  readonly #providerName: string
  readonly #host: PatchHost
  #running: Running | undefined
  /** Of the last trial that ended here. */
  #evidence: { readonly version: number; readonly text: string } | undefined
  /** The last of what the store had was refused, and that was logged. */
  #isRefusing = false
  /** Callers that wait for the end of a trial, by version. */
  readonly #waiting = new Map<number, (outcome: CanaryOutcome) => void>()

  constructor(live: LiveConfig, documents: SharedDocuments | undefined, providerName: string, host: PatchHost) {
    this.#live = live
    this.#documents = documents
    this.#providerName = providerName
    this.#host = host
    documents?.follow(
      DOCUMENT,
      (document) => this.#receive(document),
      (error) => this.refused('cluster', undefined, undefined, error),
    )
  }

  /** The layer that patches go to unless they say otherwise. */
  get main(): 'cluster' | 'node' {
    return this.#documents === undefined ? 'node' : 'cluster'
  }

  async patch(given: PatchOptions): Promise<PatchResult> {
    const checked = readPatchOptions(given)
    if (checked.canary?.keyShare !== undefined) this.#host.requireKeyTrials()
    const layer = checked.layer ?? this.main
    if (layer === 'node') return this.#onNode(checked)
    if (this.#documents === undefined) {
      throw new ConfigError('layer', "'node', since the provider keeps no documents that nodes share", layer)
    }
    if (!this.#documents.isRunning) throw new ConnectionError(this.#providerName)
    return this.#onCluster(checked, this.#documents)
  }

  #onNode(checked: CheckedPatch): PatchResult {
    const nowMs = this.#live.nowOf('node')
    const before = settle(this.#live.layer('node'), nowMs)
    const conflict = conflictOf(before, checked)
    if (conflict !== undefined) return this.#refuse('node', checked, conflict)
    const next = this.#next(before, checked, nowMs)
    this.#live.check('node', next)
    this.#put('node', next, nowMs)
    return this.#result('node', checked, next)
  }

  async #onCluster(given: CheckedPatch, documents: SharedDocuments): Promise<PatchResult> {
    const checked = { ...given, changes: await this.#host.forOthers(given.changes) }
    let next: Layer | undefined
    let conflict: PatchConflict | undefined
    let writtenMs = 0
    await documents.update(DOCUMENT, (text, nowMs) => {
      this.#live.synchronize('cluster', nowMs)
      writtenMs = nowMs
      const read = this.#readOr(text, nowMs)
      const known = this.#live.layer('cluster')
      // Times that were too far ahead when that version was read the first time have come nearer since.
      const before = settle(read.version === known.version ? known : read, nowMs)
      conflict = conflictOf(before, checked)
      if (conflict !== undefined) return undefined
      next = this.#next(before, checked, nowMs)
      this.#live.check('cluster', next)
      return writeLayer(next)
    })
    if (next === undefined || conflict !== undefined) return this.#refuse('cluster', checked, conflict!)
    if (next.version > this.#live.layer('cluster').version) this.#put('cluster', next, writtenMs)
    return this.#result('cluster', checked, next)
  }

  /** The layer in a text; where a store has lost it, or has something else in its place, the one that this node knows. */
  #readOr(text: string | null, nowMs: number): Layer {
    try {
      return text === null ? this.#live.layer('cluster') : readLayer(text, nowMs)
    } catch {
      return this.#live.layer('cluster')
    }
  }

  /** The layer with a patch more. @throws ConfigError where it is too much */
  #next(before: Layer, { changes, ttlMs, author, reason, canary }: CheckedPatch, nowMs: number): Layer {
    if (before.standing.length >= MOST_STANDING) {
      throw new ConfigError('ttlMs', `one of at most ${MOST_STANDING} patches that expire at once`, ttlMs)
    }
    const next = withPatch(
      before,
      {
        changes,
        node: this.#live.node,
        ...(author !== undefined && { author }),
        ...(reason !== undefined && { reason }),
        ...(ttlMs !== undefined && { expiresAtMs: nowMs + ttlMs }),
        ...(canary && { trial: trialFrom(canary, nowMs) }),
      },
      nowMs,
    )
    requireSize(next)
    return next
  }

  #refuse(layer: 'cluster' | 'node', checked: CheckedPatch, conflict: PatchConflict): PatchResult {
    const { author, reason, changes } = checked
    const paths = pathsOf(changes)
    const by = conflict.since[0]
    const who = by === undefined ? '' : `, by ${by.author ?? 'unknown'}: ${by.paths.join(', ')}`
    const error = new AtrionError(`the configuration is at version ${conflict.version}, not ${conflict.base}${who}`)
    this.#host.emit('patch_refused', { layer, version: undefined, author, reason, paths, error })
    return {
      ...{ status: 'refused', applied: false, version: conflict.version, layer, shared: layer === 'cluster', paths },
      expiresAtMs: undefined,
      conflict,
      settled: async () => 'refused',
    }
  }

  #result(layer: 'cluster' | 'node', { changes, canary, ttlMs }: CheckedPatch, next: Layer): PatchResult {
    const { version } = next
    const expiresAtMs = next.standing.find((patch) => patch.version === version)?.expiresAtMs
    const ended =
      canary === undefined
        ? undefined
        : new Promise<CanaryOutcome>((resolve) => {
            if (this.#waiting.size >= MOST_STANDING) this.#waiting.delete(this.#waiting.keys().next().value!)
            this.#waiting.set(version, resolve)
          })
    return {
      ...{ status: canary === undefined ? 'applied' : 'canary', applied: true, version, layer },
      shared: layer === 'cluster',
      paths: pathsOf(changes),
      expiresAtMs: ttlMs === undefined ? undefined : expiresAtMs,
      conflict: undefined,
      settled: async () => ended ?? 'applied',
    }
  }

  /** Puts a layer in place; the trial in it, where it is one of this node's, begins or ends with it. @throws ConfigError */
  #put(name: 'cluster' | 'node', next: Layer, nowMs: number): void {
    const before = this.#live.layer(name)
    const trial = trialOf(next)
    const isNew = trial !== undefined && this.#running?.patch.version !== trial.version
    const running =
      isNew && isTriedOn(trial, this.#live.node)
        ? beginTrial(name, trial, nowMs, this.#host.spanMs(), this.#host.judgeOf(trial.version, trial.trial!))
        : undefined
    this.#live.put(name, next)
    if (running !== undefined) this.#running = running
    else if (this.#running?.layer === name && trial?.version !== this.#running.patch.version) this.#running = undefined
    this.#announce(name, before, next)
    this.#host.arm()
  }

  /** The time until a trial is to be looked at, ms; Infinity: there is none. */
  get untilLookMs(): number {
    return this.#running === undefined ? Number.POSITIVE_INFINITY : this.#running.nextMs - this.#host.spanMs()
  }

  get isOnTrial(): boolean {
    return this.#running !== undefined
  }

  /** Looks at the trial under way. Never throws. */
  look(): void {
    const running = this.#running
    if (running === undefined) return
    const nowMs = this.#host.spanMs()
    if (nowMs < running.nextMs) return
    running.nextMs = nowMs + running.stepMs
    if (running.isWriting) return
    const isLast = nowMs >= running.endsMs
    const { isBad, evidence } = running.judge(isLast)
    if (isBad || running.isBad) void this.#conclude(running, 'rolled_back', evidence)
    // The node that made the patch ends its trial well; the others can only end it badly.
    else if (isLast && running.patch.node === this.#live.node) void this.#conclude(running, 'applied', evidence)
    // That node is gone, and the patch with it.
    else if (running.patch.trial!.untilMs <= this.#live.nowOf(running.layer)) this.#running = undefined
  }

  async #conclude(running: Running, state: CanaryOutcome, evidence: string): Promise<void> {
    const { layer, patch } = running
    const { version } = patch
    running.evidence ??= evidence
    if (state === 'rolled_back') running.isBad = true
    this.#evidence = { version, text: running.evidence }
    if (layer === 'node' || state === 'rolled_back') {
      // Here it ends at once, whatever becomes of the store.
      const nowMs = this.#live.nowOf(layer)
      const next = withVerdict(this.#live.layer(layer), version, state, nowMs)
      this.#tryPut(layer, layer === 'node' ? next : { ...next, version: this.#live.layer(layer).version }, nowMs)
      if (layer === 'node') return
    }
    this.#running = running
    slowDown(running)
    if (!this.#documents!.isRunning) return
    running.isWriting = true
    try {
      let written: Layer | undefined
      await this.#documents!.update(DOCUMENT, (text, nowMs) => {
        this.#live.synchronize('cluster', nowMs)
        const before = this.#readOr(text, nowMs)
        const isLate = state === 'applied' && patch.trial!.untilMs <= nowMs
        // All nodes have taken it back.
        if (isLate) this.#evidence = { version, text: 'the result could not be stored in time' }
        const next = withVerdict(before, version, isLate ? 'rolled_back' : state, nowMs)
        written = next
        return next === before ? undefined : writeLayer(next)
      })
      if (this.#running === running) this.#running = undefined
      if (written !== undefined) this.#tryPut('cluster', written, this.#live.nowOf('cluster'))
    } catch (error) {
      if (!running.isUnstored) {
        running.isUnstored = true
        this.#host.warn('the result of a trial could not be stored; another attempt follows', {
          error: textOfAny(error),
        })
      }
    } finally {
      running.isWriting = false
      this.#host.arm()
    }
  }

  /** @returns whether the layer fits */
  #tryPut(name: 'cluster' | 'node', layer: Layer, nowMs: number): boolean {
    try {
      this.#put(name, layer, nowMs)
      return true
    } catch (error) {
      this.refused(name, layer.version, layer.trail[0], error)
      return false
    }
  }

  /** Settings that came from elsewhere were refused: those before hold. */
  refused(layer: UpperLayer, version: number | undefined, entry: TrailEntry | undefined, error: unknown): void {
    const cause = errorOf(error)
    this.#host.emit('patch_refused', {
      ...{ layer, version, author: entry?.author, reason: entry?.reason, paths: entry?.paths ?? [], error: cause },
    })
    // A store that is written over and over again does not fill the log.
    if (layer === 'cluster' && this.#isRefusing) return
    this.#isRefusing ||= layer === 'cluster'
    this.#host.warn('settings were refused; those before stay in force', {
      ...{ layer, version, error: textOfAny(error) },
      ...(layer === 'cluster' && { document: DOCUMENT }),
    })
  }

  #receive({ text, nowMs }: SharedDocument): void {
    this.#live.synchronize('cluster', nowMs)
    // A store that lost it takes nothing back.
    if (text === null) return
    try {
      let layer = settle(readLayer(text, nowMs), nowMs)
      const { version } = layer
      if (this.#running?.isBad === true) {
        // It is not tried again because the store does not know yet.
        layer = { ...withVerdict(layer, this.#running.patch.version, 'rolled_back', nowMs), version }
      }
      if (layer.version === this.#live.layer('cluster').version || this.#tryPut('cluster', layer, nowMs))
        this.#isRefusing = false
    } catch (error) {
      this.refused('cluster', undefined, undefined, error)
    }
  }

  /** Reports what is new in a layer's trail. */
  #announce(layer: 'cluster' | 'node', before: Layer, next: Layer): void {
    const known = new Map(before.trail.map(({ version, state }) => [version, state]))
    const changed = next.trail.filter(({ version, state }) => known.get(version) !== state)
    // The trail from before this node came is history, but for its last entry.
    for (const entry of before.version === 0 ? changed.slice(0, 1) : changed.reverse()) this.#report(layer, entry)
    if (this.#waiting.size > 0) for (const { version, state } of next.trail) this.#settle(version, state)
  }

  /** A patch is over, by its time: one on trial had no result until then, and is taken back. */
  ended(layer: UpperLayer, entry: TrailEntry): void {
    this.#evidence = { version: entry.version, text: 'there was no result in time' }
    this.#report(layer, entry)
    this.#settle(entry.version, entry.state)
  }

  #report(layer: UpperLayer, { version, author, reason, paths, state }: TrailEntry): void {
    const event = { layer, version, author, reason, paths }
    if (state === 'rolled_back') {
      const evidence = this.#evidence?.version === version ? this.#evidence.text : 'found by another node'
      this.#host.emit('rollback', { ...event, evidence })
    } else if (state !== 'refused') this.#host.emit('patch', { ...event, state })
  }

  #settle(version: number, state: TrailEntry['state']): void {
    if (state !== 'applied' && state !== 'rolled_back') return
    this.#waiting.get(version)?.(state)
    this.#waiting.delete(version)
  }
}
