/** Pages of a simulation: tables and plots as one HTML file without scripts. */

export interface Line {
  readonly name: string
  /** A number for each bin; NaN breaks the line. */
  readonly values: readonly number[]
  /** A band in place of a line: from the values to these. */
  readonly upTo?: readonly number[]
}

export interface Plot {
  readonly title: string
  readonly binS: number
  /** The unit of the values. */
  readonly unit: string
  readonly lines: readonly Line[]
}

export type Section =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'pre'; readonly text: string }
  | { readonly kind: 'plot'; readonly plot: Plot }

const COLOURS = ['#3b6fd4', '#1b9e77', '#d95f02', '#7570b3', '#e7298a', '#66a61e', '#a6761d', '#888888']
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 220, 56, 12, 10, 24]
/** Points of a line: more bins are drawn as means. */
const MOST_POINTS = 360

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (one) => ENTITIES[one]!)

const shown = (x: number): string =>
  x >= 1000 ? `${Number((x / 1000).toPrecision(3))}k` : String(Number(x.toPrecision(3)))

/** Means of as many neighbours as it takes to come to `MOST_POINTS`. */
function thinned(values: readonly number[]): number[] {
  const step = Math.max(1, Math.ceil(values.length / MOST_POINTS))
  const means: number[] = []
  for (let i = 0; i < values.length; i += step) {
    const some = values.slice(i, i + step).filter((value) => !Number.isNaN(value))
    means.push(some.length === 0 ? Number.NaN : some.reduce((sum, one) => sum + one, 0) / some.length)
  }
  return means
}

function svgOf({ title, binS, unit, lines }: Plot): string {
  const all = lines.map(({ name, values, upTo }) => ({ name, values: thinned(values), upTo: upTo && thinned(upTo) }))
  const points = Math.max(1, ...all.map(({ values }) => values.length))
  const seconds = Math.max(...lines.map(({ values }) => values.length), 1) * binS
  const top =
    Math.max(1e-9, ...all.flatMap(({ values, upTo = [] }) => [...values, ...upTo]).filter(Number.isFinite)) * 1.05
  const x = (i: number): string => (LEFT + ((i + 0.5) * (WIDTH - LEFT - RIGHT)) / points).toFixed(1)
  const y = (value: number): string => (TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)).toFixed(1)
  const pathOf = (values: readonly number[]): string => {
    let pen = 'M'
    let path = ''
    values.forEach((value, i) => {
      if (Number.isNaN(value)) pen = 'M'
      else {
        path += `${pen}${x(i)} ${y(value)}`
        pen = 'L'
      }
    })
    return path
  }
  const drawn = all.map(({ name, values, upTo }, i) => {
    const colour = COLOURS[i % COLOURS.length]
    if (upTo !== undefined) {
      const back = upTo.map((value, at) => `L${x(at)} ${y(value)}`).reverse()
      return `<path fill="${colour}" fill-opacity=".25" d="${pathOf(values)}${back.join('')}Z"><title>${escaped(name)}</title></path>`
    }
    return `<path fill="none" stroke="${colour}" stroke-width="1.6" d="${pathOf(values)}"><title>${escaped(name)}</title></path>`
  })
  const legend = all.map(
    ({ name }, i) => `<span><i style="background:${COLOURS[i % COLOURS.length]}"></i>${escaped(name)}</span>`,
  )
  const floor = HEIGHT - BOTTOM
  return `<figure><figcaption>${escaped(title)}, ${escaped(unit)}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">
<path class="axis" d="M${LEFT} ${TOP}V${floor}H${WIDTH - RIGHT}"/>
${drawn.join('\n')}
<text x="${LEFT - 6}" y="${TOP + 8}" text-anchor="end">${shown(top / 1.05)}</text><text x="${LEFT - 6}" y="${floor}" text-anchor="end">0</text>
<text x="${LEFT}" y="${HEIGHT - 6}">0 s</text><text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${shown(seconds)} s</text>
</svg><div class="legend">${legend.join('')}</div></figure>`
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:780px;margin:2rem auto;padding:0 1rem;color:#1c2330;background:#fff}
pre{font:12.5px/1.45 ui-monospace,monospace;overflow-x:auto;background:#f4f6f9;padding:.8rem;border-radius:6px}
figure{margin:1.2rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{font-size:11px;fill:#667}.axis{fill:none;stroke:#aab}
.legend span{margin-right:1rem;font-size:13px}.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em}
@media(prefers-color-scheme:dark){body{color:#dde3ee;background:#14181f}pre{background:#1d232d}svg text{fill:#99a}.axis{stroke:#556}}`

/** A page as HTML. All that is in it is escaped. */
export function pageOf(title: string, sections: readonly Section[]): string {
  const body = sections.map((section) => {
    if (section.kind === 'plot') return svgOf(section.plot)
    const tag = { text: 'p', heading: 'h2', pre: 'pre' }[section.kind]
    return `<${tag}>${escaped(section.text)}</${tag}>`
  })
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escaped(title)}</title>
<style>${STYLE}</style></head><body><h1>${escaped(title)}</h1>
${body.join('\n')}
</body></html>
`
}
