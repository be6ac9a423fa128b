import autoTuner from './auto-tuner.mjs'
import blackFriday from './black-friday.mjs'
import cbRecovery from './cb-recovery.mjs'
import domino from './domino.mjs'
import fintech from './fintech.mjs'
import flapping from './flapping.mjs'
import flashCrowd from './flash-crowd.mjs'
import gameLod from './game-lod.mjs'
import gameLodBudget from './game-lod-budget.mjs'
import iotDam from './iot-dam.mjs'
import llmRouter from './llm-router.mjs'
import predictiveLod from './predictive-lod.mjs'
import tarpit from './tarpit.mjs'

/**
 * @typedef {object} Tunnel a wind-tunnel scenario
 * @property {string} name
 * @property {string[]} [aliases]
 * @property {string} shows what it is about
 * @property {string} setUp traffic and parties
 * @property {(options: { seed: number }) => Promise<Record<string, Record<string, number>>>} play figures of each party
 * @property {import('./claims.mjs').Claim[]} claims
 */

/** @type {Tunnel[]} The thirteen, in the order of lab/README.md. */
export const TUNNELS = [
  flapping,
  fintech,
  flashCrowd,
  tarpit,
  llmRouter,
  gameLod,
  gameLodBudget,
  predictiveLod,
  cbRecovery,
  blackFriday,
  iotDam,
  domino,
  autoTuner,
]

/** @param {string} name or alias */
export const tunnelByName = (name) => TUNNELS.find((tunnel) => tunnel.name === name || tunnel.aliases?.includes(name))
