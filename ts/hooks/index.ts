/**
 * `atrion/hooks`: the live statistics of a route in components of React and of Vue. The framework is given, not imported: any version of it
 * that has the functions named here will do, and a service without one needs none.
 */

import type { RouteStats } from '../limiter/types.js'
import { checkNames, optionError, optionOf } from './check.js'
import { type HookAtrion, Sampler } from './sampler.js'

export type { HookAtrion } from './sampler.js'

/** Options of a hook. */
export interface HookOptions {
  /** The time between two samples, ms, 50 to 60,000. Default 1,000. All hooks of an instance with the same time share a timer. */
  readonly intervalMs?: number
}

/** React 18 or newer, or what is like it: the functions that are used. */
export interface ReactLike {
  useCallback<T extends (...args: never[]) => unknown>(callback: T, dependencies: readonly unknown[]): T
  useSyncExternalStore<T>(
    subscribe: (listener: () => void) => () => void,
    getSnapshot: () => T,
    getServerSnapshot?: () => T,
  ): T
}

/** Vue 2.7 or newer: the functions that are used. */
export interface VueLike {
  // biome-ignore lint/suspicious/noExplicitAny: the types of both majors differ
  shallowRef(value: any): any
  // biome-ignore lint/suspicious/noExplicitAny: the same
  unref(value: any): any
  // biome-ignore lint/suspicious/noExplicitAny: the same
  watch(source: any, callback: any): unknown
  onMounted(callback: () => void): unknown
  onScopeDispose(callback: () => void): void
  getCurrentInstance(): unknown
  getCurrentScope(): unknown
}

/** A route by its name, a ref of it, or a function that returns it. */
export type VueRoute = string | { readonly value: string } | (() => string)

const DEFAULT_INTERVAL_MS = 1_000
const NAMES = ['intervalMs']
const samplers = new WeakMap<HookAtrion, Map<number, Sampler>>()

/** The sampler of an instance, one for each interval. @throws a ConfigError */
function samplerOf(atrion: HookAtrion, options: HookOptions): Sampler {
  if (typeof atrion?.stats !== 'function') throw optionError('atrion', 'an Atrion', atrion)
  checkNames(options, NAMES)
  const intervalMs = optionOf(options, 'intervalMs') ?? DEFAULT_INTERVAL_MS
  if (!(typeof intervalMs === 'number' && intervalMs >= 50 && intervalMs <= 60_000)) {
    throw optionError('intervalMs', 'a number in [50, 60000] ms', intervalMs)
  }
  const ofAtrion = samplers.get(atrion) ?? new Map<number, Sampler>()
  samplers.set(atrion, ofAtrion)
  const sampler = ofAtrion.get(intervalMs) ?? new Sampler(atrion, intervalMs)
  ofAtrion.set(intervalMs, sampler)
  return sampler
}

function checkFramework(field: string, framework: unknown, names: readonly string[]): void {
  const missing = names.find((name) => typeof (framework as Record<string, unknown> | null)?.[name] !== 'function')
  if (missing !== undefined) throw optionError(`${field}.${missing}`, 'a function', framework)
}

/**
 * Makes a hook of React: `const useAtrion = reactHook(React, atrion)`, then `useAtrion('GET /orders')` in a component. It renders again
 * when a sample differs from the one before. Rendered on a server, and while that page is hydrated, it returns undefined, as the two would not agree.
 *
 * @throws a ConfigError for a React without `useSyncExternalStore` and for an option out of its range
 */
export function reactHook(
  react: ReactLike,
  atrion: HookAtrion,
  options: HookOptions = {},
): (route: string) => RouteStats | undefined {
  checkFramework('react', react, ['useCallback', 'useSyncExternalStore'])
  const sampler = samplerOf(atrion, options)
  return (route) => {
    const subscribe = react.useCallback((listener: () => void) => sampler.subscribe(route, listener), [route])
    return react.useSyncExternalStore<RouteStats | undefined>(
      subscribe,
      () => sampler.read(route),
      () => undefined,
    )
  }
}

/**
 * Makes a composable of Vue: `const useAtrion = vueComposable(Vue, atrion)`, then `useAtrion('GET /orders')` in `setup()`: a shallow ref,
 * whose value is undefined on a server and before the component is mounted. The route may be a ref or a function, and may change.
 *
 * @throws a ConfigError for a Vue older than 2.7 and for an option out of its range
 */
export function vueComposable(
  vue: VueLike,
  atrion: HookAtrion,
  options: HookOptions = {},
): (route: VueRoute) => { readonly value: RouteStats | undefined } {
  checkFramework('vue', vue, ['shallowRef', 'unref', 'watch', 'onMounted', 'onScopeDispose', 'getCurrentInstance'])
  const sampler = samplerOf(atrion, options)
  return (route) => {
    const stats = vue.shallowRef(undefined)
    const nameOf = (): string => (typeof route === 'function' ? route() : vue.unref(route))
    let stop: (() => void) | undefined
    const follow = (name: string): void => {
      stop?.()
      const take = (): void => {
        stats.value = sampler.read(name)
      }
      stop = sampler.subscribe(name, take)
      take()
    }
    vue.watch(nameOf, (name: string) => {
      if (stop !== undefined) follow(name)
    })
    if (vue.getCurrentScope()) {
      vue.onScopeDispose(() => {
        stop?.()
        stop = undefined
      })
    }
    if (vue.getCurrentInstance()) vue.onMounted(() => follow(nameOf()))
    else follow(nameOf())
    return stats
  }
}
