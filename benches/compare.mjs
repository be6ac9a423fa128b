/**
 * Counts the instructions of the engine's calls and compares them with the record: `npm run bench:compare -- --help`.
 *
 * Counts do not depend on what else the machine does: a regression of a few per cent shows, which times would hide.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { cliOf } from '../scripts/lib/cli.mjs'
import { provideProgram } from '../scripts/lib/packages.mjs'
import { firstLine, ROOT, run } from '../scripts/lib/process.mjs'
import { compare, parseCounts, recordText } from './lib/instructions.mjs'

/** Calls of the shorter of two runs; the longer makes twice as many. */
const CALLS = 19_200
/** A row may take so much more than its record. */
const TOLERANCE = 0.03

const USAGE = `Usage: npm run bench:compare -- [options]

Counts the instructions of a call of each row of benches/counts.rs, by valgrind, and compares them with the newest record of this target in
benches/record/. Exits with 1 when a row takes ${TOLERANCE * 100} % more than its record.

  --save   append the counts to the record
  --help   this text`

const { values: options } = cliOf(USAGE, { options: { save: { type: 'boolean', default: false } } })

const fail = (message) => {
  console.error(message)
  process.exit(1)
}

const problem = await provideProgram('valgrind')
if (problem !== undefined) fail(problem)

let program
const onLine = (line) => {
  if (!line.startsWith('{')) return console.error(line)
  const { executable, target } = JSON.parse(line)
  if (executable && target.name === 'counts') program = executable
}
console.log('Compiling benches/counts.rs …')
const built = await run('cargo', ['bench', '--quiet', '--bench', 'counts', '--no-run', '--message-format=json'], {
  onLine,
})
if (built.code !== 0 || program === undefined) fail('benches/counts.rs could not be compiled')

/** Instructions of a run of so many calls. */
const instructionsOf = async (row, calls) => {
  const args = ['--tool=callgrind', '--callgrind-out-file=/dev/null', program, row, String(calls)]
  const { output } = await run('valgrind', args, { quiet: true })
  const found = /Collected : (\d+)/.exec(output)
  if (found === null) fail(`valgrind counted nothing for ${row}:\n${output}`)
  return Number(found[1])
}

const rows = (await run(program, [], { quiet: true })).output.trim().split('\n')
const counts = new Map()
for (const row of rows) {
  const [once, twice] = [await instructionsOf(row, CALLS), await instructionsOf(row, 2 * CALLS)]
  counts.set(row, (twice - once) / CALLS)
}

const target = (await firstLine('rustc', ['--print', 'host-tuple'])) ?? 'unknown'
const file = join(ROOT, 'benches', 'record', `instructions-${target}.csv`)
const kept = existsSync(file) ? readFileSync(file, 'utf8') : ''
const compared = compare(counts, parseCounts(kept), TOLERANCE)
for (const { row, now, before, change, isWorse } of compared) {
  const beside = before === undefined ? 'no record' : `${before.toFixed(1).padStart(8)} in the record, ${change} %`
  console.log(
    `${isWorse ? 'FAIL' : ' ok '}  ${row.padEnd(18)}${now.toFixed(1).padStart(9)} instructions a call  (${beside})`,
  )
}
if (options.save) {
  mkdirSync(join(ROOT, 'benches', 'record'), { recursive: true })
  const facts = {
    date: new Date().toISOString().slice(0, 10),
    rustc: (await firstLine('rustc', ['--version'])) ?? 'unknown',
    valgrind: (await firstLine('valgrind', ['--version'])) ?? 'unknown',
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
  }
  writeFileSync(file, kept + recordText(counts, facts, kept === ''))
  console.log(`written: ${file}`)
}
if (compared.some(({ isWorse }) => isWorse)) process.exit(1)
