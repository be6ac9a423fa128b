/** The live configuration and the bans of an instance: changes that an operator makes while it runs. Made when they are first needed. */

import { Bans } from './bans/bans.js'
import type { Ban, BanOptions, BanTarget } from './bans/types.js'
import type { KeyHasher } from './base/keys.js'
import { Config } from './config/index.js'
import type { Context } from './context.js'
import type { Limiter } from './limiter/limiter.js'
import type { AtrionOptions, BansOptions } from './options/options.js'
import { keepsDocuments } from './providers/provider.js'
import { SharedDocuments } from './replication/documents.js'
import type { OpenLoop } from './routes/open-loop.js'

const DEFAULT_WINDOW_MS = 10_000

/** The evidence that is looked for; undefined: none. */
const evidenceOf = (bans: BansOptions | undefined) =>
  bans?.share === undefined && bans?.failures === undefined
    ? undefined
    : { share: bans.share, failures: bans.failures, windowMs: bans.windowMs ?? DEFAULT_WINDOW_MS }

/** An id of this node, which only documents of its cluster show. */
const newNode = (): string =>
  [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

export class Control {
  readonly config: Config
  readonly #bans: Bans
  readonly #documents: SharedDocuments | undefined

  constructor(context: Context, limiter: Limiter, openLoop: OpenLoop, keys: KeyHasher, options: AtrionOptions) {
    const { clock, events, logger } = context
    const { bans, keySecret, provider } = options
    const node = newNode()
    this.#documents = keepsDocuments(provider) ? new SharedDocuments(provider) : undefined
    this.#bans = new Bans({
      ...{
        node,
        keys,
        isSecret: keySecret !== undefined,
        documents: this.#documents,
        evidence: evidenceOf(bans),
        allow: bans?.allow ?? [],
      },
      hasProvedNodes: provider?.hasProvedNodes !== false,
      nowMs: () => clock.nowMs(),
      isDryRun: () => openLoop.isDryRun,
      emit: (name, event) => events.emit(name, event),
      warn: (message, details) => logger.warn(message, details),
      gate: (gate) => {
        limiter.admission.gate = gate
      },
    })
    this.config = new Config(context, {
      ...{ node, providerName: provider?.name ?? '', documents: this.#documents, dryRun: openLoop },
      metrics: () => limiter.metrics(),
      tryOnKeys: (trial) => {
        limiter.admission.trial = trial
      },
      freed: () => limiter.freed(''),
      allow: (list) => this.#bans.allow(list),
      hashed: async (list) => (await this.#bans.hashed(list)) as never,
    })
  }

  ban(target: BanTarget, options?: BanOptions): Ban {
    return this.#bans.ban(target, options)
  }

  unban(id: string): boolean {
    return this.#bans.unban(id)
  }

  bans(): Ban[] {
    return this.#bans.list()
  }

  /** The provider is connected. */
  start(): void {
    this.#documents?.start()
    this.#bans.start()
  }

  /** The provider is going to be disconnected. */
  stop(): void {
    this.#documents?.stop()
    this.#bans.stop()
    this.config.close()
  }
}
