#!/usr/bin/env node
// The arena: every scenario, every contestant, one scoreboard. `--help` says how.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cliOf } from '../scripts/lib/cli.mjs'
import { sayCount } from '../scripts/lib/progress.mjs'
import { CONTESTANTS, CONTROLS, invite, REFERENCES } from './contestants/index.mjs'
import { playGrid } from './grid/grid.mjs'
import { playReal, REAL_CONTESTANTS, REAL_SCENARIOS } from './real/real.mjs'
import { page } from './report/page.mjs'
import { details, scoreboard, shortfalls } from './report/scoreboard.mjs'
import { SCENARIOS } from './scenarios/index.mjs'
import { controlsThatPassed, lossesOf, missesOf, roomMissesOf } from './verdict.mjs'
import { playAll } from './worker-pool.mjs'

const USAGE = `Usage: npm run arena -- [options]

Plays overload scenarios in virtual time, each against every contestant, and prints a scoreboard.

  --only <pattern>      scenarios whose name matches (a regular expression, or a plain part of a name)
  --contestant <name>   this contestant alone; may be repeated
                        (${[...CONTESTANTS, ...REFERENCES, ...CONTROLS].map((entrant) => entrant.id).join(', ')})
  --real                the real plant instead: a node:http server and its clients in processes of their own,
                        over loopback; about 10 minutes, best with nothing else running
                        (${REAL_CONTESTANTS.map((entrant) => entrant.id).join(', ')})
  --grid                one plant in every proportion of servers, deadline, load and service law instead, for one
                        contestant (atrion): what falls short in words, and as heat maps beside the former law
  --quick               with --grid: a slice of it, and nothing written
  --former              with --grid: keeps the record as that of the former law
  --with <file>         a module whose default export is a contestant, or an array of them; may be repeated
  --seed <n>            another draw of the same scenarios (default 1)
  --verbose             every figure of every run
  --list                the scenarios and what each shows
  --json                the record on stdout instead of the scoreboard
  --help                this text

Writes lab/record/arena.json and arena.html (real.json and real.html), unless narrowed by --only or --contestant.
Exits with 1 when Atrion misses a target, or a control that must fail does not.`

