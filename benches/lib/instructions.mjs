/** Records of instruction counts: CSV, the newest row of each name last. */

const COLUMNS = ['date', 'rustc', 'valgrind', 'cpu', 'row', 'instructions']

const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`

/** The newest count of each row of a record. */
export const parseCounts = (text) => {
  const counts = new Map()
  for (const line of text.split('\n').slice(1)) {
    const found = /"([^"]*)",([\d.]+)$/.exec(line)
    if (found !== null) counts.set(found[1], Number(found[2]))
  }
  return counts
}

/** Counts as lines of a record, under its head where it is new. */
export const recordText = (counts, { date, rustc, valgrind, cpu }, isNew) => {
  const head = isNew ? `${COLUMNS.join(',')}\n` : ''
  const lines = [...counts].map(
    ([row, count]) => `${[date, rustc, valgrind, cpu, row].map(quoted).join(',')},${count.toFixed(1)}\n`,
  )
  return head + lines.join('')
}

/** Every row with its count now and in the record, the change in per cent, and whether that is too much. */
export const compare = (counts, record, tolerance) =>
  [...counts].map(([row, now]) => {
    const before = record.get(row)
    if (before === undefined) return { row, now, before, change: undefined, isWorse: false }
    const change = (now / before - 1) * 100
    const text = `${change < 0 ? '−' : '+'}${Math.abs(change).toFixed(1)}`
    return { row, now, before, change: text, isWorse: now > before * (1 + tolerance) }
  })
