/** A node that scars routes, or watches others do so. */
import { Atrion, RedisStateProvider } from 'atrion'
import { serve } from '../../scripts/lib/duties.mjs'
import { BAD, machineMs, sleep, until, WARM, WARM_UP_TICKS } from './telemetry.mjs'

/** R has followed when it is off by this, Ω: γ times the part of a bad tick's scar that falls to one node of three is more. */
const NOTICED_OHMS = 0.1

let atrion
let provider
const routeOf = (trial) => `GET /trial/${trial}`
const resistanceOf = (route) => atrion.getState(route).resistance

async function join({ url, trials }) {
  provider = new RedisStateProvider(url)
  atrion = new Atrion({ engine: 'native', provider })
  await atrion.connect()
  for (let trial = 0; trial < trials; trial++) {
    for (let i = 0; i < WARM_UP_TICKS; i++) atrion.route(routeOf(trial), WARM)
  }
}

/** Waits until the others are there, and the reports of the start have arrived. */
async function settle({ others }) {
  await until(() => provider.stats().nodes >= others, 'the others are heard')
  await sleep(1500)
}

/** Scars a route; when it was. */
async function scar({ trial, afterMs }) {
  await sleep(afterMs)
  const route = routeOf(trial)
  const at = machineMs()
  atrion.route(route, BAD)
  if (!(atrion.getState(route).scarTissue > 0)) throw new Error('the tick left no scar')
  return at
}

/** Watches a route; when its resistance rose. */
async function watch({ trial }) {
  const route = routeOf(trial)
  const before = resistanceOf(route)
  let at = machineMs()
  await until(() => {
    at = machineMs()
    return resistanceOf(route) - before > NOTICED_OHMS
  }, `the resistance of ${route} rises`)
  return at
}

serve({ join, settle, scar, watch })
