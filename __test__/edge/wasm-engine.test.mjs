// Engine 'wasm' alone: its choice, memory that grows under the frame, names that are kept outside of it.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Atrion, VirtualClock } from 'atrion'
import test from 'ava'
import { CALM, HOSTILE_NAMES } from '../_engine.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const create = (options) => new Atrion({ engine: 'wasm', ...options })

/** Runs a script against the package in `folder`; what it printed, and what it warned of. */
const run = (folder, script, env = {}, flags = []) => {
  const clean = { ...process.env, ATRION_ENGINE: '', ATRION_USE_WASM: '', ...env }
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', script], {
    cwd: folder,
    env: clean,
    encoding: 'utf8',
  })
  return {
    status,
    printed: stdout.trim(),
    warnings: stderr.split('\n').filter((line) => line.includes('AtrionWarning')),
  }
}

/** The package as it is installed where there is no addon for the platform. */
const withoutAddon = (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'atrion-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const part of ['package.json', 'index.js', 'index.mjs', 'dist']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  return folder
}

test("without the addon 'auto' is wasm, and says once why it is not native", (t) => {
  const script = "const { Atrion } = require('atrion'); new Atrion(); console.log(new Atrion().engine)"
  const { status, printed, warnings } = run(withoutAddon(t), script)
  t.is(status, 0)
  t.is(printed, 'wasm')
  t.is(warnings.length, 1)
  t.regex(warnings[0], /engine 'wasm': 'native' did not load: /)
})

test('a runtime that compiles no wasm gets engine ts, and a named engine that does not load throws', (t) => {
  const folder = withoutAddon(t)
  const { printed } = run(folder, "console.log(new (require('atrion').Atrion)().engine)", {}, ['--jitless'])
  t.is(printed, 'ts')
  const script = "try { new (require('atrion').Atrion)({ engine: 'wasm' }) } catch (error) { console.log(error.name) }"
  t.is(run(folder, script, {}, ['--jitless']).printed, 'DependencyError')
})

test('wasm is chosen by option, by variable, and by import, without a warning', (t) => {
  const engineOf = (options) => `console.log(new (require('atrion').Atrion)(${options}).engine)`
  for (const [script, env] of [
    [engineOf("{ engine: 'wasm' }")],
    [engineOf('{ useWasm: true }')],
    [engineOf(''), { ATRION_ENGINE: 'wasm' }],
    [engineOf(''), { ATRION_USE_WASM: 'true' }],
    ["console.log(new (require('atrion/wasm').Atrion)().engine)"],
    ["import('atrion/wasm').then(({ Atrion }) => console.log(new Atrion({ engine: 'auto' }).engine))"],
    ["console.log(new (require('atrion/wasm/inline').Atrion)().engine)"],
    ["import('atrion/wasm/inline').then(({ Atrion }) => console.log(new Atrion().engine))"],
  ]) {
    const { printed, warnings } = run(ROOT, script, env)
    t.is(printed, 'wasm', script)
    t.deepEqual(warnings, [])
  }
})

test("atrion/wasm is the package's own classes", (t) => {
  const require = createRequire(import.meta.url)
  const wasm = require('atrion/wasm')
  t.true(new wasm.Atrion() instanceof Atrion)
  t.is(wasm.ShedError, require('atrion').ShedError)
  t.is(new wasm.Atrion({ engine: 'ts' }).engine, 'ts')
})

test('memory that grows under a call loses no answer', (t) => {
  const clock = new VirtualClock(0)
  const atrion = create({ clock, maxRoutes: 200_000 })
  const permits = []
  for (let i = 0; i < 60_000; i++) {
    const routeId = `route ${i % 20_000}`
    atrion.override(routeId, 'closed')
    const permit = atrion.acquire(routeId)
    if (!permit.allow || !Number.isFinite(permit.resistance)) t.fail(`permit ${i}: ${JSON.stringify(permit)}`)
    permits.push(permit)
  }
  t.is(atrion.stats('route 7').inFlight, 3)
  clock.advance(10)
  for (const permit of permits) permit.release()
  t.is(atrion.stats('route 7').inFlight, 0)
  t.is(atrion.getRoutes().length, 20_000)
})

test('engines that are no longer referenced give back what they took', (t) => {
  for (let i = 0; i < 3000; i++) {
    const atrion = create()
    if (atrion.route('route', CALM).resistance !== 12) t.fail()
  }
  t.pass()
})

test('more evictions at once than are remembered one by one forget exactly the routes that are gone', (t) => {
  const atrion = create({ maxRoutes: 65_536 })
  for (let i = 0; i < 5000; i++) atrion.route(`${i}:${'x'.repeat(3000)}`, CALM)
  // One name of 12 MiB leaves room for a quarter of what the bound on all names lets in.
  const before = atrion.getRoutes().length
  atrion.route('一'.repeat(4 << 20), CALM)
  const left = atrion.getRoutes()
  t.true(before - left.length > 1024, `${before} → ${left.length}`)
  for (const routeId of left) t.truthy(atrion.getState(routeId))
  t.is(atrion.getState(`0:${'x'.repeat(3000)}`), undefined)
  t.is(atrion.route('0', CALM).mode, 'BOOTSTRAP')
})

test('hostile names evict each other on wasm exactly as they do on native', (t) => {
  const names = [...HOSTILE_NAMES, ...Array.from({ length: 200 }, (_, i) => `${'é🛑\ud800'.repeat(i)}${i}`)]
  const routesOn = (engine) => {
    const atrion = new Atrion({ engine, maxRoutes: 40, clock: { now: () => 0 } })
    for (let i = 0; i < 2000; i++) atrion.route(names[(i * i * 7 + i) % names.length], CALM)
    return atrion.getRoutes().sort()
  }
  t.deepEqual(routesOn('wasm'), routesOn('native'))
})

test('every rare call of the port is an export of the module, by its name', async (t) => {
  const port = readFileSync(new URL('../../ts/engine/port.ts', import.meta.url), 'utf8')
  const [, calls] = /export const RARE_CALLS = \{\n([\s\S]*?)\n\}/.exec(port)
  const names = [...calls.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name)
  const module = new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve('atrion/wasm/module')))
  const exports = new Set(WebAssembly.Module.exports(module).map(({ name }) => name))
  // Names of routes stay on JavaScript's side.
  const own = ['find', 'routeIds', 'nameOf']
  t.true(names.length > 15)
  for (const name of names.filter((one) => !own.includes(one))) {
    t.true(exports.has(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)), name)
  }
})
