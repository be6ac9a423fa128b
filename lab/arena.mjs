#!/usr/bin/env node
// The arena: every scenario, every contestant, one scoreboard. `--help` says how.
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { CONTESTANTS, CONTROLS } from './contestants/index.mjs'
import { playAll } from './crew.mjs'
import { page } from './report/page.mjs'
import { details, scoreboard, shortfalls } from './report/scoreboard.mjs'
import { SCENARIOS } from './scenarios/index.mjs'
import { controlsThatPassed, lossesOf, missesOf } from './verdict.mjs'

const HELP = `npm run arena -- [options]

Plays overload scenarios in virtual time, each against every contestant, and prints a scoreboard.

  --only <pattern>      scenarios whose name matches (a regular expression, or a plain part of a name)
  --contestant <name>   this contestant alone; may be repeated
                        (${[...CONTESTANTS, ...CONTROLS].map((entrant) => entrant.id).join(', ')})
  --seed <n>            another draw of the same scenarios (default 1)
  --verbose             every figure of every run
  --list                the scenarios and what each shows
  --json                the record on stdout instead of the scoreboard
  --help                this

Writes lab/record/arena.json and lab/record/arena.html, unless narrowed by --only or --contestant.
Exits with 1 when Atrion misses a wanted figure, or a control that must fail does not.`

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    contestant: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const fail = (message) => {
  console.error(message)
  process.exit(2)
}

function chosenScenarios() {
  if (flags.only === undefined) return SCENARIOS
  const exact = SCENARIOS.filter((scenario) => scenario.name === flags.only)
  if (exact.length > 0) return exact
  let pattern
  try {
    pattern = new RegExp(flags.only)
  } catch (error) {
    return fail(`--only: ${error.message}`)
  }
  const chosen = SCENARIOS.filter((scenario) => pattern.test(scenario.name))
  return chosen.length > 0 ? chosen : fail(`No scenario matches '${flags.only}'; --list shows them all.`)
}

function chosenEntrants() {
  const everyone = [...CONTESTANTS, ...CONTROLS]
  if (flags.contestant === undefined) return everyone
  return flags.contestant.map(
    (id) =>
      everyone.find((entrant) => entrant.id === id) ??
      fail(`No contestant '${id}'; there are ${everyone.map((entrant) => entrant.id).join(', ')}.`),
  )
}

/** A guess at the work of a run, to begin with the longest. */
const weight = (scenario, entrant) =>
  scenario.durationS *
  Math.max(...scenario.traffic.map((flow) => flow.load.max)) *
  (entrant.needsTimers === true || entrant.candidates !== undefined ? 6 : 1)

function showProgress(done, total, task) {
  const line = `${done}/${total} ${task.scenario} × ${task.contestant}`
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${done === total ? '' : line}`)
  else if (done === total || done % Math.ceil(total / 10) === 0) process.stderr.write(`${line}\n`)
}

async function main() {
  if (flags.help) return console.log(HELP)
  if (flags.list) return console.log(SCENARIOS.map((s) => `${s.name.padEnd(22)} ${s.shows}`).join('\n'))
  const seed = Number(flags.seed)
  if (!Number.isInteger(seed) || seed < 0) fail(`--seed wants a whole number, not '${flags.seed}'.`)

  const startedMs = performance.now()
  const scenarios = chosenScenarios()
  const absent = []
  const entrants = chosenEntrants().filter((entrant) => {
    const reason = entrant.unavailable?.() ?? null
    if (reason !== null) absent.push({ id: entrant.id, reason })
    return reason === null
  })
  if (entrants.length === 0) fail(absent.map(({ id, reason }) => `${id} cannot take part: ${reason}`).join('\n'))

  const tasks = scenarios
    .flatMap((scenario) => entrants.map((entrant) => ({ scenario, entrant })))
    .sort((a, b) => weight(b.scenario, b.entrant) - weight(a.scenario, a.entrant))
    .map(({ scenario, entrant }) => ({ scenario: scenario.name, contestant: entrant.id, seed }))
  const answers = await playAll(tasks, showProgress)
  const broken = answers.filter((answer) => answer.error !== undefined)

  const rows = scenarios.map(({ name, shows, overload, windows, durationS }) => ({
    scenario: name,
    shows,
    overload: overload === true,
    durationS,
    windows: windows ?? {},
    results: Object.fromEntries(
      answers.filter((a) => a.task.scenario === name && a.result).map((a) => [a.task.contestant, a.result]),
    ),
  }))
  const ids = entrants.filter((entrant) => entrant.control !== true).map((entrant) => entrant.id)
  const controls = entrants.filter((entrant) => entrant.control === true).map((entrant) => entrant.id)
  const seconds = (performance.now() - startedMs) / 1000
  const passed = controlsThatPassed(rows)
  const record = {
    seed,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      threads: availableParallelism(),
      platform: `${platform()}-${arch()}`,
    },
    node: process.version,
    absent,
    ids,
    controls,
    misses: missesOf(rows, 'atrion'),
    losses: lossesOf(rows, ids),
    controlsThatPassed: passed,
    rows,
  }

  if (flags.json) console.log(JSON.stringify(record))
  else report(record, seconds)
  if (flags.only === undefined && flags.contestant === undefined) write(record)
  for (const { error } of broken) console.error(`A run broke: ${error}`)
  const atrionAbsent = absent.some(({ id }) => id === 'atrion')
  process.exitCode = atrionAbsent || record.misses.length > 0 || passed.length > 0 || broken.length > 0 ? 1 : 0
}

function report({ rows, ids, controls, absent, controlsThatPassed: passed }, seconds) {
  if (flags.verbose) {
    for (const row of rows)
      for (const id of [...ids, ...controls]) if (row.results[id]) console.log(`${details(row, id)}\n`)
  }
  if (!flags.verbose || rows.length * (ids.length + controls.length) > 1) {
    console.log(`${scoreboard(rows, { ids, controls })}\n`)
    console.log('Settings, in the first scenario:')
    for (const id of [...ids, ...controls]) {
      const result = rows.map((row) => row.results[id]).find((r) => r !== undefined)
      if (result !== undefined) console.log(`  ${id}: ${JSON.stringify(result.settings)}`)
    }
    console.log()
  }
  if (ids.includes('atrion')) console.log(shortfalls(rows, ids))
  for (const { id, reason } of absent) console.log(`${id} did not take part: ${reason}`)
  if (controls.length > 0) {
    const verdict = passed.map(({ scenario, id }) => `${id} passed ${scenario}`).join(', ')
    console.log(`Controls: ${passed.length === 0 ? 'all fail where they must' : verdict}`)
  }
  console.log(`${rows.length} scenarios in ${seconds.toFixed(1)} s`)
}

function write(record) {
  const folder = new URL('./record/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('arena.json', folder), JSON.stringify(record))
  writeFileSync(new URL('arena.html', folder), page(record))
  if (!flags.json) console.log('Written: lab/record/arena.json, lab/record/arena.html')
}

await main()
