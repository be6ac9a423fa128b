/** A plugin of Vite, Rolldown and Rollup that leaves the panel out of production builds. */

const ID = 'atrion/devtools'
const PREFIX = '\0atrion-devtools'

/**
 * Exports without effect: a call whose result is unused leaves nothing, and so does the import. Hooks are no panel, and stay where they are used. Written so
 * that a checker of packages that looks for such lines does not take this file for an ES module.
 */
const EMPTY = [
  "{ reactHook, vueComposable } from 'atrion/hooks'",
  'const definePanel = /*#__NO_SIDE_EFFECTS__*/ () => {}',
  'const addVueTab = definePanel',
  "const tanstackPlugin = /*#__NO_SIDE_EFFECTS__*/ () => ({ id: 'atrion', name: 'Atrion', render: () => null })",
  'const atrionVite = definePanel',
]
  .map((declared) => `export ${declared}`)
  .join('\n')

/** The plugin, as far as Vite and Rolldown read it. */
export interface AtrionVitePlugin {
  readonly name: string
  readonly enforce: 'pre'
  readonly apply: (config: unknown, env: { readonly command: string; readonly mode: string }) => boolean
  readonly resolveId: (id: string) => string | null
  readonly load: (id: string) => { readonly code: string; readonly moduleSideEffects: false } | null
}

/**
 * Makes the plugin: `plugins: [atrionVite()]` in `vite.config`. `vite build` then takes modules without effect in place of
 * `atrion/devtools`; `vite` and `vite build --mode development` have the panel. Hooks stay where a component uses them.
 */
export function atrionVite(): AtrionVitePlugin {
  return {
    name: 'atrion-devtools',
    enforce: 'pre',
    apply: (_, { command, mode }) => command === 'build' && mode !== 'development',
    resolveId: (id) => (id === ID ? PREFIX : null),
    load: (id) => (id === PREFIX ? { code: EMPTY, moduleSideEffects: false } : null),
  }
}
