/** Results as text. */

const padded = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  )
}

const table = (head, rows, wishes) => {
  const lines = padded([head, ...rows])
  return lines.map((line, i) => (i === 0 ? `${line}  target` : `${line}  ${wishes[i - 1]}`.trimEnd())).join('\n')
}

const MARKS = { true: 'met', false: 'MISSED', undefined: 'not measured' }

const wishesOf = (row, verdicts) =>
  verdicts
    .filter((verdict) => verdict.row === row)
    .map(({ says, met, measured, undisturbed }) => {
      const numbers = [measured, undisturbed].filter((x) => x < 100).map((x) => x.toFixed(2))
      return `${says}: ${MARKS[met]}${numbers.length > 0 ? ` (${numbers.join(', of minima ')})` : ''}`
    })
    .join(' · ')

const nanoseconds = (ns) => (ns < 1000 ? ns.toFixed(1) : Math.round(ns).toLocaleString('en'))

/** The contestants, a line each. */
export const timeTable = (times, verdicts, { repeats, blockMs }) => {
  const { unit, cockatiel } = times
  const share = (ns, of) => (of ? (ns / of.median).toFixed(2) : '–')
  const rows = Object.values(times).map(({ title, median, min, spread }) => [
    title,
    nanoseconds(median),
    nanoseconds(min),
    `${(spread * 100).toFixed(0)} %`,
    share(median, unit),
    share(median, cockatiel),
  ])
  const head = ['ns a call', 'median', 'min', 'spread', '× unit', '× cockatiel']
  const wishes = Object.keys(times).map((id) => wishesOf(id, verdicts))
  return [
    `${repeats} rounds, a block of about ${blockMs} ms each, the contestants in turn; spread is interquartile range ÷ median.`,
    'Of p99 rows each number is a p99: every decision is timed alone, between two readings of the clock, whose own cost is in it.',
    '',
    table(head, rows, wishes),
  ].join('\n')
}

const mib = (x) => `${x.toFixed(1)} MiB`

/** The lines of the memory that was measured. */
export const memoryTable = ({ routes, requests }, verdicts) => {
  const rows = []
  const wishes = []
  const add = (cells, id) => {
    rows.push(cells)
    wishes.push(id ? wishesOf(id, verdicts) : '')
  }
  const bytes = (x) => `${x.toFixed(1)} B`
  if (routes) {
    add([`state and links of a route, of ${routes.routes.toLocaleString('en')}`, bytes(routes.state)], 'routes')
    add(['… as the compiler lays them out', bytes(routes.entryBytes)])
    add(['its key, of 18 characters', bytes(routes.keys)])
    add(['its slot in the map from key to state', bytes(routes.mapSlots)])
    add(['the pointer from state to key', bytes(routes.keyPointers)])
    add(['in all', bytes(routes.total)])
  }
  if (requests) {
    const [first, last] = [requests.readings[0], requests.readings.at(-1)]
    const grew = (key) => `${mib(first[key])} → ${mib(last[key])}`
    add(['heap before and after ten million requests', grew('heap')], 'heap')
    add(['resident memory, the same', grew('rss')], 'rss')
    add(['memory outside the heap that it knows of, the same', grew('outside')])
  }
  return table(['memory', ''], rows, wishes)
}

/** Half the rounds of half the contestants lie further apart than this: something else was at work. */
const DISTURBED_SPREAD = 0.3

/** A warning, where the medians are not to be trusted; undefined where they are. */
export const disturbance = (times) => {
  const spreads = Object.values(times)
    .map(({ spread }) => spread)
    .sort((a, b) => a - b)
  if (spreads[spreads.length >> 1] <= DISTURBED_SPREAD) return undefined
  return 'The machine was busy with something else: medians are too high, by different shares. Read the minima, or run it again.'
}

/** One line: how many wishes are met. */
export const verdictLine = (verdicts) => {
  const count = (met) => verdicts.filter((verdict) => verdict.met === met).length
  return `targets: ${count(true)} met, ${count(false)} missed, ${count(undefined)} not measured`
}
