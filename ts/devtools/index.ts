/**
 * `atrion/devtools`: Studio within developer tools. Its import defines `<atrion-panel src="/atrion">`; it registers the panel with TanStack
 * Devtools and Vue Devtools, and leaves it out of production builds. On a server the import does nothing.
 */

import { definePanel } from './panel.js'

export type { HookAtrion, HookOptions, ReactLike, VueLike, VueRoute } from '../hooks/index.js'
export { reactHook, vueComposable } from '../hooks/index.js'
export { definePanel } from './panel.js'
export { addVueTab, type PanelOptions, type TanStackPlugin, tanstackPlugin, type VueTab } from './register.js'
export { type AtrionVitePlugin, atrionVite } from './vite.js'

definePanel()
