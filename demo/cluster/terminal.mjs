// The output of the cluster demo: a line a second, and the tables.
import { dim, formatMs, formatShare, paint } from '../terminal.mjs'
import { phaseAt, SERVERS } from './plan.mjs'

const PHASE_PAINT = { healthy: paint(32), dead: paint(31), healed: paint(36) }

const RUNS = { alone: 'without sharing', shared: 'with sharing' }

/** The last second of a run: answers by the time at which they came, and each server's breaker. */
export function secondLine(run, second, plan, counts, breakers, generations) {
  const phase = phaseAt(plan, second * 1000 - 500)
  const cells = Object.entries(counts).map(([outcome, count]) => {
    const cell = `${outcome} ${String(count).padStart(3)}`
    return count === 0 ? dim(cell) : cell
  })
  const states = SERVERS.map((server) => {
    const generation = generations.findLast((one) => one.server === server)?.generation ?? 1
    const last = breakers.findLast((one) => one.server === server && one.generation === generation)
    return `${server}${generation} ${last?.isOpen ? 'open  ' : dim('closed')}`
  })
  return [
    RUNS[run].padEnd(15),
    `${String(second).padStart(2)}/${Math.floor(plan.runMs / 1000)} s`,
    PHASE_PAINT[phase](phase.padEnd(7)),
    cells.join('  '),
    states.join(' '),
  ].join('  ')
}

/** The measurements of both runs. */
export function comparison(alone, shared) {
  const row = (label, pick) => [label, pick(alone), pick(shared)]
  const count = (label, pick) => row(label, (summary) => String(pick(summary)))
  return [
    ['measured', RUNS.alone, RUNS.shared],
    count('requests sent by the client', ({ requests }) => requests),
    count('requests wasted: sent to the dead dependency', ({ counts }) => counts.wasted),
    count('… of them probes of an open breaker', ({ probes }) => probes),
    count('answered at once with the list price', ({ counts }) => counts.fallback),
    count('refused by the adapter in front (503)', ({ counts }) => counts.refused),
    row('goodput: answered with a price of the dependency', ({ goodShare }) => formatShare(goodShare)),
    row('recovery: good again and staying so after it came back', ({ recoveryMs }) => formatMs(recoveryMs)),
  ]
}

/** Each process of each server: what it wasted, and how long it took to know. */
export function processTable(alone, shared, plan) {
  const nameOf = ({ server, generation }) =>
    generation === 1
      ? server
      : `${server}, new since ${(plan.replacedAtMs[SERVERS.indexOf(server)] / 1000).toFixed(1)} s`
  const cells = ({ wasted, probes, knewAfterMs }) => `${wasted} (${probes}), ${formatMs(knewAfterMs)}`
  return [
    ['wasted (of them probes), knew after', RUNS.alone, RUNS.shared],
    ...alone.processes.map((one, i) => [nameOf(one), cells(one), cells(shared.processes[i])]),
  ]
}
