// Runs the JavaScript of the README and of the pages of docs/ and compiles their TypeScript, against the package as it
// is built.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest from 'ava'
import { PAGES } from '../_pages.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { snippetsOf } from '../_snippets.mjs'

const test = anyTest.serial
const require = createRequire(import.meta.url)
const HERE = dirname(dirname(fileURLToPath(import.meta.url)))
const ROOT = dirname(HERE)

/** Every block of code that is not marked no-run, with its page. */
const snippets = PAGES.flatMap((page) =>
  snippetsOf(readFileSync(join(ROOT, page), 'utf8')).map((snippet) => ({ page, ...snippet })),
)

// Inside the repository, so that the package's own name resolves as it does in a project that has installed it.
const folder = mkdtempSync(join(HERE, '.snippets-'))
// The tests have two versions of Express, under names of their own; a reader has one, under its own.
mkdirSync(join(folder, 'node_modules'))
symlinkSync(join(ROOT, 'node_modules', 'express5'), join(folder, 'node_modules', 'express'), 'junction')

test.after.always(() => rmSync(folder, { recursive: true, force: true }))

const run = (args) =>
  spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: PATIENCE_MS, killSignal: 'SIGKILL' })

/** Asserts that a command came to a good end. */
const ranWell = (t, { status, signal, stdout, stderr }, code) => {
  t.is(signal, null, `it did not end within ${PATIENCE_MS} ms:\n${code}\n${stdout}${stderr}`)
  t.is(status, 0, `${stdout}${stderr}\n${code}`)
}

test('the README and every guide show code that is run', (t) => {
  const shown = new Set(snippets.map(({ page }) => page))
  for (const page of PAGES.filter(
    (page) => page === 'README.md' || (page.startsWith('docs/guide/') && !page.endsWith('/demo.md')),
  )) {
    t.true(shown.has(page), `${page} has no block of code that is run`)
  }
})

for (const { page, line, language, code } of snippets.filter((snippet) => snippet.language !== 'ts')) {
  test(`${page}:${line} runs`, (t) => {
    t.timeout(PATIENCE_MS + 10_000)
    const file = join(folder, `${page.replaceAll(/\W/g, '-')}-${line}.${language}`)
    writeFileSync(file, code)
    ranWell(t, run(['--require', join(HERE, '_snippet-hooks.cjs'), file]), code)
  })
}

const COMPILER_OPTIONS = {
  strict: true,
  noEmit: true,
  target: 'ES2022',
  module: 'NodeNext',
  moduleResolution: 'NodeNext',
  lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
  types: ['node'],
  skipLibCheck: true,
}

/** Compiles each piece of code as a module of its own, whether or not it imports anything. */
const compile = (name, pieces) => {
  const files = pieces.map(({ line, code }) => {
    const file = `${name}-${line}.mts`
    writeFileSync(join(folder, file), `${code}\nexport {}\n`)
    return file
  })
  const project = join(folder, `tsconfig.${name}.json`)
  writeFileSync(project, JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files }))
  const manifest = require.resolve('typescript/package.json')
  return run([join(dirname(manifest), require(manifest).bin.tsc), '-p', project])
}

const typed = snippets.filter(({ language }) => language === 'ts')

if (typed.length > 0) {
  test(`${typed.map(({ page, line }) => `${page}:${line}`).join(', ')}: the TypeScript compiles`, (t) => {
    t.timeout(PATIENCE_MS + 10_000)
    ranWell(t, compile('readme', typed), typed.map(({ code }) => code).join('\n'))
  })
}

test('compiling snippets: one that is right compiles, one that is wrong is noticed', (t) => {
  t.timeout(PATIENCE_MS + 20_000)
  const call =
    "import { Atrion, type RouteDecision } from 'atrion'\nconst decision: RouteDecision = new Atrion().route("
  const right = { line: 1, code: `${call}'a', { latencyMs: 1 })\nconsole.log(decision.allow)` }
  const wrong = { line: 2, code: `${call}'a', { latency: 1 })\nconsole.log(decision.allow)` }
  ranWell(t, compile('right', [right]), right.code)
  const { status, stdout } = compile('wrong', [wrong])
  t.not(status, 0)
  t.regex(stdout, /latencyMs/)
})

// The extraction itself

test('blocks are found by their language, whatever the fence, and no-run is left out', (t) => {
  const markdown = [
    '```js',
    "import { Atrion } from 'atrion'",
    '```',
    'text',
    '```sh',
    'npm install atrion',
    '```',
    '```js no-run',
    'nothing()',
    '```',
    '````ts',
    'const x: number = 1',
    '```',
    '````',
    '~~~mjs',
    'await 1',
    '~~~',
    '```JS',
    "const { Atrion } = require('atrion')",
    '```',
    '```json',
    '{}',
    '```',
  ].join('\n')
  t.deepEqual(snippetsOf(markdown), [
    { line: 2, language: 'mjs', code: "import { Atrion } from 'atrion'\n" },
    { line: 12, language: 'ts', code: 'const x: number = 1\n```\n' },
    { line: 16, language: 'mjs', code: 'await 1\n' },
    { line: 19, language: 'cjs', code: "const { Atrion } = require('atrion')\n" },
  ])
  t.deepEqual(snippetsOf('no code'), [])
  t.is(snippetsOf(markdown.replaceAll('\n', '\r\n')).length, 4)
})

for (const [what, language, code, works] of [
  ['a module', 'mjs', "import { Atrion } from 'atrion'\nawait new Atrion().connect()\n", true],
  ['a script', 'cjs', "const { Atrion } = require('atrion')\nnew Atrion().route('a', { latencyMs: 1 })\n", true],
  ['a server', 'mjs', "import http from 'node:http'\nhttp.createServer().listen(80, () => console.log('up'))\n", true],
  ['a failing one', 'mjs', "import { Nothing } from 'atrion'\n", false],
]) {
  test(`running snippets: ${what} ${works ? 'works' : 'is noticed'}`, (t) => {
    const file = join(folder, `own-${what.replace(/\W/g, '-')}.${language}`)
    writeFileSync(file, code)
    const { status, signal } = run(['--require', join(HERE, '_snippet-hooks.cjs'), file])
    t.is(signal, null)
    t.is(status === 0, works)
  })
}
