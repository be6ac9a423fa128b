/** `atrion bench`: what calls cost on this machine, engine by engine, beside what is cheapest in JavaScript. */

import type { EngineKind } from '../engine/port.js'
import { CALLS, fastestNs, type Loop, loopOf } from './measure.js'
import { parse, UsageError } from './usage.js'

const HELP = `Usage: atrion bench [options]

Measures route() and permits on each engine that loads on this machine: the fastest of many short blocks, in turns. Each result
is also given as a multiple of one reading of performance.now(), which makes machines comparable.

  --seconds <n>  the duration of the measurement, 1 to 600 (default 10)
  --json         print JSON
  --help         this text`

const ENGINES: readonly EngineKind[] = ['native', 'wasm', 'ts']
const ROUNDS = 5
const BASELINE = 'performance.now()'

interface Row {
  readonly call: string
  readonly engine: EngineKind | null
  ns: number
  readonly loop: Loop
}

let sink = 0
const baseline: Loop = (calls) => {
  for (let i = 0; i < calls; i++) sink += performance.now()
}

/** The measurements: engines that do not load are left out. */
function rowsOf(): { rows: Row[]; missing: EngineKind[] } {
  const rows: Row[] = [{ call: BASELINE, engine: null, ns: Number.POSITIVE_INFINITY, loop: baseline }]
  const missing = new Set<EngineKind>()
  for (const call of Object.keys(CALLS)) {
    for (const engine of ENGINES) {
      try {
        const loop = loopOf(call, engine)
        if (loop) rows.push({ call, engine, ns: Number.POSITIVE_INFINITY, loop })
      } catch {
        missing.add(engine)
      }
    }
  }
  return { rows, missing: [...missing] }
}

function seconds(value: string): number {
  const number = Number(value)
  if (number >= 1 && number <= 600) return number
  throw new UsageError(`--seconds must be a number from 1 to 600, got '${value}'`)
}

export const bench = {
  summary: 'measures what calls cost on this machine, in ten seconds',
  help: HELP,
  async run(args: readonly string[]): Promise<number> {
    const options = parse<{ json: true; seconds: number }>(args, { json: true, seconds })
    const { rows, missing } = rowsOf()
    const eachMs = ((options.seconds ?? 10) * 1000) / (ROUNDS * rows.length)
    for (let round = 0; round < ROUNDS; round++)
      for (const row of rows) row.ns = Math.min(row.ns, fastestNs(row.loop, eachMs))
    const unit = rows[0]!.ns
    const results = rows.map(({ call, engine, ns }) => ({ call, engine, ns, ratio: ns / unit }))
    if (options.json) {
      console.log(JSON.stringify({ node: process.versions.node, missing, results }, null, 2))
      return 0
    }
    console.log(`${''.padEnd(26)}${'engine'.padEnd(8)}${'ns'.padStart(8)}${'ratio'.padStart(8)}`)
    for (const { call, engine, ns, ratio } of results) {
      console.log(
        `${call.padEnd(26)}${(engine ?? '').padEnd(8)}${ns.toFixed(0).padStart(8)}${ratio.toFixed(2).padStart(8)}`,
      )
    }
    if (missing.length > 0) console.log(`\nNot here: ${missing.join(', ')}. atrion doctor says why.`)
    return Number.isFinite(sink) ? 0 : 1
  },
}
