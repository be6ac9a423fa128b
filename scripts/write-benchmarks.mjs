/**
 * Writes the measured tables of the README and of docs/benchmarks.md from the records that the runs left, between markers such as
 * `<!-- measured: classes -->` and `<!-- /measured -->`. No figure in them is written by hand.
 *
 *   npm run arena && node scripts/write-benchmarks.mjs          the tables of the arena
 *   npm run bench:roofline -- --save && node scripts/write-roofline.mjs && node scripts/write-benchmarks.mjs   the roofline
 *   npm run bench -- --save && node scripts/write-benchmarks.mjs   the tables of costs
 *
 * Tables whose record is missing stay as they are.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bandwidthOf, reachOf } from '../benches/lib/roofline.mjs'
import { missesOf, winnersOf } from '../lab/verdict.mjs'
import { ROOT } from './lib/process.mjs'
import { newestRoofline } from './write-roofline.mjs'

const PAGES = ['README.md', join('docs', 'benchmarks.md')]

/** The four rows of the README: two that Atrion was made for, a fault, and a class in which it loses. */
const ROWS = {
  'pool-exp-5x': 'a pool of workers at five times its capacity',
  'cpu-3x': 'an event loop at three times its capacity',
  'capacity-30-workers': 'a dependency that loses 70 % of its capacity',
  'thrash-2x': 'a cache that thrashes, at twice its best throughput',
}
const PEERS = { opossum: 'opossum', cockatiel: 'cockatiel', none: 'nothing' }
const COLUMNS = ['atrion', 'fixed', 'gradient2', 'codel', 'token-bucket', 'opossum', 'cockatiel', 'none']
const TITLES = {
  atrion: 'Atrion',
  fixed: 'best fixed limit',
  reserved: 'best reservation',
  codel: 'CoDel',
  'token-bucket': 'token bucket',
  none: 'nothing',
}
const FIGURES = ['goodput', 'critical']

const percent = (share) =>
  Number.isFinite(share) ? (100 * share).toFixed(share < 0.9995 && share > 0.99 ? 1 : 0) : '–'
const pairOf = (figures) => (figures ? FIGURES.map((name) => percent(figures[name] ?? Number.NaN)).join(' / ') : '–')
const titleOf = (id) => TITLES[id] ?? id
const table = (head, rows) =>
  [
    `| ${head.join(' | ')} |`,
    `|---|${'---:|'.repeat(head.length - 1)}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n')

const mean = (values) => {
  const known = values.filter(Number.isFinite)
  return known.length === 0 ? Number.NaN : known.reduce((sum, value) => sum + value, 0) / known.length
}

/** The best of the others by both figures together, and its name. */
const bestOther = ({ results }, ids) =>
  ids
    .filter((id) => !id.startsWith('atrion') && results[id])
    .map((id) => ({ id, sum: FIGURES.reduce((sum, name) => sum + (results[id].figures[name] ?? 0), 0) }))
    .reduce((best, one) => (best === undefined || one.sum > best.sum ? one : best), undefined).id

const arenaTables = (record) => {
  const { rows, ids, machine, node, at, commit } = record
  const misses = missesOf(rows, 'atrion')
  const byName = new Map(rows.map((row) => [row.scenario, row]))
  const unbeaten = Object.fromEntries(
    FIGURES.map((figure) => [figure, rows.filter((row) => winnersOf(row, figure, ids).includes('atrion')).length]),
  )
  const headline = Object.entries(ROWS).map(([name, what]) => {
    const row = byName.get(name)
    const best = bestOther(row, ids)
    return [
      `${what} (\`${name}\`)`,
      pairOf(row.results.atrion.figures),
      ...Object.keys(PEERS).map((id) => pairOf(row.results[id]?.figures)),
      `${titleOf(best)} ${pairOf(row.results[best].figures)}`,
    ]
  })
  const classes = [...new Set(rows.map((row) => row.class))]
  const perClass = classes.map((name) => {
    const own = rows.filter((row) => row.class === name)
    const cell = (id) =>
      FIGURES.map((figure) => percent(mean(own.map((row) => row.results[id]?.figures[figure] ?? Number.NaN)))).join(
        ' / ',
      )
    return [`${name} (${own.length})`, ...COLUMNS.map(cell)]
  })
  const losses = rows.flatMap((row) =>
    FIGURES.filter(
      (figure) =>
        Number.isFinite(row.results.atrion?.figures[figure]) && !winnersOf(row, figure, ids).includes('atrion'),
    ).flatMap((figure) => {
      const others = ids.filter((id) => !id.startsWith('atrion') && Number.isFinite(row.results[id]?.figures[figure]))
      const best = others.reduce((a, b) => (row.results[b].figures[figure] > row.results[a].figures[figure] ? b : a))
      const ours = row.results.atrion.figures[figure]
      const theirs = row.results[best].figures[figure]
      return theirs > ours
        ? [[`\`${row.scenario}\`: ${row.shows}`, figure, percent(ours), `${titleOf(best)} ${percent(theirs)}`]]
        : []
    }),
  )
  const targets = rows.reduce((sum, row) => sum + (row.results.atrion?.targets.length ?? 0), 0)
  const missed = new Set(misses.map(({ scenario }) => scenario)).size
  const day = at.slice(0, 10)
  return {
    headline: table(
      ['goodput ÷ ceiling / success of the critical tier, %', 'Atrion', ...Object.values(PEERS), 'the best other'],
      headline,
    ),
    verdict: `Of ${rows.length} scenarios, Atrion is unbeaten in ${unbeaten.goodput} by goodput and in ${unbeaten.critical} by the success of the critical tier. It misses ${misses.length} of the ${targets} figures that it set out to reach, in ${missed} scenarios.`,
    machine: `Measured on ${day}${commit ? ` at commit ${commit}` : ''}, Node ${node.slice(1)}, ${machine.cpu}, ${machine.threads} threads, ${machine.platform}. The arena plays in virtual time: its figures do not depend on the machine.`,
    classes: table(['class (scenarios)', ...COLUMNS.map(titleOf)], perClass),
    losses: table(['scenario', 'figure', 'Atrion', 'the best other'], losses),
  }
}

