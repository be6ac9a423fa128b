import bursts from './bursts.mjs'
import calm from './calm.mjs'
import change from './change.mjs'
import contention from './contention.mjs'
import cpu from './cpu.mjs'
import faults from './faults.mjs'
import free from './free.mjs'
import harmless from './harmless.mjs'
import lanes from './lanes.mjs'
import load from './load.mjs'
import long from './long.mjs'
import mixes from './mixes.mjs'
import patience from './patience.mjs'
import plants from './plants.mjs'
import pools from './pools.mjs'
import processes from './processes.mjs'
import shapes from './shapes.mjs'
import tenants from './tenants.mjs'
import waiting from './waiting.mjs'

const classed = (name, scenarios) => scenarios.map((scenario) => ({ class: name, ...scenario }))

/** Every scenario of the virtual arena, by class, in the order of the scoreboard. */
export const SCENARIOS = [
  ...classed('calm', [...calm, ...harmless]),
  ...classed('free dependency', free),
  ...classed('bursts', bursts),
  ...classed('overload', [...load, ...mixes, ...plants]),
  ...classed('load that moves', shapes),
  ...classed('plant that changes', change),
  ...classed('faults', faults),
  ...classed('contention', contention),
  ...classed('clients that give up', patience),
  ...classed('long work', long),
  ...classed('tenants', tenants),
  ...classed('pools', pools),
  ...classed('lanes', lanes),
  ...classed('processes', processes),
  ...classed('waiting', waiting),
  ...classed('event loop', cpu),
]

/** @param {string} name */
export const scenarioByName = (name) => SCENARIOS.find((scenario) => scenario.name === name)
