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
  await until(() => provider.stats().nodes >= others, 'the other nodes report')
  await sleep(1500)
}

/** Scars a route; when it was. */
function scar({ trial }) {
  const route = routeOf(trial)
  const at = machineMs()
  atrion.route(route, BAD)
  if (!(atrion.getState(route).scarTissue > 0)) throw new Error('the tick left no scar')
  return at
}

/** Resolves to the time at which the resistance of a route has risen from `before`. */
async function riseOf(route, before) {
  let at
  await until(() => {
    at = machineMs()
    return resistanceOf(route) - before > NOTICED_OHMS
  }, `the resistance of ${route} rises`)
  return at
}

/** Routes that are watched: the times at which their resistances rise. */
const rises = new Map()

/** Watches a route from now on. */
function watch({ trial }) {
  const route = routeOf(trial)
  const rise = riseOf(route, resistanceOf(route))
  rise.catch(() => {}) // the trial asks for it
  rises.set(trial, rise)
}

/** The time at which the resistance of a watched route rose. */
const seen = ({ trial }) => rises.get(trial)

serve({ join, settle, scar, watch, seen })
