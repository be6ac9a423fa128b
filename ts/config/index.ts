/** The live configuration of an instance, as its owner uses it; made with the first patch, or with a provider of documents. */

import { AtrionError, ConfigError } from '../base/errors.js'
import { wrongType } from '../base/input.js'
import type { Context } from '../context.js'
import { ORDER, TIERS } from '../engine/port.js'
import type { KeyTrial } from '../limiter/key-trial.js'
import type { Metrics } from '../limiter/metrics.js'
import type { SharedDocuments } from '../replication/documents.js'
import type { SetAside } from './aside.js'
import { judgeGroups, NO_TOTALS, TrialWatch, totalsOf, type Verdict } from './canary.js'
import { SettingsTrial } from './key-trial.js'
import { LiveConfig, namesOf, type Settable, valueInParams } from './live.js'
import type { Json, JsonObject } from './merge.js'
import { Patches } from './patches.js'
import { type SourceHost, subscribeTo, watchFile } from './sources.js'
import type {
  ConfigAuditEntry,
  ConfigExplanation,
  ConfigSource,
  CurrentConfig,
  PatchOptions,
  PatchResult,
  WatchFileOptions,
} from './types.js'
import { readSettings } from './validate.js'

/** Samples of the tiers' success are taken so often, ms. */
const SAMPLE_MS = 5_000
/** The longest that a timer sleeps, ms: stores' clocks are set meanwhile. */
const MOST_SLEEP_MS = 60_000
const ORDERS = { [ORDER.NONE]: null, [ORDER.OPEN]: 'open', [ORDER.CLOSED]: 'closed' } as const

/** The parts of an instance that its configuration needs. */
export interface ConfigHost {
  readonly node: string
  readonly providerName: string
  readonly documents: SharedDocuments | undefined
  readonly dryRun: {
    readonly isDryRun: boolean
    readonly codeDryRun: boolean
    orderDryRun(dryRun: boolean | undefined): void
  }
  metrics(): Metrics
  /** Requests of a share of keys are decided otherwise from now on; undefined: none are. Never throws. */
  tryOnKeys(trial: KeyTrial | undefined): void
  /** Places may have become free. */
  freed(): void
  /** The allow-list of bans; undefined: there is none. Never throws. */
  allow(list: readonly Json[] | undefined): void
  /** An allow-list without keys in clear. */
  hashed(list: readonly Json[]): Promise<readonly Json[]>
}

/** The live configuration: `atrion.config`. */
export class Config {
  readonly #context: Context
  readonly #live: LiveConfig
  readonly #patches: Patches
  readonly #watch: TrialWatch
  readonly #sources = new Set<() => void>()
  #allowed: readonly Json[] | undefined
  #keyTrial: SettingsTrial | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #nextMs = Number.POSITIVE_INFINITY
  #sampledMs = Number.NEGATIVE_INFINITY
  /** Patches are made here: then there are to be samples that a trial is measured against. */
  #isUsed = false

