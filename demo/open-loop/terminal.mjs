// The output of the demo: a line a second, tables, and a plot of R over time.
import { dim, formatMs, formatShare, paint } from '../terminal.mjs'
import { CLASSES, phaseAt } from './plan.mjs'

const PHASE_PAINT = { healthy: paint(32), zombie: paint(31), healed: paint(36) }

const NAMES = { classic: 'classic', atrion: 'Atrion ' }

/** The last second of a run: answers by the time at which they came, and the guard. */
export function secondLine(guard, second, plan, counts, sample) {
  const total = Math.floor(plan.runMs / 1000)
  const phase = phaseAt(plan, second * 1000 - 500)
  const cells = Object.entries(counts).map(([outcome, count]) => {
    const cell = `${outcome} ${String(count).padStart(3)}`
    return count === 0 ? dim(cell) : cell
  })
  const state = sample?.resistance === undefined ? '' : `R ${sample.resistance.toFixed(0).padStart(3)} Ω `
  const clock = `${String(second).padStart(2)}/${total} s`
  return [
    NAMES[guard],
    clock,
    PHASE_PAINT[phase](phase.padEnd(7)),
    cells.join('  '),
    `${state}${sample?.mode ?? ''}`,
  ].join('  ')
}

/** The table's rows: what was measured of both. */
export function comparison(classic, atrion) {
  const row = (label, pick) => [label, pick(classic), pick(atrion)]
  const count = (pick) => (summary) => String(pick(summary))
  return [
    ['measured', 'health check + opossum', 'Atrion'],
    row(
      'requests sent by the clients',
      count(({ requests }) => requests),
    ),
    row('detection: first refusal after the dependency fell ill', ({ detectionMs }) => formatMs(detectionMs)),
    row(
      'requests wasted: sent to it, answered wrong, late or never',
      count(({ wasted }) => wasted),
    ),
    row('time clients spent waiting for those', ({ wastedMs }) => formatMs(wastedMs)),
    row(
      'calls that reached the zombie',
      count(({ callsAsZombie }) => callsAsZombie),
    ),
    row('any answer while ill: median', ({ medianAsZombieMs }) => formatMs(medianAsZombieMs)),
    row('any answer while ill: 99th percentile', ({ p99AsZombieMs }) => formatMs(p99AsZombieMs)),
    row('recovery: good again and staying so after the healing', ({ recoveryMs }) => formatMs(recoveryMs)),
    row(
      'refused before it fell ill',
      count(({ refusedWhileWell }) => refusedWhileWell),
    ),
    row(
      'refused after it healed',
      count(({ refusedOnceHealed }) => refusedOnceHealed),
    ),
    row(
      'transitions',
      count(({ transitions }) => transitions),
    ),
    row('goodput, all classes', ({ goodShare }) => formatShare(goodShare)),
    ...classic.classes.map(({ class: name }, i) => [
      `goodput, ${name} (whole run / while ill)`,
      ...[classic, atrion].map(({ classes }) => `${formatShare(classes[i].run)} / ${formatShare(classes[i].zombie)}`),
    ]),
  ]
}

/** In which order classes were refused, and came back. */
export const classOrder = ({ classes }) => [
  ['Atrion by class', 'voltage', 'first refused after', 'good again after'],
  ...CLASSES.map(({ name, voltage }, i) => [
    name,
    `${voltage} V`,
    formatMs(classes[i].firstRefusedMs),
    formatMs(classes[i].recoveryMs),
  ]),
]

const EIGHTHS = ' ▁▂▃▄▅▆▇█'
const PLOT_ROWS = 12

/** R over time as columns of blocks, with the voltages as lines: what stands above a line is refused below it. */
export function plotResistance(samples, plan, width = 80) {
  const columns = width - 18
  const heights = Array.from({ length: columns }, (_, column) => {
    const [from, to] = [column, column + 1].map((edge) => (edge * plan.runMs) / columns)
    const inside = samples.filter(({ atMs }) => atMs >= from && atMs < to).map(({ resistance }) => resistance)
    return inside.length > 0 ? Math.max(...inside) : undefined
  })
  // A gap between two samples is no gap in R.
  heights.forEach((height, i) => {
    if (height === undefined) heights[i] = heights[i - 1] ?? 0
  })
  const top = Math.ceil(Math.max(...heights, ...CLASSES.map(({ voltage }) => voltage)) / 20) * 20
  const ohmsPerRow = top / PLOT_ROWS
  const lines = []
  for (let row = PLOT_ROWS - 1; row >= 0; row -= 1) {
    const floor = row * ohmsPerRow
    const mark = CLASSES.find(({ voltage }) => voltage > floor && voltage <= floor + ohmsPerRow)
    const cells = heights.map((height, column) => {
      const filled = Math.round(Math.min(1, Math.max(0, (height - floor) / ohmsPerRow)) * 8)
      const cell = filled === 0 && mark ? '┄' : EIGHTHS[filled]
      const phase = phaseAt(plan, ((column + 0.5) * plan.runMs) / columns)
      return filled === 0 ? dim(cell) : PHASE_PAINT[phase](cell)
    })
    const label = mark ? dim(` ${mark.voltage} V ${mark.name}`) : ''
    lines.push(`${String(Math.round(floor + ohmsPerRow)).padStart(4)} ┤${cells.join('')}${label}`)
  }
  const axis = Array.from({ length: columns }, () => '─')
  const words = Array.from({ length: columns }, () => ' ')
  const note = (atMs, text) => {
    const column = Math.min(columns - 1, Math.round((atMs / plan.runMs) * columns))
    axis[column] = '┴'
    for (const [i, letter] of [...text].entries()) if (column + i < columns) words[column + i] = letter
  }
  note(0, '0 s')
  note(plan.illAtMs, `${(plan.illAtMs / 1000).toFixed(1)} s ill`)
  note(plan.healedAtMs, `${(plan.healedAtMs / 1000).toFixed(1)} s healed`)
  return ['   Ω', ...lines, `   0 ┼${axis.join('')}`, `      ${words.join('')}`].join('\n')
}
