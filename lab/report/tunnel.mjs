/** A figure in the unit that its name ends with. */
export function figure(value, name) {
  if (value === undefined) return 'none'
  if (value === Number.POSITIVE_INFINITY) return 'never'
  if (Number.isNaN(value)) return '–'
  if (name.includes('Ohms')) return `${value.toFixed(1)} Ω`
  if (name.endsWith('Ms')) return `${value.toFixed(0)} ms`
  if (name.endsWith('PerS')) return `${value.toFixed(1)} /s`
  if (name.endsWith('S')) return `${value.toFixed(1)} s`
  if (name.endsWith('Usd') || name === 'usd') return `$${value.toFixed(value < 1000 ? 2 : 0)}`
  if (Number.isInteger(value) && COUNTS.has(name)) return String(value)
  return `${(100 * value).toFixed(1)} %`
}

const COUNTS = new Set([
  ...['transitions', 'switches', 'down', 'predicted', 'ticks', 'lowestLevel', 'lastLevel', 'firstSwitchTick'],
  ...['openedAt', 'closedAt', 'openedTick', 'endsOpen', 'botsBroken', 'usersBroken'],
])

/** The figures of all controllers side by side. */
function table(figures) {
  const parties = Object.keys(figures)
  const names = [...new Set(parties.flatMap((party) => Object.keys(figures[party])))]
  const wide = Math.max(...names.map((name) => name.length))
  const columns = parties.map((party) => Math.max(party.length, 11) + 2)
  const row = (head, cells) => `  ${head.padEnd(wide)}${cells.map((cell, i) => cell.padStart(columns[i])).join('')}`
  return [
    row('', parties),
    ...names.map((name) =>
      row(
        name,
        parties.map((party) => (name in figures[party] ? figure(figures[party][name], name) : '')),
      ),
    ),
  ].join('\n')
}

function verdict({ says, figure: path, is, than, target, got, met, headline }) {
  const name = path.split('.')[1]
  const bound = than === undefined ? figure(target, name) : `${than} (${figure(target, name)})`
  return `  ${met ? 'holds ' : 'FAILS '} ${headline ? '★ ' : '  '}${says}: ${path} ${figure(got, name)}, claimed ${is} ${bound}`
}

/** The set-up of a scenario, the observations, and the claims. */
export function account({ tunnel, figures, claims, error }) {
  const head = `${tunnel.name}: ${tunnel.shows}\n  ${tunnel.setUp}`
  if (error !== undefined) return `${head}\n  BROKE: ${error}`
  return [head, '', table(figures), '', ...claims.map(verdict)].join('\n')
}

/** One line of `npm run lab`'s last word. */
export function tally({ tunnel, claims, error }) {
  const met = claims.filter((claim) => claim.met).length
  const state = error !== undefined ? 'broke' : `${met} of ${claims.length} claims hold`
  return `${tunnel.name.padEnd(18)} ${state}`
}
