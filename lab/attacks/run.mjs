#!/usr/bin/env node
// The attack table: every attack beside a run without it, in the same process. `--help` says how.
import { cliOf } from '../../scripts/lib/cli.mjs'
import { programProblem } from '../../scripts/lib/packages.mjs'
import { say } from '../../scripts/lib/progress.mjs'

const KINDS = ['keys', 'names', 'clients', 'peers', 'floods']

const USAGE = `Usage: npm run attacks -- [options]

Plays hostile clients, nodes and floods against this build, each beside the same run without the attack: about two minutes.

  --only <text>     attacks whose id contains it (may be repeated)
  --list            the attacks
  --json            the rows on stdout instead of the table
  --help            this text

A row is met when what is left under the attack is at least so much of what there is without it, or, of a flood of memory, when the
flood takes at most so much of what those before it took. Exits with 1 when one is missed.`

const { values: options, fail } = cliOf(USAGE, {
  options: {
    only: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const kinds = await Promise.all(KINDS.map((kind) => import(`./${kind}.mjs`)))
const ATTACKS = kinds.flatMap(({ attacks }) => attacks)
const chosen = ATTACKS.filter(({ id }) => options.only?.some((part) => id.includes(part)) ?? true)
if (chosen.length === 0) fail(`--only knows ${ATTACKS.map(({ id }) => id).join(', ')}; got ${options.only}`)
if (options.list) {
  for (const { id, title } of chosen) console.log(`${id.padEnd(20)} ${title}`)
  process.exit(0)
}

const redisProblem = process.platform === 'win32' ? 'Redis does not run on Windows' : programProblem('redis')

/** One attack: what it left, and whether that is enough. */
const play = async ({ id, title, atLeast, atMost, needs, run }) => {
  const bound = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  if (needs === 'redis' && redisProblem !== undefined) return { id, title, bound, skipped: 'there is no redis-server' }
  try {
    const { without, under, unit, note } = await run()
    const ratio = under / without
    const isMet = atLeast === undefined ? ratio <= atMost : ratio >= atLeast
    return { id, title, bound, without, under, ratio, unit, note, isMet }
  } catch (error) {
    return { id, title, bound, isMet: false, note: `could not be played: ${error.message}` }
  }
}

const rows = []
for (const attack of chosen) {
  if (!options.json) say(`${attack.title} …`)
  rows.push(await play(attack))
}

const figure = (value) => (value === undefined ? '' : value.toFixed(3))
const columns = [
  ['', ({ skipped, isMet }) => (skipped ? ' -- ' : isMet ? ' ok ' : 'MISS')],
  ['attack', ({ title }) => title],
  ['of', ({ unit = '' }) => unit],
  ['without', ({ without }) => figure(without)],
  ['under it', ({ under }) => figure(under)],
  ['ratio', ({ ratio }) => figure(ratio)],
  ['bound', ({ bound }) => bound],
  ['', ({ note = '', skipped = '' }) => skipped || note],
]
const table = [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, cell]) => cell(row)))]
const widths = columns.map((_, i) => Math.max(...table.map((cells) => cells[i].length)))

const missed = rows.filter(({ isMet, skipped }) => !isMet && !skipped)
if (options.json) console.log(JSON.stringify(rows, null, 2))
else {
  console.log()
  for (const cells of table)
    console.log(
      cells
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
  const played = rows.filter(({ skipped }) => !skipped)
  console.log(`\n${played.length - missed.length} of ${played.length} bounds are met.`)
}
// Sockets of what could not be played do not keep the process.
process.exit(missed.length === 0 ? 0 : 1)