const {
  values: flags,
  count,
  fail,
  known,
} = cliOf(USAGE, {
  options: {
    only: { type: 'string' },
    real: { type: 'boolean', default: false },
    contestant: { type: 'string', multiple: true },
    grid: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    former: { type: 'boolean', default: false },
    with: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

function checkFlags() {
  const apart = (a, b) => {
    if (flags[a] && flags[b]) fail(`--${a} and --${b} do not go together.`)
  }
  for (const other of ['real', 'only', 'list', 'verbose']) apart('grid', other)
  apart('quick', 'former')
  for (const part of ['quick', 'former']) if (flags[part] && !flags.grid) fail(`--${part} is a part of --grid.`)
  if (flags.grid && flags.contestant?.length > 1) fail('--grid takes one --contestant.')
}

checkFlags()
const guestModules = flags.with.map((file) => pathToFileURL(resolve(file)).href)
const guests = await invite(guestModules).catch((error) => fail(`--with: ${error.message.split('\n')[0]}`))

const scenariosInPlay = flags.real ? REAL_SCENARIOS : SCENARIOS

function chosenScenarios() {
  if (flags.only === undefined) return scenariosInPlay
  const exact = scenariosInPlay.filter((scenario) => scenario.name === flags.only)
  if (exact.length > 0) return exact
  let pattern
  try {
    pattern = new RegExp(flags.only)
  } catch (error) {
    return fail(`--only: ${error.message}`)
  }
  const chosen = scenariosInPlay.filter((scenario) => pattern.test(scenario.name))
  return chosen.length > 0 ? chosen : fail(`No scenario matches '${flags.only}'; --list shows them all.`)
}

function chosenEntrants() {
  const everyone = flags.real ? REAL_CONTESTANTS : [...CONTESTANTS, ...guests, ...REFERENCES, ...CONTROLS]
  if (flags.contestant === undefined) return everyone
  const ids = everyone.map((entrant) => entrant.id)
  return known('contestant', flags.contestant, ids).map((id) => everyone.find((entrant) => entrant.id === id))
}

/** A guess at the work of a run, to begin with the longest. */
const weight = (scenario, entrant) =>
  scenario.durationS *
  Math.max(1, ...(scenario.traffic ?? []).map((flow) => flow.load?.max ?? 1)) *
  (entrant.needsTimers === true || entrant.variants !== undefined ? 6 : 1)

const showProgress = (done, total, task) =>
  sayCount(done, total, typeof task === 'string' ? task : `${task.scenario} × ${task.contestant}`)

/** The contestants that are missing from scenarios, by the reason. */
const skipped = new Map()

function takesPart(entrant, { name, among, needs = [] }) {
  const asked = among === undefined || entrant.control === true || guests.includes(entrant)
  if (!asked && !among.includes(entrant.id)) return false
  const reason = needs.length === 0 ? null : (entrant.unavailable?.(needs) ?? null)
  if (reason === null) return true
  const what = `${entrant.id}: ${reason}`
  skipped.set(what, [...(skipped.get(what) ?? []), name])
  return false
}

async function inReality(scenarios, entrants, seed) {
  return playReal({ scenarios, ids: entrants.map((entrant) => entrant.id), seed, onProgress: showProgress })
}

async function inVirtualTime(scenarios, entrants, seed) {
  const tasks = scenarios
    .flatMap((scenario) =>
      entrants.filter((entrant) => takesPart(entrant, scenario)).map((entrant) => ({ scenario, entrant })),
    )
    .sort((a, b) => weight(b.scenario, b.entrant) - weight(a.scenario, a.entrant))
    .map(({ scenario, entrant }) => ({ scenario: scenario.name, contestant: entrant.id, seed }))
  const answers = await playAll(tasks, showProgress, guestModules)
  const rows = scenarios.map(({ name, class: of, shows, overload, windows, durationS }) => ({
    scenario: name,
    class: of,
    shows,
    overload: overload === true,
    durationS,
    windows: windows ?? {},
    results: Object.fromEntries(
      answers.filter((a) => a.task.scenario === name && a.result).map((a) => [a.task.contestant, a.result]),
    ),
  }))
  return { rows, broken: answers.filter((answer) => answer.error !== undefined) }
}

async function inGrid(seed) {
  const [entrant] = flags.contestant === undefined ? CONTESTANTS : chosenEntrants()
  const reason = entrant.unavailable?.() ?? null
  if (reason !== null) fail(`${entrant.id} cannot take part: ${reason}`)
  process.exitCode = await playGrid({
    id: entrant.id,
    quick: flags.quick,
    former: flags.former,
    json: flags.json,
    seed,
    guests: guestModules,
    onProgress: showProgress,
  })
}

/** The commit that is played, short; undefined outside of a repository. */
function commitOf() {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: new URL('.', import.meta.url),
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : undefined
}

async function main() {
  if (flags.list) return console.log(scenariosInPlay.map((s) => `${s.name.padEnd(22)} ${s.shows}`).join('\n'))
  const seed = count('seed', 0)

  if (flags.grid) return inGrid(seed)
  const startedMs = performance.now()
  const scenarios = chosenScenarios()
  const absent = []
  const entrants = chosenEntrants().filter((entrant) => {
    const reason = entrant.unavailable?.() ?? null
    if (reason !== null) absent.push({ id: entrant.id, reason })
    return reason === null
  })
  if (entrants.length === 0) fail(absent.map(({ id, reason }) => `${id} cannot take part: ${reason}`).join('\n'))

  const { rows, broken, disturbed = [] } = await (flags.real ? inReality : inVirtualTime)(scenarios, entrants, seed)
  const competes = (entrant) => entrant.control !== true && entrant.reference !== true
  const ids = entrants.filter(competes).map((entrant) => entrant.id)
  const controls = entrants.filter((entrant) => !competes(entrant)).map((entrant) => entrant.id)
  const seconds = (performance.now() - startedMs) / 1000
  const passed = controlsThatPassed(rows)
  const record = {
    plant: flags.real ? 'real' : 'virtual',
    at: new Date().toISOString(),
    commit: commitOf(),
    seed,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      threads: availableParallelism(),
      platform: `${platform()}-${arch()}`,
    },
    node: process.version,
    absent,
    skipped: [...skipped].map(([reason, names]) => ({ reason, scenarios: names })),
    ids,
    controls,
    misses: [...missesOf(rows, 'atrion'), ...roomMissesOf(rows)],
    losses: lossesOf(rows, ids),
    controlsThatPassed: passed,
    disturbed,
    rows,
  }

  if (flags.json) console.log(JSON.stringify(record))
  else report(record, seconds)
  if (flags.only === undefined && flags.contestant === undefined) write(record)
  for (const what of disturbed) console.error(`The machine was busy with other work: discard ${what}`)
  for (const { error } of broken) console.error(`A run broke: ${error}`)
  const atrionAbsent = absent.some(({ id }) => id === 'atrion')
  process.exitCode =
    atrionAbsent || record.misses.length > 0 || passed.length > 0 || broken.length > 0 || disturbed.length > 0 ? 1 : 0
}

function report({ rows, ids, controls, absent, skipped: left, controlsThatPassed: passed }, seconds) {
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
  for (const { reason, scenarios } of left) console.log(`Not played: ${scenarios.join(', ')} (${reason})`)
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
  const name = flags.real ? 'real' : 'arena'
  writeFileSync(new URL(`${name}.json`, folder), JSON.stringify(record))
  writeFileSync(new URL(`${name}.html`, folder), page(record))
  if (!flags.json) console.log(`Written: lab/record/${name}.json, lab/record/${name}.html`)
}

await main()
