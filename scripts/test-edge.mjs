/**
 * The packed package where there is no Node: workerd, edge-runtime, Deno, Bun, and Chromium behind three bundlers. Each
 * imports it by name from an installed tarball, decides, takes permits and leases, and reproduces the golden vectors to
 * the last bit. In Chromium, also the demo, Studio's page, and panels of it in two majors of React and Vue: `npm run test:edge -- --help`.
 *
 * Installs what is missing into .cache/edge; what cannot be had is a failure that says so.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliOf } from './lib/cli.mjs'
import { provideChromium } from './lib/packages.mjs'
import { npm, ROOT, run } from './lib/process.mjs'
import { say } from './lib/progress.mjs'
import { tableOf, verdictOfCheck } from './lib/tally.mjs'

const COLD_START_MS = 5
const PAGE_DECISION_MS = 200
/** A frame's share of a second that has sixty. */
const FRAME_MS = 16
const SOURCE = join(ROOT, '__test__', '_edge')
const FOLDER = join(ROOT, '.cache', 'edge')

/** Installs the runtimes and bundlers that are missing into the folder. */
const install = async () => {
  mkdirSync(FOLDER, { recursive: true })
  copyFileSync(join(SOURCE, 'package.json'), join(FOLDER, 'package.json'))
  const { dependencies } = JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8'))
  const isThere = ([name, wanted]) => {
    const version = wanted.replace(/^npm:.*@/, '')
    const manifest = join(FOLDER, 'node_modules', name, 'package.json')
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version
  }
  if (Object.entries(dependencies).every(isThere)) return
  // Two majors of a framework side by side: each is the peer of its own renderer, which the bundler's aliases see to.
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--legacy-peer-deps']
  say('Installing the runtimes and bundlers (a minute or two the first time).')
  const { code } = await npm(['install', '--prefix', FOLDER, ...quiet])
  if (code !== 0) throw new Error('npm could not install its runtimes and bundlers (__test__/_edge/package.json)')
}

/** Puts the checks and the packed package beside them. */
const prepare = async () => {
  for (const name of readdirSync(SOURCE)) copyFileSync(join(SOURCE, name), join(FOLDER, name))
  copyFileSync(join(ROOT, '__test__', '_worlds.mjs'), join(FOLDER, 'worlds.mjs'))
  const golden = readFileSync(join(ROOT, '__test__', 'vectors', 'golden.json'), 'utf8')
  writeFileSync(join(FOLDER, 'golden.mjs'), `export default ${golden}`)
  const packed = await npm(['pack', '--ignore-scripts', '--pack-destination', FOLDER], { quiet: true })
  if (packed.code !== 0) throw new Error(`npm pack failed: ${packed.output}`)
  const tarball = join(
    FOLDER,
    readdirSync(FOLDER).find((name) => /^atrion-.*\.tgz$/.test(name)),
  )
  const installed = join(FOLDER, 'node_modules', 'atrion')
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed, { recursive: true })
  // npm would keep what it has for an unchanged version.
  const { code } = await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  rmSync(tarball)
  if (code !== 0) throw new Error('the packed package could not be unpacked')
  rmSync(join(FOLDER, 'pages'), { recursive: true, force: true })
}

/** The steps that took longer than they should. */
const timesMissed = ({ coldStartMs, pageFirstDecisionMs, frames }) => {
  const missed = []
  if (coldStartMs > COLD_START_MS) missed.push(`a cold start takes ${coldStartMs.toFixed(2)} ms, not ${COLD_START_MS}`)
  if (pageFirstDecisionMs > PAGE_DECISION_MS) missed.push(`the page decides after ${pageFirstDecisionMs} ms`)
  if (frames?.medianMs >= FRAME_MS) missed.push(`the page works ${frames.medianMs} ms a frame, not ${FRAME_MS}`)
  return missed
}

/** Returns the problems of a report. */
const faultsOf = ({ engine, decision, permits, leases, fetched, streamed, ran, kept, differences, problems }) => {
  const faults = []
  const expect = (holds, fault) => holds || faults.push(fault)
  expect(engine === 'wasm', `engine '${engine}'`)
  expect(decision?.allow === true && decision.resistance === 12, 'the first decision')
  expect(!problems?.length, `errors on the page: ${problems?.join('; ')}`)
  if (permits === undefined) return faults
  expect(permits.allow && permits.during === 1 && permits.after === 0, 'permits')
  expect(leases.during === 1 && leases.after === 0 && leases.scar === 5, 'leases')
  expect(fetched === '200 GET done', `withAtrion: ${fetched}`)
  expect(streamed.report === '203 streamed part part part ', `a streamed body: ${streamed.report}`)
  const { during, read, cancelled, failures } = streamed
  expect(
    `${during} ${read} ${cancelled} ${failures}` === '1 0 0 0',
    `permits of streamed bodies: ${during} during, ${read} after, ${cancelled} when cancelled, ${failures} failures`,
  )
  expect(String(ran) === 'ran,ran', `run: ${ran}`)
  expect(kept !== false, 'state in KV')
  expect(differences.length === 0, `vectors that differ: ${differences.join(', ')}`)
  return faults
}

