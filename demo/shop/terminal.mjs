// The output of the demo of the shop: a line a second, the table, and where Atrion loses.
import { dim, formatMs, formatShare, paint } from '../terminal.mjs'
import { GUARDS, loadAt, phaseAt } from './plan.mjs'
import { lossesOf, ROWS } from './summary.mjs'

const NAME_WIDTH = Math.max(...GUARDS.map(({ name }) => name.length))
const PHASE_PAINT = {
  calm: paint(32),
  rising: paint(33),
  peak: paint(31),
  'calm again': paint(32),
  zombie: paint(31),
  healed: paint(36),
}

const FORMATS = { count: String, share: formatShare, ms: formatMs, rate: (perS) => perS.toFixed(1) }
const format = (kind, value) =>
  value === undefined || !Number.isFinite(value) ? formatMs(undefined) : FORMATS[kind](value)

/** The last second of a run: answers by the time at which they came, and the guard's own state. */
export function secondLine({ name }, second, plan, counts, sample = {}) {
  const atMs = second * 1000 - 500
  const phase = phaseAt(plan, atMs).name
  const cells = Object.entries(counts).map(([outcome, count]) => {
    const cell = `${outcome} ${String(count).padStart(3)}`
    return count === 0 ? dim(cell) : cell
  })
  const { breaker, inFlight, limit } = sample
  const shown = [
    breaker === undefined ? '' : `breaker ${breaker}`,
    limit === undefined ? '' : `in flight ${inFlight}`,
    limit === undefined ? '' : `limit of the pool ${limit < 100_000 ? Math.round(limit) : 'none'}`,
  ]
  return [
    name.padEnd(NAME_WIDTH),
    `${String(second).padStart(2)}/${Math.floor(plan.runMs / 1000)} s`,
    PHASE_PAINT[phase](phase.padEnd(10)),
    `load ${loadAt(plan, atMs).toFixed(1)} ×`,
    cells.join('  '),
    ...shown.filter(Boolean),
  ].join('  ')
}

/** The table's rows: what was measured of every guard. */
export const comparison = (summaries) => [
  ['measured', ...GUARDS.map(({ name }) => name)],
  ...ROWS.map(({ label, kind, of }) => [label, ...summaries.map((summary) => format(kind, of(summary)))]),
]

/** In words, where another guard measured better than Atrion. */
export const losses = (summaries) =>
  lossesOf(
    summaries,
    GUARDS.map(({ name }) => name),
  ).map(({ label, kind, ours, theirs, by }) => `${label}: ${format(kind, ours)}, ${by} ${format(kind, theirs)}`)
