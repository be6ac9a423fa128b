// One install, two module systems, one set of classes.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import test from 'ava'
import { rolldown } from 'rolldown'
import { parseAst } from 'rolldown/parseAst'
import { entries, withEntries } from '../../scripts/lib/entries.mjs'
import { manifest } from '../../scripts/lib/platforms.mjs'
import { CALM, engine } from '../_engine.mjs'

const require = createRequire(import.meta.url)
const cjs = require('atrion')
const [esm, core, simulation] = await Promise.all([
  import('atrion'),
  import('atrion/core'),
  import('atrion/simulation'),
])

const namesOf = (module) =>
  Object.keys(module)
    .filter((name) => name !== 'default' && name !== 'module.exports')
    .sort()

/** The names that the package promises. */
const PROMISED = `
  Atrion InMemoryProvider
  AtrionError ConnectionError DependencyError SyncError ParseError ShedError ConfigError
  consoleObserver silentObserver createCompositeObserver createFilteredObserver createCollectorObserver
  consoleLogger silentLogger createLogger getLogger setLogger resetLogger
  VectorMath RealClock VirtualClock normalize normalizeTelemetry isValidPressure isValidPressureVector
  DEFAULT_CONFIG DEFAULT_SLO deriveWeights deriveBaselines floatEquals
  PHYSICS_EPSILON MIN_SIGNIFICANT_CHANGE MAX_SAFE_RESISTANCE EPSILON MAX_RESISTANCE MIN_DELTA_T
  PhysicsGuard isSafeNumber toSafeNumber safeClamp safeDivide safeExp safeTanh clampToZero normalizeZero
  sanitizePressure sanitizePositive calculateMomentum updateScar calculateStaleness calculateResistance
  createBootstrapState updatePhysics createRequest decideFlow selectRoute AutoTuner DEFAULT_AUTOTUNER_CONFIG
  PROFILE_CONFIGS getProfileConfig requiresAbortController requiresHeartbeat calculateProfilePressure
`
  .trim()
  .split(/\s+/)

test('every promised name is there, by import and by require', (t) => {
  for (const name of PROMISED) {
    t.not(esm[name], undefined, name)
    t.is(esm[name], cjs[name], name)
  }
})

test('import and require give the same names, and each is the same thing', (t) => {
  t.deepEqual(namesOf(esm), namesOf(cjs))
  for (const name of namesOf(esm)) t.is(esm[name], cjs[name], name)
})

test('the functional model of atrion is the one of atrion/core', (t) => {
  for (const name of namesOf(core)) t.is(esm[name], core[name], name)
  for (const name of namesOf(core)) t.is(require('atrion/core')[name], core[name], name)
})

test('the simulation is there, by import and by require', (t) => {
  for (const name of ['runSimulation', 'Scenarios', 'SimulationObserver']) {
    t.not(simulation[name], undefined, name)
    t.is(require('atrion/simulation')[name], simulation[name], name)
  }
})

test('an error thrown by the one is an instance for the other', (t) => {
  const error = t.throws(() => new cjs.Atrion({ maxRoutes: 0 }))
  t.true(error instanceof esm.ConfigError)
  t.true(error instanceof esm.AtrionError && error instanceof Error)
  t.true(new cjs.Atrion({ engine }) instanceof esm.Atrion)
})

test('a clock of the core drives an instance of the package', (t) => {
  const clock = new core.VirtualClock(1234)
  const atrion = new cjs.Atrion({ engine, clock })
  atrion.route('route', CALM)
  t.is(atrion.getState('route').lastUpdatedAt, 1234)
})

test('package.json can be read, and nothing behind the entry points', (t) => {
  t.is(require('atrion/package.json').name, 'atrion')
  t.throws(() => require('atrion/dist/index.cjs'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
})

test('package.json has every subpath that the sources have, and each can be required and imported', async (t) => {
  t.deepEqual(Object.keys(manifest().exports), Object.keys(withEntries(manifest()).exports))
  t.deepEqual(withEntries(manifest()), manifest())
  for (const [name] of entries()) {
    const imported = namesOf(await import(`atrion/${name}`))
    t.deepEqual(imported, namesOf(require(`atrion/${name}`)), name)
    t.not(imported.length, 0, name)
  }
})

test('a subpath that is new is written, and one that is gone is not kept', (t) => {
  const given = manifest()
  const { './fetch': _, ...exports } = given.exports
  const { fetch: __, ...types } = given.typesVersions['*']
  const stale = { ...given, exports: { ...exports, './gone': './dist/gone.cjs' }, typesVersions: { '*': types } }
  t.deepEqual(withEntries(stale), given)
})

/** The names of Node's modules that code requires, by where: within `try`, which a bundler for another runtime may leave unresolved, or not. */
const required = (code) => {
  const found = { tried: [], bare: [] }
  const walk = (node, isTried) => {
    if (typeof node !== 'object' || node === null) return
    const [argument] = node.type === 'CallExpression' && node.callee.name === 'require' ? node.arguments : []
    if (argument?.value?.startsWith?.('node:')) found[isTried ? 'tried' : 'bare'].push(argument.value)
    const tries = node.type === 'TryStatement' || (isTried && !/Function/.test(node.type))
    for (const [field, value] of Object.entries(node)) walk(value, tries && field !== 'handler')
  }
  walk(parseAst(code, { lang: 'js' }), false)
  return found
}

test("no code but the command's requires a module of Node's where that must not fail", (t) => {
  const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
  const files = ['', 'chunks'].flatMap((folder) =>
    readdirSync(join(dist, folder))
      .filter((name) => name.endsWith('.cjs') && name !== 'cli.cjs')
      .map((name) => join(dist, folder, name)),
  )
  const all = files.map((file) => [file, required(readFileSync(file, 'utf8'))])
  for (const [file, { bare }] of all) t.deepEqual(bare, [], file)
  t.true(all.flatMap(([, { tried }]) => tried).includes('node:fs'))
})

/** The exports of CommonJS that is bundled for a page, evaluated where nothing of Node is. */
const inPage = async (code) => {
  const bundle = await rolldown({
    input: 'page.cjs',
    platform: 'browser',
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === 'page.cjs' ? fileURLToPath(new URL(id, import.meta.url)) : null),
        load: (id) => (id.endsWith('page.cjs') ? code : null),
      },
    ],
    onLog: () => {},
  })
  const { output } = await bundle.generate({ format: 'iife', name: 'page' })
  // The globals of Node that a page has, too.
  const { process: _, Buffer: __, global: ___, ...web } = Object.getOwnPropertyDescriptors(globalThis)
  const context = createContext({})
  const language = runInContext('Object.getOwnPropertyNames(globalThis)', context)
  for (const name of Object.keys(web)) if (!language.includes(name)) Object.defineProperty(context, name, web[name])
  return runInContext(`${output[0].code};page`, context)
}

test('CommonJS bundled for a page may require every subpath, and has one copy of each class', async (t) => {
  // Nest itself is of Node's servers.
  const names = entries()
    .map(([name]) => name)
    .filter((name) => name !== 'nest')
  const code = `module.exports = { atrion: require('atrion'), ${names.map((name) => `'${name}': require('atrion/${name}')`)} }`
  const page = await inPage(code)
  for (const name of names) {
    const there = namesOf(page[name])
    t.true(there.length > 0, name)
    for (const one of there) t.true(one in require(`atrion/${name}`), `${name}: ${one}`)
  }
  for (const name of namesOf(page.core)) t.is(page.core[name], page.atrion[name], name)
})