const noteOf = ({ worlds, firstDecisionMs, coldStartMs, worstColdStartMs, pageFirstDecisionMs, frames }) => {
  const notes = worlds === undefined ? [] : [`${worlds} worlds by bits`]
  if (coldStartMs !== undefined) {
    notes.push(
      `first decision of a fresh isolate after ${coldStartMs.toFixed(2)} ms (worst ${worstColdStartMs.toFixed(2)})`,
    )
  }
  if (coldStartMs === undefined && firstDecisionMs > 0)
    notes.push(`first decision after ${firstDecisionMs.toFixed(2)} ms`)
  if (pageFirstDecisionMs !== undefined) {
    const { perSecond, medianMs, p99Ms } = frames
    notes.push(`first decision after ${Math.round(pageFirstDecisionMs)} ms`)
    notes.push(`${Math.round(perSecond)} frames a second of ${medianMs.toFixed(1)} ms work (p99 ${p99Ms.toFixed(1)})`)
  }
  return notes.join(', ')
}

/** Faults of the page with panels in a major of a framework. */
const panelFaults = ({
  version,
  major,
  first,
  later,
  renders,
  calls,
  shown,
  refused,
  tanstack,
  vueTab,
  guarded,
  bytes,
  problems,
}) => {
  const faults = []
  const expect = (holds, fault) => holds || faults.push(fault)
  expect(version.startsWith(major), `version ${version}`)
  expect(first === '0' && later === '3', `a hook shows ${first}, then ${later}`)
  expect(renders >= 2, `rendered ${renders} times for one change`)
  expect(calls.after === calls.before, `a sample after the last component: ${calls.before}, ${calls.after}`)
  expect(/GET \/panel/.test(shown), `the panel shows '${shown}'`)
  expect(refused, 'an origin that is not named shows Studio')
  expect(tanstack, 'TanStack Devtools shows no panel')
  expect(guarded === '503 ATRION_SHED true', `guardFetch: ${guarded}`)
  expect(vueTab === 'Atrion iframe', `Vue Devtools has '${vueTab}'`)
  expect(bytes.without === bytes.plain, `${bytes.without - bytes.plain} bytes are left in a production build`)
  expect(bytes.development > bytes.plain, 'a build for development has no panel')
  expect(problems.length === 0, `errors on the page: ${problems.join('; ')}`)
  return faults
}

/** Errors on Studio's page; an incident that is not found fails by itself. */
const drillFaults = (found) =>
  Object.entries(found).flatMap(([name, { problems }]) => problems.map((text) => `${name}: ${text}`))

const drillNote = (found) =>
  Object.entries(found)
    .map(([name, { foundMs }]) => `${name} found after ${(foundMs / 1_000).toFixed(1)} s`)
    .join(', ')

const USAGE = `Usage: npm run test:edge -- [name] [options]

Runs the packed package in workerd, edge-runtime, deno, bun and chromium, or in those whose name begins with the name given.

  --timed          also fail where a time is missed: on a machine with nothing else to do
  --install-only   install what is missing, and run nothing; the package need not be built
  --help           this text`

const {
  values: { timed, 'install-only': isInstallOnly },
  positionals: [requested = ''],
} = cliOf(USAGE, {
  allowPositionals: true,
  options: { timed: { type: 'boolean', default: false }, 'install-only': { type: 'boolean', default: false } },
})
if (!isInstallOnly && !existsSync(join(ROOT, 'dist', 'esm', 'inline.mjs'))) {
  console.error('dist/esm is missing: npm run build')
  process.exit(1)
}
if ('chromium'.startsWith(requested) || requested.startsWith('chromium')) await provideChromium()
try {
  await install()
  if (isInstallOnly) process.exit(0)
  await prepare()
} catch (error) {
  console.error(`\nThe edge suite could not be prepared: ${error.message}.\n\n0 passed, 1 failed`)
  process.exit(1)
}

// The package is imported by it, which has to be built for that.
const { runtimesOf } = await import('./lib/edge.mjs')
const verdicts = []
for (const [name, runtime] of Object.entries(runtimesOf(FOLDER))) {
  if (!name.startsWith(requested)) continue
  say(`${name}.`)
  try {
    const report = await runtime()
    const { drill, panel } = report
    const faults = (drill && drillFaults(drill)) ??
      (panel && panelFaults(panel)) ?? [...faultsOf(report), ...(timed ? timesMissed(report) : [])]
    const verdict = verdictOfCheck(name, faults.length, faults.join('; '))
    const note = drill ? drillNote(drill) : panel ? `${panel.version}, the panel live` : noteOf(report)
    verdicts.push(faults.length === 0 ? { ...verdict, note } : verdict)
  } catch (error) {
    verdicts.push(verdictOfCheck(name, 1, String(error?.stack ?? error).slice(0, 600)))
  }
}
const failed = verdicts.filter((verdict) => verdict.failed > 0).length
console.log(`\n${tableOf(verdicts).join('\n')}\n\n${verdicts.length - failed} passed, ${failed} failed`)
process.exit(failed === 0 && verdicts.length > 0 ? 0 : 1)
