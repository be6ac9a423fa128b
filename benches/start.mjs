/** The cost of a first decision to a process that starts, beside one that does nothing: `npm run bench:start -- --help`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cliOf } from '../scripts/lib/cli.mjs'
import { binaries, stageMain, stagePlatform } from '../scripts/lib/release.mjs'
import { summaryOf } from './lib/statistics.mjs'

const LEAST_REPEATS = 5
const USAGE = `Usage: npm run bench:start -- [options]

Starts whole processes that take the package as it is installed, from require to a first decision on each engine, in turn with
\`node -e 0\`. Wall time counts what else the machine does; the process's own time does not.

  --repeats <n>   processes of each kind, at least ${LEAST_REPEATS} (default 40)
  --json          one line of JSON instead of the table
  --help          this text`

const { values, count } = cliOf(USAGE, {
  options: { repeats: { type: 'string', default: '40' }, json: { type: 'boolean', default: false } },
})
const repeats = count('repeats', LEAST_REPEATS)

const decide = (engine) => `new (require('atrion').Atrion)({ engine: '${engine}' }).acquire('GET /')`
const KINDS = {
  'node -e 0': '0',
  "require('atrion')": "require('atrion')",
  'first decision, wasm': decide('wasm'),
  'first decision, native': decide('native'),
  "import('atrion')": "import('atrion')",
}
/** The time that a process has worked by its end, µs. */
const REPORT = ";process.on('exit', () => { const { user, system } = process.cpuUsage(); console.log(user + system) })"

const folder = mkdtempSync(join(tmpdir(), 'atrion-start-'))
const own = binaries().find(
  ({ binary, platform }) => binary !== undefined && platform.os === process.platform && platform.cpu === process.arch,
)
const results = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, { wallMs: [], cpuMs: [] }]))
try {
  stageMain(join(folder, 'node_modules', 'atrion'))
  if (own !== undefined) {
    stagePlatform(own.platform, own.binary, join(folder, 'node_modules', '@atrion', `native-${own.platform.name}`))
  }
  // Certificates that a process reads in at its start are no part of either cost.
  const env = { ...process.env, ATRION_ENGINE: '', ATRION_USE_WASM: '', NODE_OPTIONS: '', NODE_EXTRA_CA_CERTS: '' }
  for (let i = 0; i <= repeats; i++) {
    for (const [kind, script] of Object.entries(KINDS)) {
      const startedAt = performance.now()
      const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script + REPORT], {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
      const wallMs = performance.now() - startedAt
      if (status !== 0) throw new Error(`${kind}: ${stderr}`)
      // The first of each reads the files from the disk.
      if (i === 0) continue
      results[kind].wallMs.push(wallMs)
      results[kind].cpuMs.push(Number(stdout) / 1000)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const [[, idle]] = Object.entries(results)
const baseline = { wall: summaryOf(idle.wallMs).median, cpu: summaryOf(idle.cpuMs).median }
const rows = Object.entries(results).map(([kind, { wallMs, cpuMs }]) => {
  const [wall, cpu] = [summaryOf(wallMs).median, summaryOf(cpuMs).median]
  return {
    kind,
    wallMs: wall,
    wallMoreMs: wall - baseline.wall,
    wallRatio: wall / baseline.wall,
    cpuMs: cpu,
    cpuMoreMs: cpu - baseline.cpu,
    cpuRatio: cpu / baseline.cpu,
  }
})
if (values.json) console.log(JSON.stringify({ node: process.versions.node, repeats, rows }))
else {
  const figure = (value, digits = 1) => value.toFixed(digits).padStart(9)
  console.log(
    `Medians of ${repeats} processes each, Node ${process.versions.node}, ms and as a ratio to the first row\n`,
  )
  console.log(`${''.padEnd(26)}     wall    more    ratio   its own time    more    ratio`)
  for (const { kind, wallMs, wallMoreMs, wallRatio, cpuMs, cpuMoreMs, cpuRatio } of rows) {
    const wall = `${figure(wallMs)}${figure(wallMoreMs)}${figure(wallRatio, 2)}`
    console.log(`${kind.padEnd(26)}${wall}      ${figure(cpuMs)}${figure(cpuMoreMs)}${figure(cpuRatio, 2)}`)
  }
}
