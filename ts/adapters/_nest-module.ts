/** A dynamic module of NestJS: the instance for injection, the guard of every handler, and an end with the application's. */

import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
  type Type,
} from '@nestjs/common'
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core'
import { Atrion, type AtrionOptions } from '../atrion.js'
import { textOfAny } from '../base/host-calls.js'
import { copyOf } from '../base/own.js'
import { warnOnce } from '../base/warn-once.js'
import { AtrionGuard, type NestOptions, type NestRequest, type NestResponse } from './_nest-guard.js'
import { adapterOptionsOf, type OptionTypes, TYPES, validateTypes } from './_options.js'
import { after, callOff, type Timer } from './_timers.js'

/** Options of {@link AtrionModule}: those of the guard, and the instance or what it is made of. */
export interface AtrionModuleOptions<
  Request extends NestRequest = NestRequest,
  Response extends NestResponse = NestResponse,
> extends NestOptions<Request, Response> {
  /** The instance that decides, or the options that it is made with. Default: one of default options. */
  readonly atrion?: Atrion | AtrionOptions
}

/** Options of {@link AtrionModule} that are known before anything is made. */
export interface AtrionModuleExtras {
  /** `Atrion` can be injected everywhere. Default true; false: in modules that import this one. */
  readonly isGlobal?: boolean
  /** Every handler is guarded. Default true; false: those with `@UseGuards(AtrionGuard)`. */
  readonly guard?: boolean
}

/** A class that makes the options. */
export interface AtrionOptionsFactory {
  createAtrionOptions(): AtrionModuleOptions | Promise<AtrionModuleOptions>
}

/** Options of {@link AtrionModule.forRootAsync}: one of `useFactory`, `useClass` and `useExisting`. */
export interface AtrionModuleAsyncOptions extends AtrionModuleExtras, Pick<ModuleMetadata, 'imports'> {
  // biome-ignore lint/suspicious/noExplicitAny: what `inject` names, as everywhere in Nest
  readonly useFactory?: (...args: any[]) => AtrionModuleOptions | Promise<AtrionModuleOptions>
  readonly inject?: (Parameters<typeof Inject>[0] & {})[]
  readonly useClass?: Type<AtrionOptionsFactory>
  readonly useExisting?: Type<AtrionOptionsFactory>
}

/** A provider that could not be reached is tried again after this long, and then after twice as long, up to the longest, ms. */
const RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

const isInstance = (given: Atrion | AtrionOptions): given is Atrion => typeof (given as Atrion)?.acquire === 'function'

const ALL_TYPES: OptionTypes = { ...TYPES, atrion: ['object'], isGlobal: ['boolean'], guard: ['boolean'] }

type Options = AtrionModuleOptions & AtrionModuleExtras

/**
 * A copy of the options.
 *
 * @throws ConfigError for what are none, one that is unknown, and one of the wrong type
 */
function checked(given: Options): Options {
  const options = copyOf(given, Object.keys(ALL_TYPES))
  validateTypes(options, ALL_TYPES)
  return options
}

/** @throws ConfigError for options that are none */
function instanceOf(options: Options): Atrion {
  const { atrion = {} } = checked(options)
  return isInstance(atrion) ? atrion : new Atrion(atrion)
}

/** Token of the guard's options: Nest makes a guard anew in each module whose handlers ask for it. */
const GUARD_OPTIONS = Symbol('atrion.guard-options')

function guardOptionsOf(given: Options): NestOptions {
  const { atrion: _, ...options } = checked(given)
  return options
}

const EXTRAS: Required<AtrionModuleExtras> = { isGlobal: true, guard: true }

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<AtrionModuleOptions>({
  moduleName: 'Atrion',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAtrionOptions')
  .setExtras(EXTRAS, (definition, { isGlobal, guard }) => ({
    ...definition,
    global: isGlobal,
    providers: [...(definition.providers ?? []), ...providersFor(guard)],
    exports: [Atrion, AtrionGuard, GUARD_OPTIONS],
  }))
  .build()

function providersFor(isForAll: boolean): Provider[] {
  return [
    { provide: Atrion, useFactory: instanceOf, inject: [MODULE_OPTIONS_TOKEN] },
    { provide: GUARD_OPTIONS, useFactory: guardOptionsOf, inject: [MODULE_OPTIONS_TOKEN] },
    AtrionGuard,
    ...(isForAll
      ? [
          { provide: APP_GUARD, useExisting: AtrionGuard },
          { provide: APP_INTERCEPTOR, useExisting: AtrionGuard },
        ]
      : []),
  ]
}

const Configurable: {
  new (): object
  forRoot(options: AtrionModuleOptions): DynamicModule
  forRootAsync(options: AtrionModuleAsyncOptions): DynamicModule
} = ConfigurableModuleClass as never

/**
 * `imports: [AtrionModule.forRoot({ atrion: { slo: { maxAcceptableLatencyMs: 300 } } })]`, once, in the root module.
 *
 * `Atrion` can then be injected, and every handler is guarded by {@link AtrionGuard}, as guard and interceptor; `@Tier()`, `@Key()`,
 * `@SkipAtrion()` and `@AtrionRoute()` give handlers and controllers options of their own. The instance is connected when the
 * application starts; a provider that cannot be reached is a warning of the process, and is tried again. What the module
 * connected it disconnects when the application is closed, after the server has been.
 */
export class AtrionModule extends Configurable implements OnModuleInit, OnApplicationShutdown {
  readonly #atrion: Atrion
  #hasConnected = false
  #isClosed = false
  #timer: Timer | undefined

  constructor(atrion: Atrion) {
    super()
    this.#atrion = atrion
  }

  /** @throws ConfigError for an option that is unknown, of the wrong type or out of its range */
  static override forRoot<Request extends NestRequest = NestRequest, Response extends NestResponse = NestResponse>(
    options: AtrionModuleOptions<Request, Response> & AtrionModuleExtras = {},
  ): DynamicModule {
    const all = checked(options as Options)
    const { atrion: _, isGlobal: __, guard: ___, ...ofGuard } = all
    adapterOptionsOf(ofGuard)
    return Configurable.forRoot.call(AtrionModule, all)
  }

  /** The same with options that are known later: the application does not start with wrong ones. */
  static override forRootAsync(options: AtrionModuleAsyncOptions): DynamicModule {
    const { isGlobal, guard } = options
    checked({ isGlobal, guard } as Options)
    return Configurable.forRootAsync.call(AtrionModule, options)
  }

  async onModuleInit(): Promise<void> {
    if (!this.#atrion.isConnected) await this.#connect(RETRY_MS)
  }

  async onApplicationShutdown(): Promise<void> {
    this.#isClosed = true
    callOff(this.#timer)
    if (this.#hasConnected) await this.#atrion.disconnect()
  }

  /** Never rejects: an application does without what others know. */
  async #connect(retryMs: number): Promise<void> {
    try {
      await this.#atrion.connect()
      this.#hasConnected = true
      if (this.#isClosed) await this.#atrion.disconnect()
    } catch (error) {
      warnOnce('AtrionModule', `state of ${this.#atrion.providerName} could not be read yet: ${textOfAny(error)}`)
      if (this.#isClosed) return
      const nextMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)
      this.#timer = after(retryMs, () => void this.#connect(nextMs))
    }
  }
}

Inject(Atrion)(AtrionGuard, undefined, 0)
Inject(GUARD_OPTIONS)(AtrionGuard, undefined, 1)
Inject(Atrion)(AtrionModule, undefined, 0)
Module({})(AtrionModule)
