import { lossesOf, missesOf, winnersOf } from '../verdict.mjs'

const SHORT = {
  'token-bucket': 'tokens',
  'always-admits': 'admits',
  'always-refuses': 'refuses',
  'never-moves': 'stuck',
}
const shortName = (id) => SHORT[id] ?? id

const percent = (share) => (Number.isFinite(share) ? (100 * share).toFixed(share >= 0.9995 ? 0 : 1) : '–')

/** @param {number} value @param {string} metric a figure in the unit that its metric has */
export function format(value, metric) {
  if (value === Number.POSITIVE_INFINITY) return 'never'
  if (!Number.isFinite(value)) return 'none'
  if (metric.endsWith('Ms')) return `${value.toFixed(0)} ms`
  if (metric.endsWith('S')) return metric === 'probesPerS' ? `${value.toFixed(0)} /s` : `${value.toFixed(1)} s`
  if (metric === 'reversals' || metric === 'inversions') return String(value)
  return `${(100 * value).toFixed(value > 0 && value < 0.01 ? 3 : 1)} %`
}

/** "goodput of critical in overload" */
export const claim = ({ metric, tier, flow, flows, window, is, value }) =>
  `${metric}${[tier, flow, flows?.join(' and ')].map((what) => (what === undefined ? '' : ` of ${what}`)).join('')}${window === 'all' ? '' : ` (${window})`} ${is} ${format(value, metric)}`

/**
 * @param {import('../verdict.mjs').Row[]} rows
 * @param {{ ids: string[], controls: string[] }} entrants
 * @returns {string}
 */
export function scoreboard(rows, { ids, controls }) {
  const all = [...ids, ...controls].filter((id) => rows.some((row) => row.results[id] !== undefined))
  const wide = Math.max(...rows.map((row) => row.scenario.length), 8) + 1
  const cell = Math.max(13, ...all.map((id) => shortName(id).length + 2))
  const wins = Object.fromEntries(all.map((id) => [id, { goodput: 0, critical: 0, met: 0, targets: 0 }]))
  const lines = [
    'Goodput ÷ ceiling / success of the critical tier, %. * no other does better (draws: 1 and 0.5 points).',
    'Then targets met.',
    '',
    ''.padEnd(wide) + all.map((id) => shortName(id).padStart(cell)).join(''),
  ]
  let shown
  for (const row of rows) {
    if (row.class !== undefined && row.class !== shown) {
      shown = row.class
      lines.push('', `${shown.toUpperCase()}`)
    }
    const best = { goodput: winnersOf(row, 'goodput', ids), critical: winnersOf(row, 'critical', ids) }
    const cells = all.map((id) => {
      const result = row.results[id]
      if (result === undefined) return 'absent'.padStart(cell)
      const mark = (figure) => {
        const won = best[figure].includes(id)
        if (won) wins[id][figure] += 1
        return `${percent(result.figures[figure])}${won ? '*' : ' '}`
      }
      wins[id].met += result.targets.filter((w) => w.met).length
      wins[id].targets += result.targets.length
      return `${mark('goodput')}/${mark('critical')}`.padStart(cell)
    })
    lines.push(row.scenario.padEnd(wide) + cells.join(''))
  }
  const total = (text, of) => lines.push(text.padEnd(wide) + all.map((id) => of(wins[id]).padStart(cell)).join(''))
  lines.push('')
  total('unbeaten', (w) => `${w.goodput} / ${w.critical}`)
  total('targets met', (w) => `${w.met} of ${w.targets}`)
  const classes = [...new Set(rows.map((row) => row.class))]
  if (classes.length < 2) return lines.join('\n')
  lines.push('', 'Wanted figures met, by class:')
  for (const name of classes) {
    const cells = all.map((id) => {
      const asked = rows.filter((row) => row.class === name).flatMap((row) => row.results[id]?.targets ?? [])
      return (asked.length === 0 ? '–' : `${asked.filter((w) => w.met).length} of ${asked.length}`).padStart(cell)
    })
    lines.push(name.padEnd(wide) + cells.join(''))
  }
  return lines.join('\n')
}

/** Losses by scenario and figure. */
function grouped(losses) {
  const groups = new Map()
  for (const loss of losses) {
    const key = `${loss.scenario} ${loss.figure}`
    groups.set(key, [...(groups.get(key) ?? []), loss])
  }
  return [...groups.values()]
}

/** Lists the scenarios that Atrion lost, as plainly as those that it won. */
export function shortfalls(rows, ids) {
  const listed = (what, items) => [`${what}: ${items.length === 0 ? 'none' : items.length}`, ...items]
  const misses = (id) =>
    missesOf(rows, id).map((m) => `  ${m.scenario}: target ${claim(m)}, got ${format(m.got, m.metric)}`)
  const lost = grouped(lossesOf(rows, ids))
  const losses = lost.map((several) => {
    const [{ scenario, figure, by, theirs, ours }, ...others] = several.sort((x, y) => y.theirs - x.theirs)
    const more = others.length === 0 ? '' : `, and ${others.length} more`
    return `  ${scenario}: ${figure} ${percent(ours)} %, ${by} ${percent(theirs)} %${more}`
  })
  const room = ids.includes('atrion-room') ? listed("Atrion's misses with its waiting room", misses('atrion-room')) : []
  return [...listed("Atrion's misses", misses('atrion')), ...room, ...listed("Atrion's losses", losses)].join('\n')
}

/** Every figure of one run. */
export function details(row, id) {
  const { name, settings, state, figures, targets } = row.results[id]
  const lines = [`${row.scenario}: ${row.shows}`, `${name} ${JSON.stringify(settings)}`]
  for (const [figure, value] of Object.entries(figures)) {
    if (figure === 'window') lines.push(`  in window      ${value}`)
    else if (figure === 'success') {
      const tiers = Object.entries(value).map(([tier, share]) => `${tier} ${percent(share)}`)
      lines.push(`  success, %     ${tiers.join(' · ')}`)
    } else lines.push(`  ${figure.padEnd(14)} ${format(value, figure)}`)
  }
  if (state !== undefined) lines.push(`  at the end     ${JSON.stringify(state)}`)
  for (const w of targets) {
    lines.push(`  ${w.met ? 'met   ' : 'MISSED'} ${claim(w)}: ${format(w.got, w.metric)}`)
  }
  return lines.join('\n')
}
