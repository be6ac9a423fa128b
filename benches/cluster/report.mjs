/** Verdicts, and the table of them. */

/** A verdict on a target; without a limit, a number that is shown and not judged. `least`: the limit is a lower one. */
export const judge = (id, { row, unit, measured, limit, least = false }) => ({
  id,
  row,
  unit,
  measured,
  limit,
  least,
  met: limit === undefined || measured === undefined ? undefined : least ? measured >= limit : measured <= limit,
})

const MARKS = { true: 'met', false: 'MISSED', undefined: '' }

const format = (x) => (Math.abs(x) >= 100 || Number.isInteger(x) ? Math.round(x).toLocaleString('en') : x.toFixed(2))

const padded = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, i) => (i === 0 || i > 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))))
}

export const verdictTable = (verdicts) => {
  const rows = verdicts.map(({ row, unit, measured, limit, least, met }) => [
    row,
    measured === undefined ? 'not measured' : format(measured),
    limit === undefined ? '' : `${least ? '≥' : '≤'} ${format(limit)}`,
    unit,
    MARKS[met],
  ])
  const lines = padded([['', 'measured', 'target', '', ''], ...rows]).map((cells) => cells.join('  ').trimEnd())
  const count = (met) => verdicts.filter((verdict) => verdict.limit !== undefined && verdict.met === met).length
  return `${lines.join('\n')}\n\ntargets: ${count(true)} met, ${count(false)} missed, ${count(undefined)} not measured`
}