const benchTables = (record) => {
  const rows = Object.values(record.times).map(({ title, median, spread }) => [
    title,
    median >= 1000 ? Math.round(median).toLocaleString('en') : median.toFixed(1),
    (median / record.times.unit.median).toFixed(1),
    spread === undefined ? '–' : `${Math.round(spread * 100)} %`,
  ])
  const { cpu, cpus, memoryGiB, platform, arch, node } = record.machine
  return {
    costs: table(['a call', 'ns, median', 'in units', 'spread of the rounds'], rows),
    'costs, machine': `Measured on ${record.at.slice(0, 10)}, Node ${node.slice(1)}, ${cpu}, ${cpus} threads, ${memoryGiB} GiB, ${platform}-${arch}: ${record.repeats} interleaved rounds.`,
  }
}

const rooflineTables = (roofline) => {
  const { facts, peak, set, rows } = roofline
  const levels = [...new Set(rows.map(({ level }) => level))]
  const kernels = [...new Map(rows.map((row) => [row.kernel, row])).values()]
  const cell = (kernel, level) => {
    const row = rows.find((one) => one.kernel === kernel && one.level === level)
    const { reached, by } = reachOf(roofline, row)
    return `${Math.round(row.mroutes).toLocaleString('en')} (${Math.round(100 * reached)} % of ${by})`
  }
  const sizes = levels.map((level) => {
    const { workingSet } = rows.find((row) => row.level === level)
    return `${level} ${bandwidthOf(roofline, level).toFixed(0)} GB/s with ${(workingSet / 1024).toLocaleString('en')} KiB`
  })
  return {
    roofline: table(
      ['kernel', 'bytes', 'flops', ...levels],
      kernels.map(({ kernel, bytes, flops }) => [kernel, bytes, flops, ...levels.map((level) => cell(kernel, level))]),
    ),
    'roofline, machine': `Measured on ${facts.date}, ${facts.cpu}, ${set}, the best of ${facts.rounds} runs, at a load of ${facts.load} on ${facts.cpus} processors: ${peak.toFixed(1)} Gflop/s; ${sizes.join(', ')}.`,
  }
}

/** JSON has no NaN: a figure that does not exist was written as null. */
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'), (_, value) => (value === null ? Number.NaN : value))
const measured = {}
const arena = join(ROOT, 'lab', 'record', 'arena.json')
if (existsSync(arena)) {
  Object.assign(measured, arenaTables({ at: statSync(arena).mtime.toISOString(), ...readJson(arena) }))
}
const benches = join(ROOT, 'benches', 'record')
const newest = readdirSync(benches)
  .filter((name) => name.endsWith('.json'))
  .map((name) => readJson(join(benches, name)))
  .sort((a, b) => a.at.localeCompare(b.at))
  .at(-1)
if (newest) Object.assign(measured, benchTables(newest))

const roofline = newestRoofline()
if (roofline) Object.assign(measured, rooflineTables(roofline))

for (const page of PAGES) {
  const file = join(ROOT, page)
  const before = readFileSync(file, 'utf8')
  const after = before.replace(
    /(<!-- measured: (.+?) -->\n)[\s\S]*?(<!-- \/measured -->)/g,
    (block, open, name, close) => (measured[name] === undefined ? block : `${open}${measured[name]}\n${close}`),
  )
  writeFileSync(file, after)
  console.log(`${page}: ${before === after ? 'as it was' : 'rewritten'}`)
}
