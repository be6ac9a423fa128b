import { createRequire } from 'node:module'
import { entrantById } from '../contestants/index.mjs'
import { run } from '../driver/run.mjs'
import { RunView } from '../metrics/window.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

/**
 * @typedef {object} Guard of several routes
 * @property {(route: string, who?: { tier?: string, key?: string }) => { end(outcome: 'success' | 'failure'): void } | null} enter
 * @property {() => void} [close]
 */

/**
 * @typedef {Record<string, { capacityPerS: number, deadlineMs: number, limits?: { max: number } }>} Routes what an operator
 * knows of them; Atrion is given the deadline, and the bulkhead where there is one
 */

const PERMIT = { end() {} }

/** No guard. @returns {Guard} */
const none = () => ({ enter: () => PERMIT })

/** opossum as in the arena, a breaker for each route. @param {Routes} routes @returns {Guard} */
function opossum(_stage, routes) {
  const breakers = Object.fromEntries(
    Object.entries(routes).map(([route, settings]) => [route, entrantById('opossum').create(settings)]),
  )
  return {
    enter: (route) => breakers[route].admit(),
    close() {
      for (const breaker of Object.values(breakers)) breaker.close()
    },
  }
}

/** @param {import('./stage.mjs').Stage} stage @param {Routes} routes @returns {Guard & { stats(route: string): object }} */
function atrion(stage, routes) {
  // Places of keys are the same in every run.
  const guard = new Atrion({ clock: stage, keySecret: 'the same in every run' })
  for (const [route, { deadlineMs, limits }] of Object.entries(routes)) {
    guard.setRouteProfile(route, { slo: { maxAcceptableLatencyMs: deadlineMs }, ...(limits && { limits }) })
  }
  return {
    enter(route, who) {
      const permit = guard.acquire(route, who)
      return permit.allow ? { end: (outcome) => permit.release(outcome) } : null
    },
    stats: (route) => guard.stats(route),
  }
}

/** Guards by name; `withTimers`: whether the process's timers must follow the stage. */
export const GUARDS = {
  none: { create: none, withTimers: false },
  opossum: { create: opossum, withTimers: true },
  atrion: { create: atrion, withTimers: false },
}

/**
 * Plays an arena scenario against some contestants and reads figures off each run.
 * @param {object} scenario as in lab/scenarios
 * @param {string[]} ids contestants
 * @param {number} seed
 * @param {(view: RunView) => Record<string, number>} read
 */
export async function contest(scenario, ids, seed, read) {
  const figures = {}
  for (const id of ids) {
    const { log } = await run(scenario, entrantById(id), seed)
    figures[id] = read(new RunView(scenario, log))
  }
  return figures
}
