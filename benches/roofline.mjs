/** A roofline of the kernels on this machine: `npm run bench:roofline -- --help`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { cliOf } from '../scripts/lib/cli.mjs'
import { firstLine, ROOT, run } from '../scripts/lib/process.mjs'
import { parseRoofline, reachOf } from './lib/roofline.mjs'

const LEAST_ROUNDS = 3
const USAGE = `Usage: npm run bench:roofline -- [options]

Measures what this machine's memory (STREAM's triad) and arithmetic (sums and products, never fused) do at most, by level of its caches, and
how many routes a second each kernel does there: the bound is the lower of both, and the last column how much of it is reached. Every
figure is the best of many short runs in turn; on a busy machine they are too low all the same.

  --rounds <n>   runs of each kernel on each level, at least ${LEAST_ROUNDS} (default 40)
  --save         write benches/record/roofline-<target>.csv; node scripts/write-roofline.mjs draws it
  --help         this text`

const { values: options, count } = cliOf(USAGE, {
  options: { rounds: { type: 'string', default: '40' }, save: { type: 'boolean', default: false } },
})
const rounds = count('rounds', LEAST_ROUNDS)

console.log('Compiling benches/roofline.rs …')
const lines = []
const loadBefore = loadavg()[0]
const args = ['bench', '--quiet', '--bench', 'roofline', '--', String(rounds)]
const { code } = await run('cargo', args, { onLine: (line) => lines.push(line) })
if (code !== 0) {
  console.error(`benches/roofline.rs failed:\n${lines.join('\n')}`)
  process.exit(1)
}
const measured = lines.filter((line) => /^[\w]+,/.test(line))
const load = Math.max(loadBefore, loadavg()[0])
const facts = {
  date: new Date().toISOString().slice(0, 10),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cpus: cpus().length,
  rustc: (await firstLine('rustc', ['--version'])) ?? 'unknown',
  rounds,
  load: load.toFixed(1),
}
const text = `${Object.entries(facts)
  .map(([name, value]) => `# ${name}: ${value}`)
  .join('\n')}\n${measured.join('\n')}\n`

const roofline = parseRoofline(text)
const cells = (row) => {
  const { boundMroutes, reached, by } = reachOf(roofline, row)
  const { level, kernel, bytes, flops, mroutes } = row
  return [
    level,
    kernel,
    bytes,
    flops,
    mroutes.toFixed(1),
    boundMroutes.toFixed(1),
    by,
    `${(100 * reached).toFixed(0)} %`,
  ]
}
const head = ['level', 'kernel', 'bytes', 'flops', 'M routes/s', 'at most', 'bound by', 'reached']
const table = [head, ...roofline.rows.map(cells)].map((row) => row.map(String))
const widths = head.map((_, column) => Math.max(...table.map((row) => row[column].length)))
console.log(
  `${facts.cpu}, ${roofline.set}; ${roofline.peak.toFixed(1)} Gflop/s at most; load ${facts.load} on ${facts.cpus} processors`,
)
for (const row of table) console.log(row.map((cell, column) => cell.padStart(widths[column])).join('  '))
if (load > facts.cpus / 2) console.log('The machine was busy with something else: the figures are too low.')
if (options.save) {
  const folder = join(ROOT, 'benches', 'record')
  mkdirSync(folder, { recursive: true })
  const target = (await firstLine('rustc', ['--print', 'host-tuple'])) ?? 'unknown'
  const file = join(folder, `roofline-${target}.csv`)
  writeFileSync(file, text)
  console.log(`written: ${file}`)
}
