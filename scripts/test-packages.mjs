/**
 * The packages that are published, as users install them: packed, served from a registry on the loopback interface, installed into
 * empty folders by every package manager, bundled by every bundler, compiled by every supported TypeScript. In every cell `acquire()`
 * has to work, and the engine to be the expected one.
 * `npm run test:packages -- --help`.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliOf } from './lib/cli.mjs'
import { buildPlatforms } from './lib/packages-matrix/build.mjs'
import { cellsOf } from './lib/packages-matrix/cells.mjs'
import { CLIENTS } from './lib/packages-matrix/clients.mjs'
import { machineCells } from './lib/packages-matrix/machines.mjs'
import { nextCells } from './lib/packages-matrix/next.mjs'
import { serveRegistry } from './lib/packages-matrix/registry.mjs'
import { notesOf, pictureOf, tableOf } from './lib/packages-matrix/report.mjs'
import { provideTools, TOOLS } from './lib/packages-matrix/tools.mjs'
import { checkTypes } from './lib/packages-matrix/types.mjs'
import { ROOT } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { binaries, packAll } from './lib/release.mjs'

const USAGE = `Usage: npm run test:packages -- [options]

Installs, bundles and compiles against the packages that are published, as users do. In every cell \`acquire()\` has to work. Writes
docs/operations/packages.md and docs/public/packages.svg where everything is played.

  --short             the slice that npm test runs: one package manager, two bundlers, two compilers
  --only <name>       package managers whose name begins so, 'machines' or 'Next.js'; no compilers
  --build             first compile the addon for every other platform that this machine can
  --platform <name>   with --build: platforms whose name begins so
  --help              this text`

/**
 * The most that an install of the main package puts into node_modules, bytes: budgets, live configuration, recordings and the stores in
 * JavaScript are 650,000 of them, Studio 142,000. The target is 300,000.
 */
const MAIN_BYTES = 1_887_500

const SHORT = { clients: ['npm 11'], bundlers: ['esbuild', 'rolldown'] }

/** The results of earlier runs, so that a run of one package manager renews its own cells only. */
const CELLS = join(TOOLS, 'cells.json')

const writeReport = (fresh) => {
  // Of the run before stays only what this one was not asked for.
  const old = only !== undefined && existsSync(CELLS) ? JSON.parse(readFileSync(CELLS, 'utf8')) : []
  const renewed = new Set(fresh.map(({ client }) => client))
  const all = [...old.filter(({ client }) => !renewed.has(client)), ...fresh]
  const order = Object.keys(CLIENTS)
  const rank = ({ client }) => (order.includes(client) ? order.indexOf(client) : order.length)
  all.sort((a, b) => rank(a) - rank(b))
  writeFileSync(CELLS, JSON.stringify(all))
  const namesOf = (isThere) =>
    binaries()
      .filter(({ binary }) => (binary !== undefined) === isThere)
      .map(({ platform }) => platform.name)
      .join(', ')
  const lacks = namesOf(false)
  const text = `# Where the package was installed

\`npm run test:packages\` packs everything, serves it from a registry of its own, and installs it in every way below. A cell is the engine
that \`new Atrion()\` came to; in each \`acquire()\` decided. *alone*: the bundle by itself, without \`node_modules\`. *lock file*: one
that was made for another platform; *lock that lost it*: one that names the packages of another platform only.

Run on ${process.platform} ${process.arch}, Node ${process.versions.node}. Binaries: ${namesOf(true)}.${lacks ? ` Described without a binary: ${lacks}.` : ''}

![The matrix](../public/packages.svg)

${tableOf(all)}

${notesOf(all).join('\n')}
`
  writeFileSync(join(ROOT, 'docs', 'operations', 'packages.md'), text)
  writeFileSync(join(ROOT, 'docs', 'public', 'packages.svg'), pictureOf(all, 'Engines by package manager and use'))
}

const { values, fail } = cliOf(USAGE, {
  options: {
    short: { type: 'boolean' },
    only: { type: 'string' },
    build: { type: 'boolean' },
    platform: { type: 'string' },
  },
})
const { short: isShort = false, only, build, platform } = values
const machines = only === undefined || only === 'machines'
const withNext = only === undefined || only === 'Next.js'
const clients = (isShort ? SHORT.clients : Object.keys(CLIENTS)).filter((name) => name.startsWith(only ?? ''))
if (clients.length === 0 && !machines && !withNext) {
  fail(`--only must be 'machines', 'Next.js', or begin one of ${Object.keys(CLIENTS).join(', ')}, got '${only}'.`)
}

/** The platform of this machine whose binary is there. */
const ownPlatform = () =>
  binaries().find(
    ({ binary, platform }) => binary !== undefined && platform.os === process.platform && platform.cpu === process.arch,
  )?.platform.name

let passed = 0
let failed = 0
const note = (name, fault, more = '') => {
  if (fault === undefined) passed++
  else failed++
  console.log(`${fault === undefined ? ' ok ' : 'FAIL'}  ${name}${more}${fault === undefined ? '' : `\n${fault}`}`)
}

const compiled = build ? await buildPlatforms(platform) : []
for (const { name, fault } of compiled) note(`build ${name}`, fault)
await provideTools()
say('Packing.')
const packed = await packAll(join(ROOT, '.cache', 'packed'), { isWhole: true })
const main = packed.at(-1)
const { version } = JSON.parse(readFileSync(join(main.folder, 'package.json'), 'utf8'))

const bytes = readdirSync(main.folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
note(`the main package, ${bytes} bytes unpacked`, bytes > MAIN_BYTES ? `more than ${MAIN_BYTES}` : undefined)

if (only === undefined) for (const [name, fault] of await checkTypes(main, { isShort })) note(name, fault)

const registry = await serveRegistry(packed)
const cells = []
try {
  for (const client of clients) {
    say(`${client}.`)
    const given = { registry: registry.url, version, ...(isShort && { bundlers: SHORT.bundlers }) }
    for await (const cell of cellsOf(client, given)) {
      cells.push(cell)
      const { what, engine, failure, skipped, tookMs } = cell
      if (skipped !== undefined) console.log(`  –   ${client}: ${what}: not run. ${skipped}`)
      else note(`${client}: ${what}`, failure, failure === undefined ? `: ${engine} (${Math.round(tookMs)} ms)` : '')
    }
  }
  const others = [
    ...(machines ? [() => machineCells(packed)] : []),
    ...(withNext ? [() => nextCells(packed, ownPlatform())] : []),
  ]
  for (const cellsOfOne of isShort ? [] : others) {
    for await (const cell of cellsOfOne()) {
      cells.push(cell)
      const { client, what, engine, failure, skipped } = cell
      if (skipped !== undefined) console.log(`  –   ${client}: ${what}: not run. ${skipped}`)
      else note(`${client}: ${what}`, failure, failure === undefined ? `: ${engine}` : '')
    }
  }
} finally {
  await registry.close()
}

if (!isShort) writeReport(cells)
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
