/** Next.js: an application with a route handler on each runtime, built by both of its bundlers, served, and served without `node_modules`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { npm, ROOT } from '../process.mjs'
import { say } from '../progress.mjs'
import { must } from './clients.mjs'
import { layOut } from './machines.mjs'

const FOLDER = join(ROOT, '.cache', 'next')
const VERSIONS = { next: '16.4.6', react: '19', 'react-dom': '19' }

const routeOf = (name, settings) => `import { Atrion } from 'atrion'
import { withAtrion } from 'atrion/fetch'
${settings}
const atrion = new Atrion()
const answer = () => Response.json({ engine: atrion.engine, inFlight: atrion.stats('GET /${name}').inFlight })
export const GET = withAtrion(answer, { atrion, route: 'GET /${name}' })
`
const FILES = {
  'app/layout.js': 'export default ({ children }) => <html lang="en"><body>{children}</body></html>\n',
  'app/page.js': 'export default () => <p>hello</p>\n',
  'app/node/route.js': routeOf('node', "export const dynamic = 'force-dynamic'"),
  'app/edge/route.js': routeOf('edge', "export const runtime = 'edge'"),
}
/** The folders above are no part of the application. */
const ROOTS = 'turbopack: { root: import.meta.dirname }, outputFileTracingRoot: import.meta.dirname'
const CONFIGS = {
  plain: `export default { output: 'standalone', ${ROOTS} }\n`,
  // As documented.
  external: `export default { output: 'standalone', ${ROOTS}, serverExternalPackages: ['atrion'],
  outputFileTracingIncludes: { '/**': ['./node_modules/@atrion/native-*/**'] } }\n`,
}

const provideNext = async () => {
  mkdirSync(FOLDER, { recursive: true })
  const manifest = join(FOLDER, 'node_modules', 'next', 'package.json')
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === VERSIONS.next) return
  say('Installing Next.js.')
  writeFileSync(join(FOLDER, 'package.json'), JSON.stringify({ private: true, dependencies: VERSIONS }))
  const { code } = await npm(['install', '--prefix', FOLDER, '--no-audit', '--no-fund'], { quiet: true })
  if (code !== 0) throw new Error('Next.js could not be installed')
}

const ENV = { ...process.env, ATRION_ENGINE: '', NODE_OPTIONS: '', NEXT_TELEMETRY_DISABLED: '1', CI: '1' }

/** Starts a server and asks it; it ends with that. Resolves to the engine that answered. */
const served = async (cwd, args, path) => {
  const env = { ...ENV, PORT: '0', HOSTNAME: '127.0.0.1' }
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
  const ended = once(child, 'close')
  let printed = ''
  child.stderr.on('data', (chunk) => {
    printed += chunk
  })
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      printed += `${line}\n`
      const url = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(line)?.[0]
      if (url === undefined) continue
      // The rest of the output is read, else the server would wait for it.
      child.stdout.resume()
      const { engine, inFlight } = await (await fetch(url + path)).json()
      if (inFlight !== 1) throw new Error(`the request is not guarded: ${inFlight} in flight`)
      return engine
    }
    throw new Error(`it did not start: ${printed}`)
  } finally {
    child.kill()
    await ended
  }
}

const build = async (config, bundler) => {
  rmSync(join(FOLDER, '.next'), { recursive: true, force: true })
  writeFileSync(join(FOLDER, 'next.config.mjs'), CONFIGS[config])
  await must(process.execPath, ['node_modules/next/dist/bin/next', 'build', `--${bundler}`], { cwd: FOLDER, env: ENV })
}

/** Serves what `output: 'standalone'` wrote, with nothing left where it was built. */
const servedAlone = async (path) => {
  const folder = mkdtempSync(join(tmpdir(), 'atrion-next-'))
  const away = `${FOLDER}-away`
  try {
    cpSync(join(FOLDER, '.next', 'standalone'), folder, { recursive: true, verbatimSymlinks: true })
    renameSync(FOLDER, away)
    return await served(folder, ['server.js'], path)
  } finally {
    if (existsSync(away)) renameSync(away, FOLDER)
    rmSync(folder, { recursive: true, force: true })
  }
}

const serve = (path) => served(FOLDER, ['node_modules/next/dist/bin/next', 'start'], path)

/** @yields cells of the matrix: `{ client, what, expected, engine?, failure?, skipped? }` */
export async function* nextCells(packed, platform) {
  let problem
  try {
    await provideNext()
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(FOLDER, name)), { recursive: true })
      writeFileSync(join(FOLDER, name), text)
    }
    for (const name of ['atrion', '@atrion'])
      rmSync(join(FOLDER, 'node_modules', name), { recursive: true, force: true })
    await layOut(FOLDER, packed, platform)
  } catch (error) {
    problem = error.message.split('\n')[0]
  }
  for (const bundler of ['turbopack', 'webpack']) {
    for (const [config, what, expected, work] of [
      ['plain', 'a bundle beside node_modules', 'native', () => serve('/node')],
      ['plain', 'the edge runtime', 'wasm', () => serve('/edge')],
      ['plain', 'standalone, alone', 'wasm', () => servedAlone('/node')],
      ['external', 'standalone, serverExternalPackages', 'native', () => servedAlone('/node')],
    ]) {
      const client = `Next.js, ${bundler}`
      if (problem !== undefined) {
        yield { client, what, skipped: problem }
        continue
      }
      try {
        if (what !== 'the edge runtime' && what !== 'standalone, alone') await build(config, bundler)
        const engine = await work()
        if (engine !== expected) throw new Error(`engine '${engine}', not '${expected}'`)
        yield { client, what, expected, engine }
      } catch (error) {
        yield { client, what, expected, failure: error.message.slice(0, 600) }
      }
    }
  }
}
