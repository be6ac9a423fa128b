// One contestant in one scenario as inline SVG: above, good answers a second against the ceiling; below, the
// share of each tier that was served. Colours are CSS variables, so that the page's theme decides.
import { TIERS } from '../driver/tiers.mjs'

const WIDTH = 300
const LEFT = 34
const RIGHT = 6
const UPPER = { top: 8, height: 84 }
const LOWER = { top: 108, height: 64 }
const HEIGHT = 190

const number = (x) => (x >= 1000 ? `${Number((x / 1000).toPrecision(2))}k` : String(Number(x.toPrecision(2))))
const at = (x) => x.toFixed(1)

/** A path over the values, broken where one is missing. */
function line(values, x, y) {
  let path = ''
  let pen = 'M'
  values.forEach((value, k) => {
    if (value === null) {
      pen = 'M'
      return
    }
    path += `${pen}${at(x(k))} ${at(y(value))}`
    pen = 'L'
  })
  return path
}

/**
 * @param {ReturnType<import('../metrics/series.mjs').seriesOf>} series
 * @param {string} label what the plot is of, for readers who cannot see it
 */
export function plot(series, label) {
  const bins = series.good.length
  const toS = series.fromS + bins * series.binS
  const x = (k) => LEFT + ((k + 0.5) * (WIDTH - LEFT - RIGHT)) / bins
  const top = 1.3 * Math.max(1, ...series.ceiling.map((v) => v ?? 0))
  const upper = (v) => UPPER.top + UPPER.height * (1 - Math.min(v, top) / top)
  const lower = (v) => LOWER.top + LOWER.height * (1 - v)
  const ceiling = line(series.ceiling, x, upper)
  const floor = upper(0)
  const area = ceiling === '' ? '' : `${ceiling}L${at(x(bins - 1))} ${floor}L${at(x(0))} ${floor}Z`
  const tiers = TIERS.map(
    (tier, i) => `<path class="line ${tier}" d="${line(series.tiers[i], x, lower)}"><title>${tier}</title></path>`,
  ).reverse()
  const text = (tx, ty, anchor, content) => `<text x="${tx}" y="${ty}" text-anchor="${anchor}">${content}</text>`
  const full = Math.max(...series.ceiling.map((v) => v ?? 0))
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
<path class="ceiling" d="${area}"><title>ceiling</title></path>
<path class="axis" d="M${LEFT} ${UPPER.top}V${floor}H${WIDTH - RIGHT}M${LEFT} ${LOWER.top}V${lower(0)}H${WIDTH - RIGHT}M${LEFT} ${lower(1)}H${WIDTH - RIGHT}"/>
<path class="offered" d="${line(series.offered, x, upper)}"><title>offered</title></path>
<path class="line good" d="${line(series.good, x, upper)}"><title>goodput</title></path>
${tiers.join('')}
${text(LEFT - 4, upper(full) + 3, 'end', number(full))}${text(LEFT - 4, floor + 3, 'end', '0')}
${text(LEFT - 4, lower(1) + 3, 'end', '100 %')}${text(LEFT - 4, lower(0) + 3, 'end', '0')}
${text(LEFT, HEIGHT - 6, 'start', `${number(series.fromS)} s`)}${text(WIDTH - RIGHT, HEIGHT - 6, 'end', `${number(toS)} s`)}
</svg>`
}
