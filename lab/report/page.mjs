import { TIERS } from '../driver/tiers.mjs'
import { winnersOf } from '../verdict.mjs'
import { plot } from './plot.mjs'
import { claim, format } from './scoreboard.mjs'

const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c])

const STYLE = `
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1d1f23; --quiet: #5b616b; --rule: #d9dbd6; --shade: #e9ece4;
  --good: #1a7f4b; --bad: #b3261e; --offered: #9a9fa8;
  --critical: #8a1c7c; --high: #2f56c6; --normal: #0b7f86; --low: #b26a00; --bulk: #6f7480 }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e8e9ec; --quiet: #a2a8b3; --rule: #343840; --shade: #262c2b;
  --good: #5fd694; --bad: #ff8f85; --offered: #767c88;
  --critical: #e58fe0; --high: #8fabff; --normal: #4fcdd2; --low: #f2b24c; --bulk: #a4a9b5 } }
body { margin: 0 auto; padding: 1.5rem; max-width: 1320px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.5rem } p, li { max-width: 75ch }
small, .quiet { color: var(--quiet) } a { color: inherit }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
th, td { padding: 2px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule) }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper) }
.won { font-weight: 700; color: var(--good) } .missed { color: var(--bad) }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); gap: 12px }
figure { margin: 0 } figcaption { font-size: 13px } svg { width: 100%; height: auto; display: block }
svg text { font: 9px system-ui, sans-serif; fill: var(--quiet) }
.axis { stroke: var(--rule); fill: none } .ceiling { fill: var(--shade) }
.offered { stroke: var(--offered); stroke-width: 1; stroke-dasharray: 2 3; fill: none }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round } .good { stroke: var(--good) }
${TIERS.map((tier) => `.${tier} { stroke: var(--${tier}) }`).join(' ')}
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; padding: 0; list-style: none }
.key svg { width: 28px; height: 10px; display: inline-block; margin-right: 6px }
`

const KEY = [
  [
    'ceiling',
    '<path class="ceiling" d="M0 0H28V10H0Z"/>',
    'ceiling: the most that any controller could have answered well',
  ],
  ['offered', '<path class="offered" d="M0 5H28"/>', 'requests sent (cut off above the plot)'],
  ['good', '<path class="line good" d="M0 5H28"/>', 'good answers within the deadline'],
  ...TIERS.map((tier) => [tier, `<path class="line ${tier}" d="M0 5H28"/>`, `share of ${tier} requests served`]),
]

const PLANT = { virtual: 'in virtual time', real: 'node:http and its clients in processes of their own, over loopback' }

const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}` : '–')

function board({ rows, ids, controls }) {
  const all = [...ids, ...controls]
  let shown
  const body = rows.map((row) => {
    const heading = row.class === undefined || row.class === shown ? '' : `<tr><th>${escaped(row.class)}</th></tr>`
    shown = row.class
    const won = { goodput: winnersOf(row, 'goodput', ids), critical: winnersOf(row, 'critical', ids) }
    const cells = all.map((id) => {
      const figures = row.results[id]?.figures
      if (figures === undefined) return '<td>–</td>'
      const figure = (name) => `<span class="${won[name].includes(id) ? 'won' : ''}">${percent(figures[name])}</span>`
      return `<td>${figure('goodput')} / ${figure('critical')}</td>`
    })
    return `${heading}<tr><td><a href="#${row.scenario}">${row.scenario}</a></td>${cells.join('')}</tr>`
  })
  const head = all.map((id) => `<th>${escaped(id)}</th>`).join('')
  return `<div class="wide"><table><thead><tr><th>scenario</th>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`
}

function section(row, ids) {
  const figures = ids
    .filter((id) => row.results[id] !== undefined)
    .map((id) => {
      const { name, figures: f, series, targets } = row.results[id]
      const met = targets.filter((w) => w.met).length
      const label = `${name}: goodput ${percent(f.goodput)} % of the ceiling, critical tier ${percent(f.critical)} %`
      const missed = targets
        .filter((w) => !w.met)
        .map((w) => `${claim(w)}: ${format(w.got ?? Number.NaN, w.metric)}`)
        .join('\n')
      const tally = `<span class="${met < targets.length ? 'missed' : 'won'}" title="${escaped(missed)}">${met} of ${targets.length} targets</span>`
      return `<figure>${plot(series, escaped(label))}<figcaption><b>${escaped(name)}</b> ${percent(f.goodput)} / ${percent(f.critical)} %, ${tally}</figcaption></figure>`
    })
  return `<section id="${row.scenario}"><h2>${row.scenario}</h2><p>${escaped(row.shows)}. <small>Figures over ${describeWindow(row)}.</small></p><div class="plots">${figures.join('\n')}</div></section>`
}

function describeWindow(row) {
  const name = Object.values(row.results)[0]?.figures.window ?? 'all'
  const [from, to] = row.windows[name] ?? [0, row.durationS]
  return `seconds ${from} to ${to}`
}

function shortfalls({ misses, losses, ids, absent }) {
  if (!ids.includes('atrion'))
    return absent.map(({ id, reason }) => `<p>${id} did not take part: ${escaped(reason)}</p>`).join('')
  const list = (items) => (items.length === 0 ? '<p>None.</p>' : `<ul>${items.join('')}</ul>`)
  const missed = misses.map(
    (m) => `<li>${m.scenario}: target ${escaped(claim(m))}, got ${format(m.got ?? Number.NaN, m.metric)}</li>`,
  )
  const lost = losses.map(
    (l) => `<li>${l.scenario}: ${l.figure} ${percent(l.ours)} %, ${l.by} ${percent(l.theirs)} %</li>`,
  )
  return `<h2>Atrion’s misses</h2>${list(missed)}<h2>Atrion’s losses</h2>${list(lost)}`
}

/**
 * The record of the arena as one self-contained page: no script, no outside resource, legible in dark and in light.
 * @param {object} record see arena.mjs
 * @returns {string} HTML
 */
export function page(record) {
  const settings = record.ids
    .map((id) => [id, record.rows.map((row) => row.results[id]).find((result) => result !== undefined)])
    .filter(([, result]) => result !== undefined)
    .map(
      ([id, result]) =>
        `<li><b>${id}</b>, ${escaped(result.name)}: <code>${escaped(JSON.stringify(result.settings))}</code></li>`,
    )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Atrion: the arena</title><style>${STYLE}</style></head><body>
<h1>The arena</h1>
<p>Overload controllers in the same traffic on the same plants, ${PLANT[record.plant]}. Each cell is goodput as a share of the
ceiling / success of the critical tier, in per cent; <span class="won">marked</span> where no contestant does better
(within 1 and 0.5 points). Seed ${record.seed}, Node ${record.node}.</p>
${board(record)}
${shortfalls(record)}
<h2>Settings</h2><ul>${settings.join('\n')}</ul>
<h2>How to read the plots</h2>
<ul class="key">${KEY.map(([, shape, text]) => `<li><svg viewBox="0 0 28 10" aria-hidden="true">${shape}</svg>${text}</li>`).join('')}</ul>
${record.rows.map((row) => section(row, record.ids)).join('\n')}
</body></html>
`
}
