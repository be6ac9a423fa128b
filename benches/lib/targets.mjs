/** The targets of a run. Each verdict names the row it belongs to; `value` is undefined where what it needs was not measured. */

/** A number for medians, which the verdict is of, and one for minima, which shows what a disturbed machine is capable of. */
const of = (pick) => ({ measured: pick('median'), undisturbed: pick('min') })

const ratio = (times, one, other) =>
  times[one] && times[other] ? of((key) => times[one][key] / times[other][key]) : undefined

const time = (times, one) => times[one] && of((key) => times[one][key])

/** MiB of heap that ten million requests may leave behind: what a garbage collector leaves lying about, and no more. */
const HEAP_DRIFT_MIB = 1
/** MiB of resident memory: pages that allocators keep. */
const RSS_DRIFT_MIB = 16

const drift = ({ requests }, key) => requests && { measured: requests.readings.at(-1)[key] - requests.readings[0][key] }

const TARGETS = [
  { row: 'route-native', says: '≤ 4.5 × unit', limit: 4.5, value: (t) => ratio(t, 'route-native', 'unit') },
  { row: 'route-native', says: '≤ 0.6 × cockatiel', limit: 0.6, value: (t) => ratio(t, 'route-native', 'cockatiel') },
  { row: 'route-p99', says: '< 2000 ns', limit: 2000, value: (t) => time(t, 'route-p99') },
  { row: 'batch-64', says: '≤ 35 ns', limit: 35, value: (t) => time(t, 'batch-64') },
  { row: 'batch-4096', says: '≤ 25 ns', limit: 25, value: (t) => time(t, 'batch-4096') },
  { row: 'fleet-native', says: '≤ 20 ns, 20 ms for all', limit: 20, value: (t) => time(t, 'fleet-native') },
  { row: 'fleet-wasm', says: '≤ 60 ns, 60 ms for all', limit: 60, value: (t) => time(t, 'fleet-wasm') },
  { row: 'sweep-native', says: '≤ 15 ns, 15 ms for all', limit: 15, value: (t) => time(t, 'sweep-native') },
  { row: 'acquire', says: '≤ 0.6 × cockatiel', limit: 0.6, value: (t) => ratio(t, 'acquire', 'cockatiel') },
  { row: 'acquire', says: '≤ 200 ns', limit: 200, value: (t) => time(t, 'acquire') },
  { row: 'route-wasm', says: '≤ 1 × native', limit: 1, value: (t) => ratio(t, 'route-wasm', 'route-native') },
  { row: 'acquire-wasm', says: '≤ 100 ns', limit: 100, value: (t) => time(t, 'acquire-wasm') },
  ...['native', 'wasm'].map((engine) => ({
    row: `metrics-${engine}`,
    says: '≤ 18 × unit a route, 5 ms for all',
    limit: 18,
    value: (t) => ratio(t, `metrics-${engine}`, 'unit'),
  })),
  { row: 'run', says: '≤ 1 × cockatiel wrapped', limit: 1, value: (t) => ratio(t, 'run', 'cockatiel-wrap') },
  { row: 'tick', says: '≤ 10 µs', limit: 10_000, value: (t) => time(t, 'tick') },
  { row: 'http-shed', says: '≤ 1.3 × bare 503', limit: 1.3, value: (t) => ratio(t, 'http-shed', 'http-bare') },
  {
    row: 'routes',
    says: '≤ 128 B',
    limit: 128,
    value: (_, { routes }) => routes && { measured: Math.round(routes.state) },
  },
  { row: 'heap', says: `≤ ${HEAP_DRIFT_MIB} MiB`, limit: HEAP_DRIFT_MIB, value: (_, m) => drift(m, 'heap') },
  { row: 'rss', says: `≤ ${RSS_DRIFT_MIB} MiB`, limit: RSS_DRIFT_MIB, value: (_, m) => drift(m, 'rss') },
]

/** A verdict for each target: its row, its text, what was measured, and whether it is met; met is undefined when unknown. */
export const judge = (times, memory) =>
  TARGETS.map(({ row, says, limit, value }) => {
    const { measured, undisturbed } = value(times, memory) ?? {}
    return { row, says, measured, undisturbed, met: measured === undefined ? undefined : measured <= limit }
  })
