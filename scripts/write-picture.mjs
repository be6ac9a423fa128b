/**
 * Writes the README's picture: one overload of the arena, played in virtual time, as a light and a dark SVG in docs/public/. The
 * run is deterministic, so a test can compare what is committed with what the build at hand draws.
 *
 *   node scripts/write-picture.mjs           writes docs/public/overload-light.svg and overload-dark.svg
 *   node scripts/write-picture.mjs --check   exits with 1 when one of them is not what this build draws
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { entrantById } from '../lab/contestants/index.mjs'
import { run } from '../lab/driver/run.mjs'
import { seriesOf } from '../lab/metrics/series.mjs'
import { RunView } from '../lab/metrics/window.mjs'
import { scenarioByName } from '../lab/scenarios/index.mjs'
import { ROOT } from './lib/process.mjs'

const SCENARIO = 'pool-exp-5x'
const SEED = 1
/** The controllers that are drawn, the one in front last. */
const LINES = [
  { id: 'none', name: 'no protection' },
  { id: 'opossum', name: 'opossum, breaker and bulkhead' },
  { id: 'atrion', name: 'Atrion' },
]
const THEMES = {
  light: { ink: '#1f2328', soft: '#59636e', line: '#d1d9e0', none: '#8c959f', opossum: '#bc4c00', atrion: '#0969da' },
  dark: { ink: '#f0f6fc', soft: '#9198a1', line: '#3d444d', none: '#6e7681', opossum: '#f0883e', atrion: '#58a6ff' },
}

const WIDTH = 820
const HEIGHT = 300
/** Between two lines of the left panel, answers a second. */
const TICK_PER_S = 500
const TOP = 56
const BOTTOM = 252
const PANELS = [
  { left: 56, right: 392, title: 'good answers a second', of: (series) => series.good },
  { left: 464, right: 800, title: 'critical requests served, %', of: (series) => series.tiers[0] },
]

const at = (x) => x.toFixed(1)

/** Plays the scenario; resolves to the series of each line. */
const measure = async () => {
  const scenario = scenarioByName(SCENARIO)
  const measured = {}
  for (const { id } of LINES) {
    const { log } = await run(scenario, entrantById(id), SEED)
    measured[id] = seriesOf(new RunView(scenario, log))
  }
  return { scenario, measured }
}

const pathOf = (values, x, y) =>
  values.map((value, k) => `${k === 0 ? 'M' : 'L'}${at(x(k))} ${at(y(value ?? 0))}`).join('')

const draw = ({ scenario, measured }, colours) => {
  const text = (x, y, content, { anchor = 'start', fill = colours.soft, size = 12 } = {}) =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}" font-size="${size}">${content}</text>`
  const { fromS, binS, good, ceiling } = measured.atrion
  const toS = fromS + good.length * binS
  const most = Math.max(...ceiling)
  const [overloadFromS, overloadToS] = scenario.windows.overload
  const parts = []
  for (const [panel, { left, right, title, of }] of PANELS.entries()) {
    const x = (s) => left + ((s - fromS) / (toS - fromS)) * (right - left)
    const isShare = panel === 1
    const highest = isShare ? 1 : most * 1.1
    const y = (value) => BOTTOM - (Math.min(value, highest) / highest) * (BOTTOM - TOP)
    const ticks = isShare ? [0, 0.5, 1] : [0, 1, 2, 3].map((k) => k * TICK_PER_S).filter((value) => value <= highest)
    parts.push(
      `<rect x="${at(x(overloadFromS))}" y="${TOP}" width="${at(x(overloadToS) - x(overloadFromS))}" height="${BOTTOM - TOP}" fill="${colours.line}" fill-opacity="0.35"/>`,
      text(at((x(overloadFromS) + x(overloadToS)) / 2), TOP + 14, 'five times the capacity', { anchor: 'middle' }),
      text(left, TOP - 14, title, { fill: colours.ink, size: 14 }),
    )
    for (const value of ticks) {
      parts.push(
        `<path d="M${left} ${at(y(value))}H${right}" stroke="${colours.line}"/>`,
        text(left - 6, at(y(value) + 4), isShare ? value * 100 : value, { anchor: 'end' }),
      )
    }
    for (let s = Math.ceil(fromS / 4) * 4; s <= toS; s += 4) {
      parts.push(text(at(x(s)), BOTTOM + 18, `${s} s`, { anchor: 'middle' }))
    }
    for (const { id } of LINES) {
      const middle = (k) => x(fromS + (k + 0.5) * binS)
      parts.push(
        `<path d="${pathOf(of(measured[id]), middle, y)}" fill="none" stroke="${colours[id]}" stroke-width="${id === 'atrion' ? 2.5 : 2}" stroke-linejoin="round"/>`,
      )
    }
  }
  let left = PANELS[0].left
  for (const { id, name } of [...LINES].reverse()) {
    parts.push(
      `<path d="M${left} ${HEIGHT - 14}h20" stroke="${colours[id]}" stroke-width="3"/>`,
      text(left + 26, HEIGHT - 10, name, { fill: colours.ink }),
    )
    left += 50 + name.length * 7
  }
  const label = `Load goes from half of the capacity to five times it and back. Goodput and the success of the critical tier over time: ${LINES.map(({ name }) => name).join(', ')}.`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" role="img" aria-label="${label}">\n${parts.join('\n')}\n</svg>\n`
}

export const pictures = async () => {
  const played = await measure()
  return Object.fromEntries(
    Object.entries(THEMES).map(([theme, colours]) => [
      join(ROOT, 'docs', 'public', `overload-${theme}.svg`),
      draw(played, colours),
    ]),
  )
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const drawn = await pictures()
  if (process.argv.includes('--check')) {
    const stale = Object.keys(drawn).filter((file) => !existsSync(file) || readFileSync(file, 'utf8') !== drawn[file])
    for (const file of stale) console.error(`${file} is not what this build draws: node scripts/write-picture.mjs`)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else {
    mkdirSync(join(ROOT, 'docs', 'public'), { recursive: true })
    for (const [file, svg] of Object.entries(drawn)) writeFileSync(file, svg)
  }
}
