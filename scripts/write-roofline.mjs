/**
 * Draws the roofline that `npm run bench:roofline -- --save` left in benches/record/, as a light and a dark SVG in docs/public/.
 *
 *   node scripts/write-roofline.mjs
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bandwidthOf, parseRoofline, TRIAD } from '../benches/lib/roofline.mjs'
import { ROOT } from './lib/process.mjs'

const THEMES = {
  light: { ink: '#1f2328', soft: '#59636e', line: '#d1d9e0', levels: ['#0969da', '#1a7f37', '#bc4c00', '#8250df'] },
  dark: { ink: '#f0f6fc', soft: '#9198a1', line: '#3d444d', levels: ['#58a6ff', '#3fb950', '#f0883e', '#bc8cff'] },
}
const WIDTH = 820
const HEIGHT = 420
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 640, 40, 368]
/** Operations a byte, from the left edge to the right one, as powers of two. */
const [FROM, TO] = [-5, 4]

const at = (x) => x.toFixed(1)

const draw = (roofline, colours) => {
  const { peak, rows, facts, set } = roofline
  const levels = [...new Set(rows.map(({ level }) => level))]
  const top = Math.ceil(Math.log2(peak)) + 1
  const bottom = top - 9
  const x = (intensity) => LEFT + ((Math.log2(intensity) - FROM) / (TO - FROM)) * (RIGHT - LEFT)
  const y = (gflops) => BOTTOM - ((Math.log2(gflops) - bottom) / (top - bottom)) * (BOTTOM - TOP)
  const text = (left, above, content, { anchor = 'start', fill = colours.soft, size = 12 } = {}) =>
    `<text x="${at(left)}" y="${at(above)}" text-anchor="${anchor}" fill="${fill}" font-size="${size}">${content}</text>`
  const parts = [text(LEFT, 22, `Gflop/s by flop a byte, ${set}`, { fill: colours.ink, size: 14 })]
  for (let power = bottom; power <= top; power += 2) {
    const value = 2 ** power
    parts.push(
      `<path d="M${LEFT} ${at(y(value))}H${RIGHT}" stroke="${colours.line}"/>`,
      text(LEFT - 6, y(value) + 4, String(value), { anchor: 'end' }),
    )
  }
  for (let power = FROM; power <= TO; power++) {
    const value = 2 ** power
    parts.push(text(x(value), BOTTOM + 18, value < 1 ? `1/${1 / value}` : String(value), { anchor: 'middle' }))
  }
  for (const [i, level] of levels.entries()) {
    const colour = colours.levels[i % colours.levels.length]
    const bandwidth = bandwidthOf(roofline, level)
    const least = 2 ** Math.max(FROM, bottom - Math.log2(bandwidth))
    const ridge = Math.min(peak / bandwidth, 2 ** TO)
    parts.push(
      `<path d="M${at(x(least))} ${at(y(bandwidth * least))}L${at(x(ridge))} ${at(y(bandwidth * ridge))}H${RIGHT}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      text(RIGHT + 12, TOP + 20 + i * 18, `${level}: ${bandwidth.toFixed(0)} GB/s`, { fill: colour }),
    )
    for (const row of rows) {
      if (row.level !== level || row.kernel === TRIAD) continue
      const gflops = (row.flops * row.mroutes) / 1000
      parts.push(
        `<circle cx="${at(x(row.flops / row.bytes))}" cy="${at(y(gflops))}" r="4" fill="${colour}"><title>${row.kernel}, ${level}: ${gflops.toFixed(1)} Gflop/s</title></circle>`,
      )
      if (i === levels.length - 1) {
        parts.push(text(x(row.flops / row.bytes), y(gflops) + 18, row.kernel, { anchor: 'middle', fill: colours.ink }))
      }
    }
  }
  parts.push(
    text(RIGHT + 12, TOP + 20 + levels.length * 18, `peak: ${peak.toFixed(0)} Gflop/s`, { fill: colours.ink }),
    text(LEFT, HEIGHT - 12, `${facts.cpu}, ${facts.date}, load ${facts.load} on ${facts.cpus} processors`),
  )
  const label =
    'Operations a second of each kernel by its operations a byte, under the bounds of each cache and of the processor.'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" role="img" aria-label="${label}">\n${parts.join('\n')}\n</svg>\n`
}

/** The newest record; undefined where there is none. */
export const newestRoofline = () => {
  const folder = join(ROOT, 'benches', 'record')
  return readdirSync(folder)
    .filter((name) => /^roofline-.*\.csv$/.test(name))
    .map((name) => parseRoofline(readFileSync(join(folder, name), 'utf8')))
    .sort((a, b) => a.facts.date.localeCompare(b.facts.date))
    .at(-1)
}

/** The pictures of a record by their files. */
export const rooflinePictures = (roofline) =>
  Object.fromEntries(
    Object.entries(THEMES).map(([theme, colours]) => [
      join(ROOT, 'docs', 'public', `roofline-${theme}.svg`),
      draw(roofline, colours),
    ]),
  )

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const roofline = newestRoofline()
  if (roofline === undefined) {
    console.error('There is no record: npm run bench:roofline -- --save')
    process.exit(1)
  }
  for (const [file, svg] of Object.entries(rooflinePictures(roofline))) writeFileSync(file, svg)
}
