/** `atrion/nest`: a module, a global guard and decorators for NestJS, on its Express and on its Fastify platform. */

export { cancelSignal } from './_cancel.js'
export { currentTier, withTier } from './_context.js'
export { AtrionRoute, Key, type RouteDecorator, SkipAtrion, Tier } from './_nest-decorators.js'
export { AtrionGuard, atrionNest, type NestOptions, type NestRequest, type NestResponse } from './_nest-guard.js'
export {
  AtrionModule,
  type AtrionModuleAsyncOptions,
  type AtrionModuleExtras,
  type AtrionModuleOptions,
  type AtrionOptionsFactory,
} from './_nest-module.js'
export type { AdapterOptions, PressureOptions, Signal } from './_options.js'
export type { AdapterRouteOptions } from './_route-options.js'
export { openStreams } from './_stream.js'