  /** @internal */
  constructor(context: Context, host: ConfigHost) {
    const { clock, events, logger } = context
    this.#context = context
    this.#live = new LiveConfig(this.#settable(host), host.node, () => clock.nowMs())
    this.#watch = new TrialWatch(() => totalsOf(host.metrics()))
    this.#patches = new Patches(this.#live, host.documents, host.providerName, {
      emit: (name, event) => events.emit(name, event),
      warn: (message, details) => logger.warn(message, details),
      spanMs: () => clock.spanMs(),
      forOthers: async (changes) => {
        const { bans } = changes
        const allow = (bans as JsonObject | undefined)?.allow
        return Array.isArray(allow) ? { ...changes, bans: { allow: await host.hashed(allow) } } : changes
      },
      judgeOf: (version, { keyShare, fallPoints }) =>
        keyShare === undefined ? this.#watch.begin(fallPoints) : this.#judgeKeys(version, fallPoints),
      requireKeyTrials: () => {
        if (context.routes.isShared) {
          throw new ConfigError(
            'canary.keyShare',
            'a trial on an engine that no other thread decides by',
            'a shared engine',
          )
        }
      },
      arm: () => this.#arm(),
    })
    context.routes.onCode = (error) => {
      this.#setAside(this.#live.refit(error === undefined), error)
    }
    clock.follow((nowMs) => {
      if (nowMs >= this.#nextMs) this.#work()
    })
    this.#arm()
  }

  /** Patches are going to be made here. @internal */
  use(): this {
    if (!this.#isUsed) {
      this.#isUsed = true
      this.#arm()
    }
    return this
  }

  /** Ends its sources, and its samples until it is used again. Patches that expire still do. @internal */
  close(): void {
    this.#isUsed = false
    for (const stop of [...this.#sources]) stop()
    this.#arm()
  }

  /** The version of what patches go to: the base of the next one. 0: nothing was patched yet. */
  get version(): number {
    return this.#live.layer(this.#patches.main).version
  }

  /** Copies of the settings that the layers above the code come to on this node, and the layers' versions. */
  current(): CurrentConfig {
    return this.#live.current(this.#patches.main)
  }

  /**
   * Explains a setting: the value that holds, and the value in each layer that has one.
   *
   * @param path as `slo.maxAcceptableLatencyMs`, `routes.GET /users/:id.limits.max`, `overrides.GET /users/:id`, `dryRun`, `bans.allow`,
   *   or its names in an array
   * @throws TypeError for what is no path
   */
  explain(path: string | readonly string[]): ConfigExplanation {
    const names = namesOf(path)
    if (names === undefined || names.length === 0) throw wrongType('path', 'a string or an array of names', path)
    return this.#live.explain(names)
  }

  /** The trail of patches, files and trials, the newest first: at most 100 entries of each layer. */
  audit(): ConfigAuditEntry[] {
    return this.#live.audit()
  }

  /**
   * Takes the file's layer from a file, and again whenever it is replaced. A file that cannot be read, or holds what does not fit, changes
   * nothing: 'patch_refused' tells of it. Does not keep the process alive.
   *
   * @returns a function that ends it; what was read last still holds
   * @throws (rejects) what the first reading throws, ConfigError among it, DependencyError where the package `yaml` is missing
   */
  async watchFile(path: string, options: WatchFileOptions = {}): Promise<() => void> {
    return this.#kept(await watchFile(path, options, this.#sourceHost()))
  }

  /**
   * Takes the file's layer from a source: each value that it gives replaces the one before.
   *
   * @returns a function that ends it; what came last still holds
   * @throws TypeError for what is no source
   */
  subscribe(source: ConfigSource): () => void {
    return this.#kept(subscribeTo(source, this.#sourceHost()))
  }

  /** @internal */
  patch(options: PatchOptions): Promise<PatchResult> {
    return this.#patches.patch(options)
  }

  #kept(end: () => void): () => void {
    const stop = (): void => {
      if (this.#sources.delete(stop)) end()
    }
    this.#sources.add(stop)
    return stop
  }

  #sourceHost(): SourceHost {
    return {
      replace: (settings, origin) => {
        const { version, paths, reason } = this.#live.replaceFile(readSettings(settings), {
          reason: origin.slice(0, 280),
        })
        this.#context.events.emit('patch', {
          ...{ layer: 'file', version, author: undefined, reason, paths, state: 'applied' },
        })
        this.#arm()
      },
      refused: (origin, error) => {
        this.#patches.refused('file', undefined, { reason: origin, paths: [] } as never, error)
      },
    }
  }

  #settable(host: ConfigHost): Settable {
    const { routes } = this.#context
    const value = (path: readonly string[], isCode: boolean): unknown => {
      const [section, routeId] = path
      if (section === 'dryRun') return isCode ? host.dryRun.codeDryRun : host.dryRun.isDryRun
      if (section === 'bans') return isCode || path[1] !== 'allow' ? undefined : this.#allowed
      if (section === 'overrides' && routeId !== undefined) {
        return ORDERS[(isCode ? routes.codeOrderOf(routeId) : routes.orderOf(routeId)) as 0 | 1 | 2]
      }
      if (section === 'routes' && routeId !== undefined) {
        const rest = path.slice(2)
        if (rest[0] === 'breakBy') return isCode ? undefined : routes.profiles.breakBy.get(routeId)
        const params = isCode ? routes.codeParamsOf(routeId) : routes.paramsOf(routeId)
        return rest.length === 0 ? params : valueInParams(params, rest, TIERS)
      }
      return valueInParams(isCode ? routes.codeParamsOf() : routes.params, path, TIERS)
    }
    return {
      checkOverlay: (next) => routes.checkOverlay(next),
      setOverlay: (next) => routes.setOverlay(next),
      orderDryRun: (dryRun) => host.dryRun.orderDryRun(dryRun),
      allow: (list) => {
        this.#allowed = list
        host.allow(list)
      },
      tryOnKeys: (tried) => {
        // On an engine that other threads decide by as well the patch waits for its verdict elsewhere.
        const wanted = routes.isShared ? undefined : tried
        if (wanted !== undefined && wanted.version === this.#keyTrial?.version) {
          this.#keyTrial.replace(wanted.overlay)
          return
        }
        if (wanted === undefined && this.#keyTrial === undefined) return
        this.#keyTrial?.end()
        this.#keyTrial = wanted && new SettingsTrial(routes, wanted.overlay, wanted.keyShare, wanted.version)
        host.tryOnKeys(this.#keyTrial)
      },
      changed: () => host.freed(),
      valueOf: (path) => value(path, false),
      codeValueOf: (path) => value(path, true),
    }
  }

  #judgeKeys(version: number, fallPoints: number): (isLast: boolean) => Verdict {
    let trial: SettingsTrial | undefined
    return (isLast) => {
      // It is put in place after its judge.
      if (this.#keyTrial?.version === version) trial = this.#keyTrial
      return judgeGroups(trial?.control ?? NO_TOTALS, trial?.tried ?? NO_TOTALS, fallPoints, isLast)
    }
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const { clock } = this.#context
    const sampleMs = this.#isUsed ? this.#sampledMs + SAMPLE_MS - clock.spanMs() : Number.POSITIVE_INFINITY
    const leftMs = Math.min(this.#live.untilExpiryMs, this.#patches.untilLookMs, Math.max(sampleMs, 0))
    this.#nextMs = clock.nowMs() + Math.min(this.#live.untilExpiryMs, this.#patches.untilLookMs)
    if (leftMs === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.#work(), Math.min(Math.max(leftMs, 1), MOST_SLEEP_MS))
    this.#timer.unref?.()
  }

  /** Settings no longer fit those of the code, which have changed: they do not hold until they do. */
  #setAside(aside: readonly SetAside[], error: Error | undefined): void {
    const { events, logger } = this.#context
    for (const { layer, version, entry } of aside) {
      const cause = error ?? new AtrionError('it does not fit the settings of the code without one that has expired')
      events.emit('patch_refused', {
        ...{ layer, version, author: entry?.author, reason: entry?.reason, paths: entry?.paths ?? [], error: cause },
      })
      logger.warn('settings no longer fit those of the code, and are set aside until they do', {
        ...{ layer, version, error: cause.message },
      })
    }
    if (aside.length > 0) this.#arm()
  }

  #work(): void {
    this.#nextMs = Number.POSITIVE_INFINITY
    try {
      const { over, aside } = this.#live.expire()
      for (const { layer, entry } of over) this.#patches.ended(layer, entry)
      this.#setAside(aside, undefined)
    } catch (error) {
      this.#patches.refused('node', undefined, undefined, error)
    }
    this.#patches.look()
    const nowMs = this.#context.clock.spanMs()
    if (this.#isUsed && !this.#patches.isOnTrial && nowMs - this.#sampledMs >= SAMPLE_MS) {
      this.#sampledMs = nowMs
      this.#watch.sample()
    }
    this.#arm()
  }
}
