/** The matrix as a table in Markdown and as a picture. */

const HEIGHT = 26
const LEFT = 190
const WIDTH = 62
const TOP = 172
const COLOURS = { native: '#2f855a', wasm: '#2b6cb0', failed: '#c53030', skipped: '#a0aec0' }

const columnsOf = (cells) => [...new Set(cells.map(({ what }) => what))]
const rowsOf = (cells) => [...new Set(cells.map(({ client }) => client))]
const kindOf = ({ engine, failure }) => (failure !== undefined ? 'failed' : (engine ?? 'skipped'))
const textOf = (cell) => (cell === undefined ? '' : ({ failed: 'FAILED', skipped: '–' }[kindOf(cell)] ?? cell.engine))
const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;')

/** A row for each way to use the package, a column for each package manager. */
export const tableOf = (cells) => {
  const clients = rowsOf(cells)
  const find = (client, what) => cells.find((cell) => cell.client === client && cell.what === what)
  return [
    `| | ${clients.join(' | ')} |`,
    `|---|${clients.map(() => '---').join('|')}|`,
    ...columnsOf(cells).map(
      (what) => `| ${what} | ${clients.map((client) => textOf(find(client, what))).join(' | ')} |`,
    ),
  ].join('\n')
}

/** Cells that did not run, each with its reason, and those that failed. */
export const notesOf = (cells) => [
  ...new Set(
    cells
      .filter(({ skipped }) => skipped !== undefined)
      .map(({ client, what, skipped }) => `- ${client}, ${what.replace(/, (cjs|esm)$/, '')}: not run. ${skipped}.`),
  ),
  ...cells
    .filter(({ failure }) => failure !== undefined)
    .map(({ client, what, failure }) => `- ${client}, ${what}: FAILED. ${failure.split('\n')[0]}`),
]

/** An SVG: a row for each package manager or machine. */
export const pictureOf = (cells, title) => {
  const columns = columnsOf(cells)
  const rows = rowsOf(cells)
  const width = LEFT + columns.length * WIDTH + 100
  const height = TOP + rows.length * HEIGHT + 44
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ]
  for (const [i, what] of columns.entries()) {
    const x = LEFT + i * WIDTH + WIDTH / 2
    parts.push(`<text transform="translate(${x + 4},${TOP - 8}) rotate(-60)" fill="#1a202c">${escaped(what)}</text>`)
  }
  for (const [j, client] of rows.entries()) {
    const y = TOP + j * HEIGHT
    parts.push(`<text x="${LEFT - 10}" y="${y + 17}" text-anchor="end" fill="#1a202c">${escaped(client)}</text>`)
    for (const [i, what] of columns.entries()) {
      const cell = cells.find((one) => one.client === client && one.what === what)
      if (cell === undefined) continue
      const x = LEFT + i * WIDTH
      const note = cell.skipped ?? cell.failure?.split('\n')[0] ?? cell.engine
      parts.push(
        `<g><title>${escaped(`${client}, ${what}: ${note}`)}</title>` +
          `<rect x="${x + 1}" y="${y + 1}" width="${WIDTH - 2}" height="${HEIGHT - 2}" rx="3" fill="${COLOURS[kindOf(cell)]}"/>` +
          `<text x="${x + WIDTH / 2}" y="${y + 17}" text-anchor="middle" fill="#fff">${escaped(textOf(cell))}</text></g>`,
      )
    }
  }
  const legend = 'The engine that the package came to. –: not run, see the table for the reason.'
  parts.push(`<text x="10" y="${height - 14}" fill="#4a5568">${legend}</text>`, '</svg>')
  return `${parts.join('\n')}\n`
}
