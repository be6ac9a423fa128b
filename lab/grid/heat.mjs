// The grid as one self-contained picture: small heat maps, servers by deadline, one for each service law and load; the former
// law on the left, this one on the right. Legible in light and in dark; every cell says its figures when pointed at.
import { DEADLINES, keyOf, LAWS, LOADS, SERVERS } from './cells.mjs'
import { missesOf, playedOf, topShareOf } from './record.mjs'

const CELL = 13
const GAP = 12
const MAP = { width: DEADLINES.length * CELL, height: SERVERS.length * CELL }
const LEFT = 92
const TOP = 70
const BLOCK_GAP = 76
const BLOCK = LAWS.length * (MAP.width + GAP)
const HEADING = 74
const FOOT = 26

/** Steps of a figure from the target to the worst; the first meets the target. */
const REFUSED = {
  bounds: [0.001, 0.005, 0.02, 0.1, 0.4],
  names: ['≤ 0.1 %', '≤ 0.5 %', '≤ 2 %', '≤ 10 %', '≤ 40 %', '> 40 %'],
}
const SHORT = {
  bounds: [0.05, 0.1, 0.2, 0.4, 0.7],
  names: ['≥ 95 %', '≥ 90 %', '≥ 80 %', '≥ 60 %', '≥ 30 %', '< 30 %'],
}
const SHORT_TOP = {
  bounds: [0.01, 0.03, 0.1, 0.3, 0.6],
  names: ['≥ 99 %', '≥ 97 %', '≥ 90 %', '≥ 70 %', '≥ 40 %', '< 40 %'],
}

