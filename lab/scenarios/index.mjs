import calm from './calm.mjs'
import cpu from './cpu.mjs'
import faults from './faults.mjs'
import load from './load.mjs'
import mixes from './mixes.mjs'
import plants from './plants.mjs'
import shapes from './shapes.mjs'

/** Every scenario of the virtual arena, in the order of the scoreboard. */
export const SCENARIOS = [...load, ...shapes, ...calm, ...faults, ...mixes, ...plants, ...cpu]

/** @param {string} name */
export const scenarioByName = (name) => SCENARIOS.find((scenario) => scenario.name === name)
