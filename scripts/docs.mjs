/**
 * The documentation as a static site: the pages of docs/, an API reference from the doc comments, the demo of the browser.
 * `npm run docs -- --help`.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { buildDemo } from './demo-browser.mjs'
import { cliOf } from './lib/cli.mjs'
import { node, npm, ROOT } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { serve } from './lib/serve.mjs'
import { installPackages } from './lib/toolchain.mjs'

const DOCS = join(ROOT, 'docs')
const SITE = join(DOCS, '.vitepress', 'dist')
const ENTRIES = [
  'index.ts',
  'core/index.ts',
  'simulation/index.ts',
  'studio/index.ts',
  'testing/index.ts',
  'wasm.ts',
  ...['express', 'fastify', 'fetch', 'hono', 'http', 'koa', 'nest', 'undici'].map((name) => `adapters/${name}.ts`),
  ...['prometheus', 'otel', 'channels'].map((name) => `exporters/${name}.ts`),
]

const USAGE = `Usage: npm run docs -- [options]

Builds the documentation into docs/.vitepress/dist/.

  --serve   serve it on this machine
  --help    this text

DOCS_BASE=/path/ builds it for a site that is not at the root. Exits with 1 on a dead link.`

const { values: options } = cliOf(USAGE, { options: { serve: { type: 'boolean', default: false } } })

const fail = (message) => {
  console.error(message)
  process.exit(1)
}

/** Entry point of a command that docs/node_modules brings. */
const entryOf = (name, command = name) => {
  const manifest = join(DOCS, 'node_modules', name, 'package.json')
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'))
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[command])
}

/** The packages that build the site, as docs/package-lock.json names them. */
const installGenerators = async () => {
  const { devDependencies } = JSON.parse(readFileSync(join(DOCS, 'package.json'), 'utf8'))
  const isThere = ([name, version]) => {
    const manifest = join(DOCS, 'node_modules', name, 'package.json')
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version
  }
  if (Object.entries(devDependencies).every(isThere)) return true
  say('Installing VitePress and TypeDoc into docs/node_modules (npm ci).')
  return (await npm(['ci', '--prefix', DOCS, '--no-audit', '--no-fund', '--loglevel=error'])).code === 0
}

const writeApi = async () => {
  say('Writing the API reference from the doc comments.')
  const args = [
    ...ENTRIES.flatMap((entry) => ['--entryPoints', join('ts', entry)]),
    ...['--tsconfig', 'tsconfig.json', '--out', join('docs', 'reference', 'api'), '--readme', 'none', '--name', 'API'],
    ...['--plugin', 'typedoc-plugin-markdown', '--plugin', 'typedoc-vitepress-theme', '--docsRoot', 'docs'],
    ...['--excludeInternal', '--excludePrivate', '--excludeExternals', '--disableSources', '--hideBreadcrumbs'],
    // `npm run lint` checks the types, with a newer compiler than TypeDoc can use.
    ...[
      '--skipErrorChecking',
      '--treatValidationWarningsAsErrors',
      '--validation.notExported',
      'false',
      '--logLevel',
      'Warn',
    ],
  ]
  return (await node(entryOf('typedoc'), args)).code === 0
}

const buildSite = async () => {
  say('Building the site.')
  return (await node(entryOf('vitepress'), ['build', DOCS])).code === 0
}

/** Pages of the site, from its root. */
const pagesOf = () =>
  readdirSync(SITE, { recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.html'))

/** Links, pictures and frames of the built site that lead nowhere; anchors too. */
const deadLinks = () => {
  const base = process.env.DOCS_BASE ?? '/'
  const pages = new Map(pagesOf().map((path) => [path, readFileSync(join(SITE, path), 'utf8')]))
  const dead = []
  for (const [path, html] of pages) {
    for (const [, target] of html.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
      if (target === '' || /^([a-z]+:|\/\/)/.test(target)) continue
      const [address, anchor] = target.split('#')
      const local = address.startsWith(base) ? address.slice(base.length) : join(dirname(path), address)
      const file = address === '' ? path : normalize(local).replaceAll('\\', '/').split('?')[0]
      const found = [file, `${file}.html`, join(file, 'index.html')].find(
        (name) => /\.\w+$/.test(name) && existsSync(join(SITE, name)),
      )
      if (found === undefined) dead.push(`${path}: ${target}`)
      else if (anchor && pages.has(found) && !pages.get(found).includes(`id="${decodeURIComponent(anchor)}"`)) {
        dead.push(`${path}: ${target} (no such heading)`)
      }
    }
  }
  return dead
}

if (!(await installPackages())) fail('The npm packages could not be installed; nothing was built.')
if (!(await installGenerators())) fail('npm could not install what the site is built with: docs/package.json names it.')
rmSync(join(DOCS, 'reference', 'api'), { recursive: true, force: true })
if (!(await writeApi())) fail('The API reference could not be written.')
await buildDemo()
if (!(await buildSite())) fail('The site could not be built; a dead link is named above.')
cpSync(join(DOCS, 'demo'), join(SITE, 'demo'), { recursive: true })
const dead = deadLinks()
if (dead.length > 0) fail(`Dead links:\n  ${dead.join('\n  ')}`)
say(`The site is in docs/.vitepress/dist/: ${pagesOf().length} pages, no dead link.`)
if (options.serve) {
  const server = await serve(SITE, 8080)
  console.log(`It is at http://127.0.0.1:${server.address().port}/ until you press Ctrl+C.`)
}
