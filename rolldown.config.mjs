// One bundle graph, one instance of every class: Node's ESM entry re-exports the CommonJS one, so that
// `instanceof ShedError` holds whichever way, and through whichever subpath, the package was loaded.
import { existsSync, readdirSync } from 'node:fs'

const folder = new URL('./ts/adapters/', import.meta.url)
const adapters = (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [])
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.startsWith('_'))
  .map((entry) => entry.name.replace(/\.ts$/, ''))

export default {
  input: {
    index: 'ts/index.ts',
    core: 'ts/core/index.ts',
    simulation: 'ts/simulation/index.ts',
    ...Object.fromEntries(adapters.map((name) => [name, `ts/adapters/${name}.ts`])),
  },
  platform: 'node',
  external: [/^node:/, /^[^./]/, /binding\.js$/],
  output: {
    dir: 'dist',
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'chunks/[name].cjs',
    exports: 'named',
  },
}
