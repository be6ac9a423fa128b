/** Checks the packed package with publint, with attw, and with TypeScript under every kind of resolution. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must } from './clients.mjs'
import { TOOLS, tool } from './tools.mjs'

const PLAIN = `import { Atrion, FileStateProvider, InMemoryProvider, type Permit, RedisStateProvider, ShedError } from 'atrion'
import { VectorMath } from 'atrion/core'
import { withAtrion } from 'atrion/fetch'
import { runSimulation } from 'atrion/simulation'
import * as testing from 'atrion/testing'
import { Atrion as WasmAtrion } from 'atrion/wasm'

export const atrion: Atrion = new Atrion({ engine: 'auto' })
export const wasm: Atrion = new WasmAtrion()
export const permit: Permit = atrion.acquire('GET /', { tier: 'high' })
export async function run(): Promise<void> {
  await atrion.run('GET /', async (signal) => signal.aborted)
  permit[Symbol.dispose]()
  await atrion[Symbol.asyncDispose]()
}
export { FileStateProvider, InMemoryProvider, RedisStateProvider, runSimulation, ShedError, testing, VectorMath, withAtrion }
`
const NODE = `import { atrionExpress } from 'atrion/express'
import { atrionHttp } from 'atrion/http'

export { atrionExpress, atrionHttp }
`
/** Hono's own types want a compiler that is newer than the oldest. */
const HONO = `export { atrionHono } from 'atrion/hono'
`
/** Module systems by what resolves names in them. */
const RESOLUTIONS = { node10: 'commonjs', node16: 'node16', nodenext: 'nodenext', bundler: 'esnext' }
/** The oldest that is supported, the last ones; what each still knows. */
const COMPILERS = {
  5.4: RESOLUTIONS,
  5.9: RESOLUTIONS,
  7: { node16: 'node16', nodenext: 'nodenext', bundler: 'esnext' },
}

const compile = async (folder, compiler, resolution, module, hasNode) => {
  const settings = join(folder, `tsconfig.${compiler}-${resolution}-${hasNode ? 'node' : 'plain'}.json`)
  const files = [
    ...(hasNode ? ['node.ts'] : []),
    ...(hasNode && compiler !== '5.4' ? ['hono.ts'] : []),
    'plain.ts',
    ...(resolution === 'node10' ? [] : ['plain-esm.mts']),
  ]
  const compilerOptions = {
    target: 'es2022',
    module,
    moduleResolution: resolution,
    strict: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    esModuleInterop: true,
    noEmit: true,
    types: hasNode ? ['node'] : [],
  }
  writeFileSync(settings, JSON.stringify({ compilerOptions, files }))
  const [name, entry] = compiler === '7' ? ['typescript7', 'lib/tsc.js'] : [`typescript${compiler}`, 'lib/tsc.js']
  await must(process.execPath, [join(TOOLS, 'node_modules', name, entry), '-p', settings], { cwd: folder })
}

/**
 * Checks a package that is laid out in `folder` and packed in `file`; resolves to `[name, fault?]` of each check.
 *
 * @param options `isShort`: the last compiler, and of the oldest what only it has
 */
export const checkTypes = async ({ folder, file }, { isShort = false } = {}) => {
  const results = []
  const attempt = (name, work) =>
    work().then(
      () => results.push([name]),
      (error) => results.push([name, error.message.slice(0, 1500)]),
    )
  await attempt('publint --strict', async () => {
    const { publint } = await tool('publint')
    const { messages } = await publint({ pkgDir: folder, strict: true, pack: false })
    if (messages.length > 0) throw new Error(JSON.stringify(messages))
  })
  await attempt('attw --pack', () =>
    must(
      process.execPath,
      [
        join(TOOLS, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js'),
        file,
        '--exclude-entrypoints',
        './wasm/module',
      ],
      {
        cwd: TOOLS,
      },
    ),
  )
  // Inside the tools' folder, where @types/node is found.
  const app = join(TOOLS, 'types')
  rmSync(app, { recursive: true, force: true })
  mkdirSync(join(app, 'node_modules', 'atrion'), { recursive: true })
  await must('tar', ['-xzf', file, '-C', join(app, 'node_modules', 'atrion'), '--strip-components=1'], { cwd: app })
  writeFileSync(join(app, 'package.json'), '{"private":true,"type":"commonjs"}')
  for (const [name, text] of Object.entries({
    'plain.ts': PLAIN,
    'plain-esm.mts': PLAIN,
    'node.ts': NODE,
    'hono.ts': HONO,
  }))
    writeFileSync(join(app, name), text)
  const compilers = isShort ? { 5.4: { node10: 'commonjs' }, 7: COMPILERS[7] } : COMPILERS
  for (const [compiler, resolutions] of Object.entries(compilers)) {
    for (const [resolution, module] of Object.entries(resolutions)) {
      for (const hasNode of [true, false]) {
        const name = `TypeScript ${compiler}, ${resolution}, ${hasNode ? 'with' : 'without'} @types/node`
        await attempt(name, () => compile(app, compiler, resolution, module, hasNode))
      }
    }
  }
  return results
}