const SECTIONS = [
  {
    title: 'Refused when calm, % of requests after the warm-up',
    note: 'below the capacity, and without any guard 99 % are in time; cells where that is not so are hatched',
    loads: LOADS.filter((load) => load < 1),
    scale: REFUSED,
    applies: ({ kind }) => kind === 'calm',
    value: ({ shed }) => shed,
    figures: ['shed'],
    label: ({ shed }) => `refused ${percent(shed)}`,
  },
  {
    title: 'Goodput in overload, % of the ceiling',
    note: 'the ceiling is what a waiting room that knows the servers answers in time with the same draws',
    loads: LOADS.filter((load) => load > 1),
    scale: SHORT,
    applies: ({ kind }) => kind === 'overload' || kind === 'brief',
    value: ({ goodput }) => 1 - Math.min(1, goodput),
    figures: ['goodput'],
    label: ({ goodput }) => `goodput ${percent(goodput)} of the ceiling`,
  },
  {
    title: 'Top tier in overload, % of the success that the ceiling gives it',
    note: 'critical requests, a tenth of all; a service longer than the deadline counts against neither',
    loads: LOADS.filter((load) => load > 1),
    scale: SHORT_TOP,
    applies: ({ kind }) => kind === 'overload' || kind === 'brief',
    value: (played) => 1 - topShareOf(played),
    figures: ['top'],
    label: ({ top, topCeiling }) => `top tier ${percent(top)}, reachable ${percent(topCeiling)}`,
  },
]

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`

// One hue from pale to deep: order is read from lightness alone, which survives colour blindness and grey printing.
const STYLE = `
svg { --paper: #fcfcfa; --ink: #1d1f23; --quiet: #5b616b; --line: #c9ccc6;
  --s0: #e4eef0; --s1: #f6dfb8; --s2: #f0b277; --s3: #e07b4f; --s4: #b8402f; --s5: #701421 }
@media (prefers-color-scheme: dark) { svg { --paper: #16181c; --ink: #e8e9ec; --quiet: #a2a8b3; --line: #3a3f48;
  --s0: #22343a; --s1: #57452b; --s2: #8a5a2c; --s3: #c4713a; --s4: #f0965e; --s5: #ffd9b0 } }
.paper { fill: var(--paper) } text { font: 11px system-ui, sans-serif; fill: var(--quiet) }
.h1 { font-size: 20px; font-weight: 600; fill: var(--ink) } .h2 { font-size: 15px; font-weight: 600; fill: var(--ink) }
.strong { fill: var(--ink); font-weight: 600 } .tick { font-size: 8px }
${[0, 1, 2, 3, 4, 5].map((k) => `.s${k} { fill: var(--s${k}) }`).join(' ')}
.out { fill: url(#hatch) } .frame { fill: none; stroke: var(--line) } .hatch { stroke: var(--line); stroke-width: 1 }
.missed { fill: var(--paper); stroke: var(--ink); stroke-width: 0.7 }
`

const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c])
const text = (x, y, content, { of = '', anchor = 'start' } = {}) =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}"${of === '' ? '' : ` class="${of}"`}>${escaped(content)}</text>`
const box = (x, y, of, title = '') =>
  `<rect x="${x}" y="${y}" width="${CELL - 1}" height="${CELL - 1}" class="${of}">${title === '' ? '' : `<title>${escaped(title)}</title>`}</rect>`

function stepOf({ bounds }, value) {
  const step = bounds.findIndex((bound) => value <= bound + 1e-9)
  return step < 0 ? bounds.length : step
}

/** One heat map: servers downwards, deadlines to the right. */
function heatMap(section, cells, x, y) {
  const parts = [
    `<rect x="${x - 1.5}" y="${y - 1.5}" width="${MAP.width + 2}" height="${MAP.height + 2}" class="frame"/>`,
  ]
  for (const played of cells) {
    const cx = x + DEADLINES.indexOf(played.cell.deadline) * CELL
    const cy = y + SERVERS.indexOf(played.cell.servers) * CELL
    if (!section.applies(played)) {
      parts.push(box(cx, cy, 'out'))
      continue
    }
    const missed = missesOf(played).some(({ figure }) => section.figures.includes(figure))
    parts.push(
      box(
        cx,
        cy,
        `s${stepOf(section.scale, section.value(played))}`,
        `${keyOf(played.cell)}: ${section.label(played)}`,
      ),
    )
    if (missed) parts.push(`<circle cx="${cx + CELL / 2 - 0.5}" cy="${cy + CELL / 2 - 0.5}" r="1.6" class="missed"/>`)
  }
  return parts.join('')
}

/** One law's maps of a section: service laws to the right, loads downwards. */
function block(section, all, x, y) {
  const parts = LAWS.map((law, k) => text(x + k * (MAP.width + GAP) + MAP.width / 2, y - 6, law, { anchor: 'middle' }))
  section.loads.forEach((load, row) => {
    const top = y + row * (MAP.height + GAP + 8)
    parts.push(text(x - 5, top - 6, 'c', { of: 'tick', anchor: 'end' }))
    parts.push(text(x - 5, top + MAP.height + 8, 'D/s', { of: 'tick', anchor: 'end' }))
    parts.push(text(x - 30, top + MAP.height / 2 + 4, `${load} ×`, { of: 'strong', anchor: 'end' }))
    SERVERS.forEach((c, k) => {
      parts.push(text(x - 5, top + k * CELL + 9, String(c), { of: 'tick', anchor: 'end' }))
    })
    LAWS.forEach((law, column) => {
      const cells = all.filter(({ cell }) => cell.law === law && cell.load === load)
      const left = x + column * (MAP.width + GAP)
      parts.push(heatMap(section, cells, left, top))
      DEADLINES.forEach((d, k) => {
        const tick = d === 1000 ? '1k' : String(d)
        parts.push(text(left + (k + 0.5) * CELL - 0.5, top + MAP.height + 8, tick, { of: 'tick', anchor: 'middle' }))
      })
    })
  })
  return parts.join('\n')
}

function legend(section, x, y) {
  const parts = section.scale.names.map(
    (name, k) => `${box(x + k * 78, y - 10, `s${k}`)}${text(x + k * 78 + CELL + 4, y, name)}`,
  )
  const after = x + section.scale.names.length * 78
  parts.push(`${box(after, y - 10, 's2')}<circle cx="${after + 6}" cy="${y - 4}" r="1.6" class="missed"/>`)
  parts.push(text(after + CELL + 4, y, 'short of the target'))
  parts.push(box(after + 150, y - 10, 'out'), text(after + 150 + CELL + 4, y, 'not asked'))
  return parts.join('')
}

/**
 * @param {ReturnType<import('./record.mjs').recordOf>[]} records one law, or the former and this one
 * @returns {string} SVG
 */
export function heatMaps(records) {
  const laws = records.map((record) => ({ law: record.law, all: playedOf(record) }))
  const width = LEFT + 20 + laws.length * BLOCK + (laws.length - 1) * BLOCK_GAP
  const parts = []
  let y = TOP
  for (const section of SECTIONS) {
    const height = section.loads.length * (MAP.height + GAP + 8)
    parts.push(
      text(20, y + 14, section.title, { of: 'h2' }),
      text(20, y + 31, section.note),
      legend(section, 20, y + 50),
    )
    laws.forEach(({ law, all }, k) => {
      const x = LEFT + k * (BLOCK + BLOCK_GAP)
      const cells = all.filter(section.applies)
      const short = cells.filter((p) => missesOf(p).some(({ figure }) => section.figures.includes(figure)))
      const head = `${law}: ${short.length} of ${cells.length} short of the target`
      parts.push(text(x, y + HEADING, head, { of: 'strong' }), block(section, all, x, y + HEADING + 24))
    })
    y += HEADING + 24 + height + FOOT
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="Heat maps of the grid">
<style>${STYLE}</style>
<defs><pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V4"/></pattern></defs>
<rect class="paper" width="${width}" height="${y}"/>
${text(20, 30, 'The grid: servers × deadline ÷ service time × load × service law', { of: 'h1' })}
${text(20, 50, 'Each small map: c servers downwards (1 to 200), the deadline in mean service times D/s to the right (2 to 1000); one column a service law, one row a load in multiples of the capacity.')}
${parts.join('\n')}
</svg>
`
}
