// HTML reports: one file, inline SVG, no script, light and dark.

const WIDTH = 760
const HEIGHT = 240
const MARGIN = { top: 16, right: 104, bottom: 32, left: 48 }
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom }

/** Settings as a list of terms. */
export const settingsList = (settings) =>
  `<dl>${settings.map(([what, text]) => `<dt>${escapeHtml(what)}</dt><dd>${escapeHtml(text)}</dd>`).join('\n')}</dl>`

const STYLE = `
:root { color-scheme: light dark; --page: #fcfcfb; --ink: #1a1a19; --soft: #5c5b57; --line: #deddd8; --span: #f3e9e4;
  --atrion: #2a78d6; --classic: #c05a1c; --opossum: #c05a1c; --cockatiel: #7a5bb8; --none: #8a8983; }
@media (prefers-color-scheme: dark) { :root { --page: #1a1a19; --ink: #f0efeb; --soft: #a9a79f; --line: #3a3936;
  --span: #33251f; --atrion: #5ba0f0; --classic: #e58a4d; --opossum: #e58a4d; --cockatiel: #ab8fe6; --none: #8a8983; } }
body { margin: 0 auto; max-width: 800px; padding: 32px 20px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 8px } h2 { font-size: 17px; margin: 36px 0 4px }
p { margin: 4px 0 12px; color: var(--soft) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; margin: 12px 0 }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left; padding-left: 0 } dt { font-weight: 600 } dd { margin: 0 0 8px; color: var(--soft) }
svg { width: 100%; min-width: 560px; height: auto; display: block } svg text { fill: var(--soft); font-size: 12px }
.grid { stroke: var(--line) } .span { fill: var(--span) } .volts { stroke: var(--soft); stroke-dasharray: 3 4 }
.atrion { stroke: var(--atrion) } .classic { stroke: var(--classic) }
.opossum { stroke: var(--opossum) } .cockatiel { stroke: var(--cockatiel) } .none { stroke: var(--none) }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round } .dot { fill: transparent; stroke: none }
.dot:hover { fill: var(--ink) } .key { stroke-width: 3 }
`

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
export const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (sign) => ENTITIES[sign])

/** A round number of at most `most`, and at least a quarter of it. */
function stepOf(range, most = 5) {
  const rough = range / most
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
}

/**
 * A chart of lines over the time of a run.
 *
 * @param {object} options
 * @param {number} options.runMs length of the run
 * @param {{ fromMs: number, toMs: number, name: string }[]} options.spans times that are shaded
 * @param {{ id: string, name: string, points: [number, number][] }[]} options.series
 * @param {{ y: number, name: string }[]} [options.marks] horizontal lines
 */
export function chart({ runMs, spans, title, series, unit, marks = [] }) {
  const highest = Math.max(1, ...series.flatMap(({ points }) => points.map(([, y]) => y)), ...marks.map(({ y }) => y))
  const step = stepOf(highest)
  const top = Math.ceil(highest / step) * step
  const x = (atMs) => (MARGIN.left + (atMs / runMs) * INNER.width).toFixed(1)
  const y = (value) => (MARGIN.top + (1 - value / top) * INNER.height).toFixed(1)
  const right = MARGIN.left + INNER.width
  const bottom = MARGIN.top + INNER.height
  const parts = spans.flatMap(({ fromMs, toMs, name }) => [
    `<rect class="span" x="${x(fromMs)}" y="${MARGIN.top}" width="${x(toMs) - x(fromMs)}" height="${INNER.height}"/>`,
    `<text x="${Number(x(fromMs)) + 6}" y="${MARGIN.top + 14}">${escapeHtml(name)}</text>`,
  ])
  for (let value = 0; value <= top; value += step) {
    parts.push(`<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>`)
    parts.push(`<text x="${MARGIN.left - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`)
  }
  const secondStep = Math.max(1, stepOf(runMs / 1000))
  for (let second = 0; second * 1000 <= runMs; second += secondStep) {
    parts.push(`<text x="${x(second * 1000)}" y="${bottom + 20}" text-anchor="middle">${second} s</text>`)
  }
  for (const { y: value, name } of marks) {
    parts.push(`<line class="volts" x1="${MARGIN.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>`)
    parts.push(`<text x="${right + 8}" y="${Number(y(value)) + 4}">${escapeHtml(name)}</text>`)
  }
  for (const { id, name, points } of series) {
    parts.push(`<polyline class="${id}" points="${points.map(([at, value]) => `${x(at)},${y(value)}`).join(' ')}"/>`)
    for (const [at, value] of points) {
      const tip = `${name}, ${(at / 1000).toFixed(1)} s: ${Math.round(value * 10) / 10} ${unit}`
      parts.push(`<circle class="dot" cx="${x(at)}" cy="${y(value)}" r="4"><title>${escapeHtml(tip)}</title></circle>`)
    }
  }
  if (series.length > 1) {
    for (const [i, { id, name }] of series.entries()) {
      const at = MARGIN.top + 12 + i * 20
      parts.push(`<line class="key ${id}" x1="${right + 8}" x2="${right + 24}" y1="${at - 4}" y2="${at - 4}"/>`)
      parts.push(`<text x="${right + 30}" y="${at}">${escapeHtml(name)}</text>`)
    }
  }
  return `<div class="scroll"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${parts.join('\n')}</svg></div>`
}

/** Rows of cells, the head first. */
export function table([head, ...rows]) {
  const line = (cells, tag) => `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="scroll"><table>${line(head, 'th')}${rows.map((row) => line(row, 'td')).join('\n')}</table></div>`
}

/** A page in one file: no script, nothing from elsewhere. */
export const page = (title, body) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
${body}
</body></html>
`
