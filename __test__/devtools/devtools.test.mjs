// The panel outside of a browser: what its parts weigh, what a production build keeps, and options that are wrong.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { isConfigError } from 'atrion'
import * as devtools from 'atrion/devtools'
import test from 'ava'
import { rolldown } from 'rolldown'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const MOST_BYTES = 2_048
const { addVueTab, atrionVite, definePanel, tanstackPlugin } = devtools

/** The bundle of an entry, minified, as a page gets it. */
const bundleOf = async (code, plugins = []) => {
  const entry = {
    name: 'entry',
    resolveId: (id) => (id === 'entry' ? join(ROOT, 'entry.mjs') : null),
    load: (id) => (id === join(ROOT, 'entry.mjs') ? code : null),
  }
  const bundle = await rolldown({ input: 'entry', cwd: ROOT, platform: 'browser', plugins: [entry, ...plugins] })
  const { output } = await bundle.generate({ format: 'esm', minify: true })
  await bundle.close()
  return output.map(({ code: text }) => text).join('')
}

const APP = "globalThis.app = 'the application'\n"

for (const [name, code] of Object.entries({
  'TanStack Devtools': "import { tanstackPlugin } from 'atrion/devtools'\nexport const plugin = tanstackPlugin()",
  'Vue Devtools': "import { addVueTab } from 'atrion/devtools'\naddVueTab(globalThis.addCustomTab)",
  'the element': "import 'atrion/devtools'",
})) {
  test(`a registration is less than 2 kB, the element in it: ${name}`, async (t) => {
    const text = await bundleOf(code)
    t.regex(text, /atrion-panel/, 'the element is in it')
    const bytes = gzipSync(text, { level: 9 }).length
    t.log(`${bytes} B`)
    t.true(bytes <= MOST_BYTES, `${bytes} B`)
  })
}

test('a production build with the plugin has no byte of the panel', async (t) => {
  const plain = await bundleOf(APP)
  for (const code of [
    "import 'atrion/devtools'\n",
    "import { definePanel } from 'atrion/devtools'\ndefinePanel()\n",
    "import { addVueTab } from 'atrion/devtools'\naddVueTab((tab) => globalThis.tabs.push(tab), { src: '/atrion' })\n",
    "import { tanstackPlugin } from 'atrion/devtools'\nconst plugin = tanstackPlugin({ src: '/atrion' })\n",
    "import * as devtools from 'atrion/devtools'\ndevtools.definePanel()\n",
  ]) {
    t.is(await bundleOf(code + APP, [atrionVite()]), plain, code)
    t.true((await bundleOf(code + APP)).length > plain.length, `without the plugin it is there: ${code}`)
  }
})

test('a production build keeps the hooks that a component uses, and not the panel', async (t) => {
  const text = await bundleOf("import { reactHook } from 'atrion/devtools'\nexport const make = reactHook", [
    atrionVite(),
  ])
  t.regex(text, /useSyncExternalStore/)
  t.notRegex(text, /atrion-panel/)
})

test('the modules without effect have every name of the real ones', async (t) => {
  const plugin = atrionVite()
  const { code } = plugin.load(plugin.resolveId('atrion/devtools'))
  for (const name of Object.keys(devtools).filter((one) => !/^(?:default|module\.exports)$/.test(one))) {
    t.regex(code, new RegExp(`\\b${name}\\b`), name)
  }
  t.is(plugin.resolveId('atrion'), null)
  t.is(plugin.load('atrion'), null)
})

test('the plugin is on in builds for production alone', (t) => {
  const { apply, enforce } = atrionVite()
  t.is(enforce, 'pre')
  t.true(apply({}, { command: 'build', mode: 'production' }))
  t.true(apply({}, { command: 'build', mode: 'staging' }))
  t.false(apply({}, { command: 'build', mode: 'development' }))
  t.false(apply({}, { command: 'serve', mode: 'production' }))
})

test('on a server the panel is registered and defines nothing', (t) => {
  t.notThrows(definePanel)
  t.is(tanstackPlugin({ src: 'https://ops.example.com/atrion' }).id, 'atrion')
  const tabs = []
  addVueTab((tab) => tabs.push(tab), { src: '/ops' })
  t.deepEqual(tabs[0].view, { type: 'iframe', src: '/ops' })
})

test('an address that is none of http, and an option that is unknown, are errors with their field', (t) => {
  const add = (options) => addVueTab(() => {}, options)
  for (const src of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'http://', '', 1, null, {}]) {
    for (const register of [tanstackPlugin, add]) {
      const error = t.throws(() => register({ src }), undefined, String(src))
      t.true(isConfigError(error))
      t.is(error.field, 'src')
      t.regex(error.message, /http address of Studio.*got/)
    }
  }
  t.is(t.throws(() => tanstackPlugin({ source: '/atrion' })).field, 'source')
  t.is(t.throws(() => tanstackPlugin(null)).field, 'options')
  t.is(t.throws(() => addVueTab(undefined)).field, 'addCustomTab')
})
