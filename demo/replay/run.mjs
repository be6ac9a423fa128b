// `npm run demo:replay`: the shop of the main demo is recorded, its recording decided again, and three other settings are tried on it.
import { spawn } from 'node:child_process'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { roundsFor } from '../../lab/real/work.mjs'
import { cliOf } from '../../scripts/lib/cli.mjs'
import { ROOT } from '../../scripts/lib/process.mjs'
import { stopAll } from '../../scripts/lib/worker-pool.mjs'
import { createPlan, DEADLINE_MS, GUARDS } from '../shop/plan.mjs'
import { runTrial } from '../shop/trial.mjs'

const DEFAULT_SECONDS = 16

const USAGE = `Usage: npm run demo:replay -- [options]

Records the shop of \`npm run demo\` behind Atrion: a peak of four times its capacity, then a dependency that turns zombie. Decides
the recording again, bit for bit, tries three other settings on it, and writes a page with plots. Exits with 1 when a decision
comes out otherwise.

  --seconds N       length of the recorded run, 4 to 120; default ${DEFAULT_SECONDS}
  --seed N          another sequence of arrivals; default 1
  --out FOLDER      where the recording, the candidates and the page go; default target/demo-replay
  --help            this text
`

/** The settings that are tried. */
const CANDIDATES = {
  'half-the-deadline': { slo: { maxAcceptableLatencyMs: DEADLINE_MS / 2 } },
  'twice-the-deadline': { slo: { maxAcceptableLatencyMs: DEADLINE_MS * 2 } },
  'checkout-first': {
    routes: {
      'POST /checkout': { pool: 'stock', reserve: { critical: 0.3 } },
      'GET /catalog': { pool: 'stock', reserve: { critical: 0.3 } },
    },
  },
}

const replay = (args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, 'dist/cli.cjs'), 'replay', ...args], { stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', resolve)
  })

async function main() {
  const { values, number } = cliOf(USAGE, {
    options: { seconds: { type: 'string' }, seed: { type: 'string' }, out: { type: 'string' } },
  })
  const seconds = values.seconds === undefined ? DEFAULT_SECONDS : number('seconds', 4, 120)
  const seed = values.seed === undefined ? 1 : number('seed', 0, 2 ** 31)
  const folder = values.out ?? join(ROOT, 'target/demo-replay')
  mkdirSync(folder, { recursive: true })
  const recording = join(folder, 'shop.rec')
  process.env.ATRION_DEMO_RECORDING = recording
  console.log(`Recording the shop for ${seconds} s: a peak of 4 × its capacity, then a zombie.`)
  const plan = createPlan({ seconds: seconds * GUARDS.length, seed })
  const { records } = await runTrial('atrion', plan, roundsFor(1), () => {})
  const good = records.filter(({ outcome }) => outcome === 'good').length
  console.log(`${records.length} requests, ${good} answered well; ${recording}: ${statSync(recording).size} bytes\n`)
  const configs = Object.entries(CANDIDATES).flatMap(([name, settings]) => {
    const path = join(folder, `${name}.json`)
    writeFileSync(path, `${JSON.stringify(settings, null, 2)}\n`)
    return ['--config', path]
  })
  process.exitCode = await replay([recording, ...configs, '--out', join(folder, 'replay.html')])
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopAll()
    process.exit(130)
  })
}
await main().catch((error) => {
  console.error(`demo:replay: ${error.message}`)
  process.exitCode = 1
})
