/**
 * Prints what a page pays: the module, the JavaScript between it and the package's face, and panels, as gzip -9 leaves them. Exits with 1
 * when one of them is larger than it may be.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import { cliOf } from './lib/cli.mjs'
import { ROOT } from './lib/process.mjs'
import { studioPage } from './lib/studio-page.mjs'

/** The most that the module may weigh, with the closed loop's law, its probe and its proofs of a queue, keys, pools, breakers by class, explanations and metrics. The target is 13,200. */
const WASM_BYTES = 25_100
/** ... and each way to load it. Inlined, it also finds its file where there is one. */
const GLUE_BYTES = { inline: 3_400, stream: 2_350, workerd: 2_200, 'edge-light': 2_200 }

/** ... and each registration of the panel, the element in it. */
const PANEL_BYTES = 2_048
const PANELS = {
  'TanStack Devtools': 'export const plugin = tanstackPlugin()',
  'Vue Devtools': 'addVueTab(globalThis.addCustomTab)',
}

/** ... and the whole of Studio's page, its style and its script in it. The most that it may ever be is 40,000. */
const STUDIO_BYTES = 16_000

cliOf(`Usage: npm run size -- [options]

Prints what a page pays for the engine and for a panel, and Studio's page, as gzip -9 leaves them. Exits with 1 when a part is larger than it may be.

  --help   this text`)

const MODULE = join(ROOT, 'dist', 'atrion.wasm')
if (!existsSync(MODULE)) {
  console.error('dist/atrion.wasm is missing: npm run build')
  process.exit(1)
}

const exportOf = (name, file) => `export { ${name} } from ${JSON.stringify(join(ROOT, 'ts', 'engine', file))}`
const partsOf = (loader) => `${exportOf('WasmEngine', 'wasm.ts')}\n${exportOf('wasmModule', `wasm-${loader}.ts`)}`

const panelOf = (code) => `import { addVueTab, tanstackPlugin } from 'atrion/devtools'\n${code}`

/** A piece of code with what it imports, minified as a bundler would. */
const bundleOf = async (code) => {
  const bundle = await rolldown({
    input: 'glue',
    cwd: ROOT,
    external: /\.wasm/,
    plugins: [
      {
        name: 'glue',
        resolveId: (id) => (id === 'glue' ? id : null),
        load: (id) => (id === 'glue' ? code : null),
      },
    ],
  })
  const { output } = await bundle.generate({ format: 'esm', minify: true })
  return Buffer.from(output[0].code)
}

const parts = [
  ['atrion.wasm', readFileSync(MODULE), WASM_BYTES],
  ...(await Promise.all(
    Object.entries(GLUE_BYTES).map(async ([loader, most]) => [
      `glue, ${loader}`,
      await bundleOf(partsOf(loader)),
      most,
    ]),
  )),
  ...(await Promise.all(
    Object.entries(PANELS).map(async ([name, code]) => [name, await bundleOf(panelOf(code)), PANEL_BYTES]),
  )),
  ["Studio's page", Buffer.from(await studioPage()), STUDIO_BYTES],
]

let isTooLarge = false
console.log(`${''.padEnd(18)}${'bytes'.padStart(8)}${'gzip -9'.padStart(9)}${'at most'.padStart(9)}`)
for (const [name, bytes, most] of parts) {
  const packed = gzipSync(bytes, { level: 9 }).length
  isTooLarge ||= packed > most
  const verdict = packed > most ? '  TOO LARGE' : ''
  console.log(
    `${name.padEnd(18)}${String(bytes.length).padStart(8)}${String(packed).padStart(9)}${String(most).padStart(9)}${verdict}`,
  )
}
process.exitCode = isTooLarge ? 1 : 0
