// The printing of the demos: colours where there is a terminal, numbers with their units, tables.

const isColoured = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR
/** Colours a text where stdout is a terminal. */
export const paint = (code) => (text) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text)
export const bold = paint(1)
export const dim = paint(2)

export const formatMs = (ms) => {
  if (ms === undefined) return 'not seen'
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
export const formatShare = (share) => (share === undefined ? '–' : `${(share * 100).toFixed(1)} %`)

/** Rows of cells as aligned text, the first column to the left; the first row is the head. */
export function formatTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('   '),
  )
  const rule = widths.map((width) => '─'.repeat(width)).join('───')
  return [bold(lines[0]), rule, ...lines.slice(1)].join('\n')
}
