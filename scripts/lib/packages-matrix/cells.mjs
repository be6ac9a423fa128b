/** The cells of the matrix: what is installed how, what is done with it, and which engine has to come of it. */
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { BUNDLERS, bundle } from './bundlers.mjs'
import { CLIENTS, createApp, losePlatforms, must } from './clients.mjs'

const APP = `import { Atrion, FileStateProvider } from 'atrion'
import { atrionHttp } from 'atrion/http'
const atrion = new Atrion()
const permit = atrion.acquire('GET /')
permit.release()
const whole = typeof FileStateProvider === 'function' && typeof atrionHttp === 'function'
console.log(JSON.stringify({ engine: atrion.engine, allow: permit.allow, inFlight: atrion.stats('GET /').inFlight, whole }))
`
const FILES = {
  'app.mjs': APP,
  'app.cjs': APP.replace(/^import (.*) from (.*)$/gm, 'const $1 = require($2)'),
}

/** A platform that this machine is not. */
const OTHER = process.platform === 'darwin' ? { os: 'linux', cpu: 'x64' } : { os: 'darwin', cpu: 'arm64' }

/** Reads what an app printed. @throws Error when it did not work, or came to another engine */
const check = ({ stdout, stderr }, expected) => {
  const { engine, allow, inFlight, whole } = JSON.parse(stdout.trim().split('\n').at(-1))
  if (!(allow === true && inFlight === 0 && whole === true)) throw new Error(`acquire() does not work: ${stdout}`)
  if (engine !== expected) throw new Error(`engine '${engine}', not '${expected}': ${stderr.trim().split('\n')[0]}`)
  if (engine === 'wasm' && !stderr.includes('AtrionWarning')) throw new Error('no warning says why it is not native')
  return engine
}

/**
 * Tries one package manager: installs by it in every way, bundles what it installed by every bundler.
 *
 * @param given `registry` its address, `version` of the package, `bundlers` their names, `formats`
 * @yields `{ client, what, expected, engine?, failure?, skipped?, tookMs? }`
 */
export async function* cellsOf(
  client,
  { registry, version, bundlers = Object.keys(BUNDLERS), formats = ['cjs', 'esm'] },
) {
  const { prepare, install, run, isPnp = false, lacksOmit = false, refusesLostLocks = false } = CLIENTS[client]
  const root = mkdtempSync(join(tmpdir(), 'atrion-packages-'))
  const create = (name) => {
    const folder = join(root, name)
    createApp(folder, version, FILES)
    prepare(folder, registry)
    return folder
  }
  const attempt = async (what, expected, work) => {
    const startedAt = performance.now()
    try {
      return { client, what, expected, engine: await work(), tookMs: performance.now() - startedAt }
    } catch (error) {
      return {
        client,
        what,
        expected,
        failure: error.message.trim().slice(0, 800),
        tookMs: performance.now() - startedAt,
      }
    }
  }
  try {
    const app = create('app')
    let installMs
    yield await attempt('import', 'native', async () => {
      const startedAt = performance.now()
      await install(app)
      installMs = performance.now() - startedAt
      return check(await run(app, 'app.mjs'), 'native')
    }).then((cell) => ({ ...cell, tookMs: installMs }))
    yield await attempt('require', 'native', async () => check(await run(app, 'app.cjs'), 'native'))

    if (lacksOmit) yield { client, what: 'no optional', skipped: 'has no such option' }
    else {
      yield await attempt('no optional', 'wasm', async () => {
        const folder = create('omit')
        await install(folder, { omitOptional: true })
        return check(await run(folder, 'app.mjs'), 'wasm')
      })
    }

    yield await attempt('lock file', 'native', async () => {
      const folder = create('lock')
      await install(folder, client.startsWith('npm') ? { platform: OTHER } : {})
      rmSync(join(folder, 'node_modules'), { recursive: true, force: true })
      await install(folder, { frozen: true })
      return check(await run(folder, 'app.mjs'), 'native')
    })
    if (refusesLostLocks) yield { client, what: 'lock that lost it', skipped: 'refused: npm ci names what it lacks' }
    else if (client.startsWith('npm')) {
      yield await attempt('lock that lost it', 'wasm', async () => {
        const folder = create('lost')
        await install(folder)
        rmSync(join(folder, 'node_modules'), { recursive: true })
        losePlatforms(folder, `${OTHER.os}-${OTHER.cpu}`)
        await install(folder, { frozen: true })
        return check(await run(folder, 'app.mjs'), 'wasm')
      })
    } else yield { client, what: 'lock that lost it', skipped: 'its lock files name every platform' }

    const away = []
    for (const name of bundlers) {
      for (const format of formats) {
        const what = `${name}, ${format}`
        if (isPnp && name !== 'esbuild') {
          yield { client, what, skipped: 'the bundler needs a plug-in for PnP' }
          continue
        }
        let file
        yield await attempt(what, 'native', async () => {
          file = await bundle(name, app, format)
          return check(await run(app, file), 'native')
        })
        if (file !== undefined) away.push([what, file])
      }
    }
    // The bundles alone, and nothing left where they were made.
    const alone = join(root, 'alone')
    mkdirSync(alone)
    for (const [, file] of away) copyFileSync(file, join(alone, basename(file)))
    renameSync(app, join(root, 'away'))
    for (const [what, file] of away) {
      yield await attempt(`${what}, alone`, 'wasm', async () =>
        check(await must(process.execPath, [basename(file)], { cwd: alone }), 'wasm'),
      )
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
