// The grid in words: how many cells of each kind fall short, by how much, and which are the worst.
import { DEADLINES, keyOf, LAWS, LOADS, SERVERS } from './cells.mjs'
import { missesOf, playedOf, topShareOf } from './record.mjs'

const WORST = 10

const QUESTIONS = [
  { kind: 'calm', figure: 'shed', says: 'calm, refused beyond 0.1 % (0.5 % where D/s ≤ 3) after the warm-up' },
  { kind: 'calm', figure: 'shedCold', says: 'calm, refused beyond that during the warm-up, cold start included' },
  {
    kind: 'tight',
    figure: 'success',
    says: 'below capacity but tight, answered in time over 1 point less than without a guard',
  },
  { kind: 'overload', figure: 'goodput', says: 'overload, goodput below 95 % of the ceiling (90 % where D/s ≤ 3)' },
  {
    kind: 'overload',
    figure: 'top',
    says: 'overload, top tier below 99 % (98 % at 3 ×, 90 % where D/s ≤ 3) of what the ceiling gives it',
  },
  {
    kind: 'brief',
    figure: 'shed',
    says: 'overload that ends before a request would be late without a guard, refused beyond 0.1 % all the same',
  },
]

const VALUE = {
  ...Object.fromEntries(['shed', 'shedCold', 'goodput', 'success'].map((f) => [f, (p) => p[f]])),
  top: topShareOf,
}

const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`
const mean = (values) => values.reduce((sum, x) => sum + x, 0) / Math.max(1, values.length)

function describe(played) {
  const { cell, noGuard, shedCold, shed, goodput, top, topCeiling } = played
  return `${keyOf(cell).padEnd(42)} refused ${percent(shedCold)} then ${percent(shed)} · goodput ${percent(goodput, 1)} · top tier ${percent(top, 1)} of ${percent(topCeiling, 1)} · no guard ${percent(noGuard, 1)}`
}

/** Cells that fall short ÷ cells, along one axis. */
function along(axis, values, cells, figure) {
  const parts = values.flatMap((value) => {
    const those = cells.filter(({ played }) => played.cell[axis] === value)
    if (those.length === 0) return []
    return [`${value}: ${those.filter(({ misses }) => misses.some((m) => m.figure === figure)).length}/${those.length}`]
  })
  return parts.join('  ')
}

/**
 * @param {ReturnType<import('./record.mjs').recordOf>} record
 * @returns {string}
 */
export function summary(record) {
  const all = playedOf(record).map((played) => ({ played, misses: missesOf(played) }))
  const lines = [`The grid: ${record.law}, ${all.length} cells, seed ${record.seed}`]
  for (const { kind, figure, says } of QUESTIONS) {
    const cells = all.filter(({ played }) => played.kind === kind)
    const short = cells
      .map((cell) => ({ ...cell, by: cell.misses.find((miss) => miss.figure === figure)?.by ?? 0 }))
      .filter(({ by }) => by > 0)
      .sort((a, b) => b.by - a.by)
    lines.push('', `${short.length} of ${cells.length} cells: ${says}`)
    if (cells.length === 0) continue
    lines.push(`  mean ${percent(mean(cells.map(({ played }) => VALUE[figure](played))))}`)
    if (short.length === 0) continue
    lines.push(`  by D/s      ${along('deadline', DEADLINES, cells, figure)}`)
    lines.push(`  by servers  ${along('servers', SERVERS, cells, figure)}`)
    lines.push(`  by load     ${along('load', LOADS, cells, figure)}`)
    lines.push(`  by service  ${along('law', LAWS, cells, figure)}`)
    lines.push(...short.slice(0, WORST).map(({ played }) => `  ${describe(played)}`))
  }
  return lines.join('\n')
}
