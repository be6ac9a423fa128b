// One run: one scenario, one contestant, one seed. Discrete events in virtual time, deterministic to the bit.
import { capacityOf, nominalInFlightOf, slotsOf } from './plants.mjs'
import { afterFlush, RunClock } from './time.mjs'
import { Traffic } from './traffic.mjs'
import { World } from './world.mjs'

const DEFAULT_USERS = 10_000
/** After the last arrival the plant may work on for this many deadlines; what is then unanswered never was. */
const DRAIN_DEADLINES = 10

/**
 * Runs a scenario against a contestant.
 * @param {object} scenario see lab/README.md
 * @param {{ create(options: object): object, needsTimers?: boolean }} entrant
 * @param {number} seed
 * @returns {Promise<{ log: RequestLog, settings: object, name: string, state?: object }>} `state`: what it says of itself
 */
export async function run(scenario, entrant, seed) {
  const { plant, durationS, giveUp, users = DEFAULT_USERS, processes = 1 } = scenario
  const capacityPerS = capacityOf(plant)
  const { deadlineMs } = plant
  const endMs = durationS * 1000
  // Timers must be faked before the contestant is made: some keep a reference, some start an interval.
  const clock = new RunClock()
  if (entrant.needsTimers === true) clock.install()
  try {
    const create = () =>
      entrant.create({
        clock: { now: () => clock.now() },
        deadlineMs,
        capacityPerS,
        plant,
        profiles: scenario.profiles ?? {},
        // Knowledge of the plant that no controller has: for the ceiling, and for settings found with hindsight.
        serviceMs: plant.serviceMs,
        slotsAt: slotsOf(plant),
        nominalInFlight: nominalInFlightOf(plant),
        patienceMs: Math.min(deadlineMs, giveUp?.afterMs ?? deadlineMs),
      })
    const first = create()
    // A contestant that knows the plant is one for all processes.
    const contestants = Array.from({ length: processes }, (_, k) =>
      k === 0 || entrant.shared === true ? first : create(),
    )
    const world = new World({ scenario, contestants, seed, clock, users })
    const traffic = new Traffic({ flows: scenario.traffic, capacityPerS, users, endMs, seed: world.seed })
    await play(world, traffic, endMs + DRAIN_DEADLINES * deadlineMs, entrant.needsTimers === true)
    const state = first.inspect?.()
    for (const contestant of contestants) contestant.close?.()
    return { log: world.log, settings: first.settings, name: first.name, state }
  } finally {
    clock.uninstall()
  }
}

/** @param {boolean} asynchronous whether promises may settle between events, and must be given the chance */
async function play(world, traffic, untilMs, asynchronous) {
  const { heap, clock } = world
  /** The next event. False: there is none. */
  const advance = () => {
    const arrivalMs = traffic.nextMs
    const nextMs = Math.min(arrivalMs, heap.nextMs)
    if (nextMs > untilMs || nextMs === Number.POSITIVE_INFINITY) return false
    clock.advanceTo(nextMs)
    if (heap.nextMs <= arrivalMs) {
      const { target, i } = heap.pop()
      target.handle(i)
    } else {
      world.request(traffic.take())
    }
    return true
  }
  if (!asynchronous) {
    while (advance()) {}
    return
  }
  // Without a promise for each event, which would be a good part of the work.
  await new Promise((resolve, reject) => {
    const later = afterFlush(() => {
      try {
        if (advance()) later()
        else resolve()
      } catch (error) {
        reject(error)
      }
    })
    later()
  })
}
