// For Node, one bundle graph, one instance of every class: its ESM entry re-exports the CommonJS one, so that
// `instanceof ShedError` holds whichever way, and through whichever subpath, the package was loaded. For what is not
// Node, one self-contained file for each way in which the wasm module may be loaded, under dist/web.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

const folder = new URL('./ts/adapters/', import.meta.url)
const adapters = (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [])
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.startsWith('_'))
  .map((entry) => entry.name.replace(/\.ts$/, ''))

/** Adapters that use nothing of Node: they come for every runtime. */
const PORTABLE = adapters.filter((name) => name === 'fetch')

/** A package by name or a module of Node's; neither a path nor a drive. */
const PACKAGE = /^(?![A-Za-z]:[\\/])[^./\0]/

const node = {
  input: {
    index: 'ts/index.ts',
    core: 'ts/core/index.ts',
    simulation: 'ts/simulation/index.ts',
    testing: 'ts/testing/index.ts',
    wasm: 'ts/wasm.ts',
    ...Object.fromEntries(adapters.map((name) => [name, `ts/adapters/${name}.ts`])),
  },
  platform: 'node',
  external: [PACKAGE, /binding\.js$/],
  output: {
    dir: 'dist',
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'chunks/[name].cjs',
    exports: 'named',
  },
}

const MODULE = pathOf('dist/atrion.wasm')

/** Puts the loader of one runtime in Node's place, and the module where that loader wants it. */
const runtime = (loader) => ({
  name: 'runtime',
  resolveId(id) {
    if (id.endsWith('/engines.js')) return pathOf('ts/engine/engines-web.ts')
    if (id.endsWith('/providers/node.js')) return pathOf('ts/providers/node-web.ts')
    if (id.endsWith('/wasm-node.js')) return pathOf(`ts/engine/wasm-${loader}.ts`)
    if (id === 'atrion.wasm?base64') return `\0${id}`
    if (id.startsWith('atrion.wasm')) return { id: `../${id}`, external: 'relative' }
    return null
  },
  load: (id) => (id === '\0atrion.wasm?base64' ? `export default '${readFileSync(MODULE).toString('base64')}'` : null),
})

const web = (input, { loader = 'inline', format = 'esm' } = {}) => ({
  input,
  platform: 'neutral',
  // The package itself is not bundled into its own parts: a class is there once, whatever imports it.
  external: (id) => PACKAGE.test(id) && !id.startsWith('atrion.wasm'),
  plugins: [runtime(loader)],
  output: { dir: 'dist/web', format, entryFileNames: format === 'cjs' ? '[name].cjs' : '[name].mjs', exports: 'named' },
})

/** A part that needs the package's classes takes them from the package as that runtime loads it. */
const face = {
  name: 'face',
  resolveId: (id) => (/^\.\.\/atrion\.js$|(?:^|\/)errors\.js$/.test(id) ? { id: 'atrion', external: true } : null),
}

const portable = (name) => {
  const config = web({ [name]: `ts/adapters/${name}.ts` })
  return { ...config, plugins: [face, ...config.plugins] }
}

// Without the module there is nothing to bundle for runtimes that have nothing else.
const runtimes = existsSync(MODULE)
  ? [
      web({ inline: 'ts/index.ts' }),
      web({ inline: 'ts/index.ts' }, { format: 'cjs' }),
      ...['workerd', 'edge-light', 'stream'].map((loader) => web({ [loader]: 'ts/index.ts' }, { loader })),
    ]
  : []

export default [
  node,
  web({ core: 'ts/core/index.ts' }),
  web({ simulation: 'ts/simulation/index.ts' }),
  web({ testing: 'ts/testing/index.ts' }),
  ...PORTABLE.map(portable),
  ...runtimes,
]
