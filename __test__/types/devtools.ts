// The panel and the hooks, as a strict application types them.

import { Atrion, type RouteStats } from 'atrion'
import { type AtrionVitePlugin, addVueTab, atrionVite, type TanStackPlugin, tanstackPlugin } from 'atrion/devtools'
import { type GuardFetchOptions, guardFetch } from 'atrion/fetch'
import { type ReactLike, reactHook, type VueLike, vueComposable } from 'atrion/hooks'

const atrion = new Atrion()

export const plugin: TanStackPlugin = tanstackPlugin({ src: '/atrion' })
export const vite: AtrionVitePlugin = atrionVite()
export const add = (addCustomTab: (tab: { name: string; title: string }) => void): void => addVueTab(addCustomTab)

export const admitted = (react: ReactLike): number | undefined => reactHook(react, atrion)('GET /orders')?.admitted
export const stats = (vue: VueLike): RouteStats | undefined =>
  vueComposable(vue, atrion, { intervalMs: 500 })(() => 'GET /orders').value

const options: GuardFetchOptions = { tier: (request) => (request.url.endsWith('/next') ? 'bulk' : undefined) }
export const guarded: typeof fetch = guardFetch(atrion, options)

// @ts-expect-error there is no such option
export const unknown = () => tanstackPlugin({ source: '/atrion' })
// @ts-expect-error the interval has a number
export const wrong = (react: ReactLike) => reactHook(react, atrion, { intervalMs: '500' })
