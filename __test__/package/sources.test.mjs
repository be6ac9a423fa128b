// The rules of the TypeScript sources that no compiler checks: which way imports point, how long a file is, which Node modules where.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const MAX_LINES = 350

const textOf = (file) => readFileSync(join(ROOT, 'ts', file), 'utf8')

/** Without comments: an example in a comment imports nothing. */
const codeOf = (text) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')

const importsOf = (text) =>
  [...codeOf(text).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, name]) => name)

const FILES = readdirSync(join(ROOT, 'ts'), { recursive: true })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))

/** Files by the files that they import. */
const GRAPH = new Map(
  FILES.map((file) => [
    file,
    importsOf(textOf(file))
      .filter((name) => name.startsWith('.'))
      .map((name) => posix.join(posix.dirname(file), name).replace(/\.js$/, '.ts')),
  ]),
)

/** Every circle, as the files along it. */
const circlesIn = (graph) => {
  const circles = []
  const done = new Set()
  const visit = (file, path) => {
    if (path.includes(file)) return circles.push([...path.slice(path.indexOf(file)), file])
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return circles
}

/** Files that are a layer of their own; every other file belongs to its folder's. */
const OWN_LAYER = {
  'engine/port.ts': 'port',
  'engine/kinds.ts': 'port',
  'engine/cluster-port.ts': 'port',
  'engine/loop-port.ts': 'port',
  'engine/image-port.ts': 'port',
  'core/types.ts': 'model types',
  'providers/provider.ts': 'provider port',
}
const layerOf = (file) => OWN_LAYER[file] ?? (file.includes('/') ? file.split('/')[0] : file)

/** The layers that a layer may import besides itself. */
const BOTTOM = ['port', 'model types', 'base']
const MAY_IMPORT = {
  port: ['model types'],
  addon: ['base'],
  'model types': [],
  'provider port': ['base'],
  base: ['port', 'model types'],
  events: BOTTOM,
  core: ['model types', 'base', 'events'],
  engine: [...BOTTOM, 'addon', 'core'],
  options: [...BOTTOM, 'core', 'events', 'provider port'],
  providers: ['port', 'base', 'events', 'provider port', 'addon'],
  routes: [...BOTTOM, 'core', 'engine', 'options', 'provider port', 'context.ts'],
  'context.ts': [...BOTTOM, 'core', 'engine', 'events', 'options', 'routes'],
  watchdog: [...BOTTOM, 'events', 'options', 'context.ts'],
  limiter: [...BOTTOM, 'core', 'engine', 'events', 'options', 'routes', 'watchdog', 'context.ts'],
  leases: [...BOTTOM, 'core', 'events', 'options', 'context.ts'],
  replication: [...BOTTOM, 'provider port', 'providers', 'routes', 'context.ts'],
  'parts.ts': ['leases', 'routes', 'context.ts'],
  'ports.ts': [...BOTTOM, 'engine', 'limiter', 'options', 'replication', 'routes', 'context.ts'],
  config: [
    ...BOTTOM,
    'core',
    'engine',
    'events',
    'limiter',
    'options',
    'provider port',
    'replication',
    'routes',
    'context.ts',
  ],
  bans: [...BOTTOM, 'events', 'limiter', 'provider port', 'replication'],
  'control.ts': [
    'base',
    'bans',
    'config',
    'limiter',
    'options',
    'provider port',
    'replication',
    'routes',
    'context.ts',
  ],
  recording: [...BOTTOM, 'addon', 'core', 'engine', 'options', 'context.ts'],
  stream: [...BOTTOM, 'core', 'engine', 'options', 'context.ts'],
  replay: [...BOTTOM, 'core', 'engine', 'options', 'recording', 'routes', 'simulation', 'atrion.ts'],
  'atrion.ts': [
    ...BOTTOM,
    ...['parts.ts', 'ports.ts'],
    ...['provider port', 'auto', 'swarm', 'bans', 'config', 'control.ts', 'recording', 'stream'],
    ...['core', 'engine', 'events', 'options', 'providers', 'routes', 'limiter', 'leases', 'replication', 'context.ts'],
  ],
  swarm: [...BOTTOM, 'core', 'events', 'leases', 'limiter', 'options', 'provider port', 'upstream', 'context.ts'],
  auto: [...BOTTOM, 'core', 'events', 'leases', 'options', 'routes', 'context.ts'],
  fleet: [...BOTTOM, 'addon', 'core', 'engine', 'options', 'routes'],
  pressure: ['base', 'addon'],
  upstream: ['port', 'model types', 'base', 'limiter'],
  adapters: [...BOTTOM, 'limiter', 'pressure', 'providers', 'provider port', 'swarm', 'upstream', 'atrion.ts'],
  exporters: [...BOTTOM, 'engine', 'events', 'limiter', 'pressure', 'atrion.ts'],
  studio: [...BOTTOM, 'engine', 'events', 'limiter', 'options', 'pressure', 'atrion.ts'],
  hooks: ['limiter'],
  devtools: ['hooks'],
  simulation: [...BOTTOM, 'core', 'options'],
  testing: [...BOTTOM, 'options', 'provider port', 'simulation', 'atrion.ts'],
  'wasm-names.ts': ['model types', 'core'],
}

/** Entry points of the package, which may import everything. */
const ENTRIES = ['index.ts', 'names.ts', 'wasm.ts', 'entries', 'cli']

test('no import makes a circle', (t) => {
  t.true(FILES.length > 100)
  t.deepEqual(circlesIn(GRAPH), [])
  // The search finds one that is there.
  const circle = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['b']],
  ])
  t.deepEqual(circlesIn(circle), [['b', 'c', 'b']])
})

