// The command that an error names mends what it was named for: installed from a registry by npm, damaged, and repaired by that command alone.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { serveRegistry } from '../../scripts/lib/packages-matrix/registry.mjs'
import { binaries, packAll } from '../../scripts/lib/release.mjs'
import { change, own, run } from '../_installed.mjs'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'atrion-remedies-')))
const native = own && join('node_modules', '@atrion', `native-${own.platform.name}`)
const serial = own ? test.serial : test.serial.skip
let registry

/** Runs a command line in an app, with the registry of what was packed here. */
const command = (line, cwd) =>
  new Promise((resolve) => {
    const env = { ...process.env, npm_config_cache: join(folder, 'cache'), npm_config_registry: registry.url }
    const child = spawn(line, {
      cwd,
      shell: true,
      env: { ...env, npm_config_audit: 'false', npm_config_fund: 'false' },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
    child.on('close', (code) => resolve({ code, output }))
  })

test.before(async () => {
  if (own === undefined) return
  const found = binaries().map((each) =>
    each.platform.name === own.platform.name ? each : { ...each, binary: undefined },
  )
  registry = await serveRegistry(await packAll(join(folder, 'packed'), { found, isWhole: true }))
  for (const [name, options] of [
    ['whole', ''],
    ['omitting', '--omit=optional'],
  ]) {
    const app = join(folder, name)
    mkdirSync(app)
    writeFileSync(join(app, 'package.json'), '{"private":true}')
    const { code, output } = await command(`npm install ${options} atrion`, app)
    if (code !== 0) throw new Error(output)
  }
})
test.after.always(async () => {
  await registry?.close()
  rmSync(folder, { recursive: true, force: true })
})

const ENGINE = `
  try { console.log(new (require('atrion').Atrion)({ engine: 'native' }).engine) }
  catch ({ message }) { console.log(message) }`
const REDIS = `
  try { console.log(new (require('atrion').RedisStateProvider)({ path: '/nowhere' }).stats().state) }
  catch ({ message }) { console.log(message) }`

const rewrite = (file, text) => (app) => writeFileSync(join(app, native, file), text)
const lose = (file) => (app) => rmSync(join(app, native, file), { recursive: true })
const engine = own?.platform.binary ?? ''
const redis = own?.platform.redisBinary ?? ''
const faults = {
  'an engine that is empty': rewrite(engine, ''),
  'an engine that is none': rewrite(engine, '<html>'),
  'an engine that is missing': lose(engine),
  'an engine with a folder in its place': (app) => {
    lose(engine)(app)
    mkdirSync(join(app, native, engine))
  },
  'a manifest that is empty': rewrite('package.json', ''),
  'a manifest that is none': rewrite('package.json', 'null'),
  'a manifest that is missing': lose('package.json'),
  'a package that is missing': lose(''),
  'a package of another version': (app) =>
    change(join(app, native, 'package.json'), (manifest) => {
      manifest.version = '2.9.9'
    }),
  'a client of Redis that is damaged': rewrite(redis, ''),
  'a client of Redis that is missing': lose(redis),
  'an install without optional packages': undefined,
}
for (const [name, damage] of Object.entries(faults)) {
  serial(`the command named for ${name} mends it`, async (t) => {
    const app = join(folder, name.replaceAll(' ', '-'))
    cpSync(join(folder, damage ? 'whole' : 'omitting'), app, { recursive: true })
    damage?.(app)
    const [script, working] = name.includes('Redis') ? [REDIS, 'closed'] : [ENGINE, 'native']
    const { printed } = run(app, script)
    const [, remedy] = /: run `(.+)`$/.exec(printed) ?? []
    t.truthy(remedy, printed)
    const { code, output } = await command(remedy, app)
    t.is(code, 0, output)
    t.is(run(app, script).printed, working, `after ${remedy}: ${output}`)
  })
}
