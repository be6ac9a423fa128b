// One cell of the grid against one contestant: the few figures that the heat maps show.
import { CEILINGS } from '../contestants/ceiling.mjs'
import { none } from '../contestants/none.mjs'
import { OUTCOME } from '../driver/log.mjs'
import { run } from '../driver/run.mjs'
import { scenarioOf } from './cells.mjs'

/**
 * @typedef {object} Figures
 * @property {number} shedCold share of attempts refused during the warm-up, cold start included
 * @property {number} shed share of attempts refused afterwards
 * @property {number} good answers in time given after the warm-up
 * @property {number} success share of all requests sent after the warm-up that were answered in time
 * @property {number} top the same of the critical tier alone
 */

/**
 * @param {import('./cells.mjs').Cell} cell
 * @param {{ create(options: object): object }} entrant
 * @param {number} seed
 * @returns {Promise<Figures>}
 */
export async function figuresOf(cell, entrant, seed) {
  const scenario = scenarioOf(cell)
  const { log } = await run(scenario, entrant, seed)
  const { deadlineMs } = scenario.plant
  const warmMs = scenario.warmS * 1000
  const endMs = scenario.durationS * 1000
  const count = { cold: 0, coldShed: 0, warm: 0, warmShed: 0, good: 0, served: 0, top: 0, topServed: 0 }
  for (let i = 0; i < log.length; i += 1) {
    const shed = log.outcome[i] === OUTCOME.shed ? 1 : 0
    const inTime = log.outcome[i] === OUTCOME.success && log.endedMs[i] - log.sentMs[i] <= deadlineMs
    if (inTime && log.endedMs[i] >= warmMs && log.endedMs[i] < endMs) count.good += 1
    if (log.sentMs[i] < warmMs) {
      count.cold += 1
      count.coldShed += shed
    } else {
      count.warm += 1
      count.warmShed += shed
      if (inTime) count.served += 1
      if (log.tier[i] === 0) {
        count.top += 1
        if (inTime) count.topServed += 1
      }
    }
  }
  return {
    shedCold: count.coldShed / count.cold,
    shed: count.warmShed / count.warm,
    good: count.good,
    success: count.served / count.warm,
    top: count.topServed / count.top,
  }
}

/** The references of a cell: no guard at all, and the best result of a guard that knows the servers. */
export async function referenceOf(cell, seed) {
  const noGuard = await figuresOf(cell, none, seed)
  // A cell in which everything is in time has nothing to order.
  if (cell.load < 1 && noGuard.success === 1) return { noGuard, good: noGuard.good, top: 1 }
  let { good, top } = noGuard
  for (const entrant of CEILINGS) {
    const figures = await figuresOf(cell, entrant, seed)
    good = Math.max(good, figures.good)
    top = Math.max(top, figures.top)
  }
  return { noGuard, good, top }
}