test('every import leads to a file', (t) => {
  for (const [file, imports] of GRAPH) for (const one of imports) t.true(GRAPH.has(one), `${file} imports ${one}`)
})

test('imports point one way: adapters, the class, its parts, the port', (t) => {
  const wrong = []
  for (const [file, imports] of GRAPH) {
    const layer = layerOf(file)
    if (ENTRIES.includes(layer)) continue
    t.truthy(MAY_IMPORT[layer], `ts/${file} is in a layer that has no place in the picture`)
    for (const one of imports) {
      const other = layerOf(one)
      if (other !== layer && !MAY_IMPORT[layer].includes(other)) wrong.push(`${file} imports ${one}`)
    }
  }
  t.deepEqual(wrong, [])
})

test('a file has at most 350 lines, or says at its head why it is longer', (t) => {
  for (const file of FILES) {
    const text = textOf(file)
    if (text.split('\n').length <= MAX_LINES) continue
    t.regex(text.slice(0, text.indexOf('*/')), /Longer than other files, because/, file)
  }
  t.true(textOf('index.ts').split('\n').length < 60, 'index.ts is a table of contents')
  t.true(textOf('atrion.ts').split('\n').length <= MAX_LINES, 'atrion.ts hands on to its parts')
})

test('no module of Node is imported: bundles of any format, for any runtime, can hold the package', (t) => {
  const values = /^ *(?:import|export) (?!type )(?:[^'"\n]|\n(?! *import))*from ['"]node:/m
  for (const file of FILES) t.notRegex(codeOf(textOf(file)), values, file)
  const built = readdirSync(join(ROOT, 'dist'), { recursive: true }).filter((file) => /\.[cm]js$/.test(file))
  t.true(built.length > 40)
  for (const file of built) {
    // A `require` for old versions of Node is inside a function, and may fail: modules.test.mjs.
    const text = readFileSync(join(ROOT, 'dist', file), 'utf8').replace(
      /case ?`(node:[a-z_/0-9]+)`: ?return require\("\1"\)/g,
      '',
    )
    t.notRegex(text, /(?:\bfrom|\brequire\(|^import) ?["'`]node:/m, file)
  }
})

test('a Node that is too old to be asked for its modules can require each that is asked for', (t) => {
  const config = readFileSync(join(ROOT, 'rolldown.config.mjs'), 'utf8')
  const listed = /const BUILTINS =\s+'([^']+)'/.exec(config)[1].split(' ')
  const asked = FILES.flatMap((file) =>
    [...textOf(file).matchAll(/\bbuiltin\('node:([^']+)'\)/g)].map(([, name]) => name),
  )
  t.deepEqual([...new Set(asked)].sort(), listed.sort())
})

test('the functional model and the port use nothing of Node or of the host', (t) => {
  for (const file of FILES.filter((one) => one.startsWith('core/') || one === 'engine/port.ts')) {
    const code = codeOf(textOf(file))
    t.deepEqual(
      importsOf(code).filter((name) => !name.startsWith('.')),
      [],
      file,
    )
    t.notRegex(code, /\b(?:process|setTimeout|setInterval|fetch)\b\s*[.(]/, file)
  }
})

test('every file that a comment or a page names is there', (t) => {
  const folders = ['ts', 'src', 'scripts', 'lab', 'benches', 'demo', 'tests', '__test__', 'docs']
  const PATH = new RegExp(`\`((?:${folders.join('|')})/[\\w./-]+\\.(?:ts|rs|mjs|md|json|csv))\``, 'g')
  const skipped = /(?:^|\/)(?:node_modules|dist|cache|api|record|target)\//
  const read = folders
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true }).map((file) => `${folder}/${file}`))
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /\.(?:ts|rs|mjs|md)$/.test(file) && !skipped.test(file))
  const named = read.flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(PATH)].map(([, path]) => `${file}: ${path}`),
  )
  t.true(named.length > 20, `${named.length} files are named`)
  t.deepEqual(
    named.filter((line) => !existsSync(join(ROOT, line.split(': ')[1]))),
    [],
  )
})
