// A game server that ticks, and a controller that lowers its level of detail instead of turning players away.
import { createRequire } from 'node:module'
import { Stage } from './stage.mjs'

const { Atrion } = createRequire(import.meta.url)('atrion')

/** Levels of detail, best first: ms a frame may take, and the resistance below which it is played. */
const LEVELS = [
  { name: 'HIGH', budgetMs: 16, belowOhms: 15 },
  { name: 'MEDIUM', budgetMs: 33, belowOhms: 30 },
  { name: 'LOW', budgetMs: 100, belowOhms: Number.POSITIVE_INFINITY },
]
const ROUTE = 'game'
const MISS_WINDOW_TICKS = 10

/**
 * The time that computing a frame takes: 8 ms and 0.5 ms a player, more in a crowd. A lower level plays fewer frames a second,
 * so that each has longer.
 */
function frameMs(players, uniform) {
  const crowd = players > 50 ? 1.5 : players > 30 ? 1.2 : 1
  return (8 + players * 0.5 + uniform() * 5) * crowd
}

const levelFor = (ohms) => LEVELS.findIndex(({ belowOhms }) => ohms < belowOhms)

/**
 * @typedef {object} Frame what a controller is given of a frame
 * @property {number} tick from 1
 * @property {number} level index into the levels
 * @property {number} latencyMs
 * @property {boolean} missed its budget
 * @property {number} missShare misses among the last ten
 * @property {number} players
 */

/**
 * Plays a game.
 * @param {object} options
 * @param {{ players: (k: number) => number, ticks: number, everyMs: number }[]} options.phases
 * @param {(guard: object) => (frame: Frame) => { level: number, why?: string }} options.controller
 * @param {string} options.seed
 */
export function playGame({ phases, controller, seed }) {
  const stage = new Stage(`game/${seed}`)
  const uniform = stage.chance('frames')
  const decide = controller(new Atrion({ clock: stage, autoTuner: false, slo: { baselineLatencyMs: 100 } }))
  const misses = []
  const switches = []
  let level = 0
  let tick = 0
  let atMs = 0
  const turn = (players) => {
    tick += 1
    const latencyMs = frameMs(players, uniform)
    misses.push(latencyMs > LEVELS[level].budgetMs)
    const recent = misses.slice(-MISS_WINDOW_TICKS)
    const missShare = recent.filter(Boolean).length / recent.length
    const next = decide({ tick, level, latencyMs, missed: misses.at(-1), missShare, players })
    if (next.level !== level) switches.push({ tick, from: level, to: next.level, why: next.why })
    level = next.level
  }
  for (const { players, ticks, everyMs } of phases) {
    for (let k = 0; k < ticks; k += 1) {
      stage.at(atMs, () => turn(players(k)))
      atMs += everyMs
    }
  }
  return stage.play(atMs).then(() => {
    const down = switches.filter(({ from, to }) => to > from)
    return {
      firstSwitchTick: down[0]?.tick ?? Number.POSITIVE_INFINITY,
      switches: switches.length,
      down: down.length,
      predicted: down.filter(({ why }) => why === 'predicted').length,
      missedShare: misses.filter(Boolean).length / misses.length,
      lowestLevel: Math.max(0, ...switches.map(({ to }) => to)),
      lastLevel: level,
      ticks: misses.length,
    }
  })
}

/** Reports a frame as the route's telemetry. */
const report = (guard, { latencyMs, players }) => guard.route(ROUTE, { latencyMs, saturation: players / 100 })

/** Never leaves the best level: what happens without a controller. */
export const fixed = () => () => ({ level: 0 })

/** A missed frame counts twice its latency. */
export const reactive = (guard) => (frame) => {
  const latencyMs = frame.missed ? 2 * frame.latencyMs : frame.latencyMs
  return { level: levelFor(report(guard, { ...frame, latencyMs }).resistance) }
}

/** Latency is amplified by the share of frames missed of late, up to fourfold. */
export const amplified = (guard) => (frame) => {
  const latencyMs = frame.latencyMs * (1 + 3 * frame.missShare)
  return { level: levelFor(report(guard, { ...frame, latencyMs }).resistance) }
}

/** The same, and Atrion is given what a frame may take instead of being left with its default of 100 ms. */
export const budgeted = (guard) => {
  guard.setRouteProfile(ROUTE, { slo: { baselineLatencyMs: LEVELS[0].budgetMs } })
  return amplified(guard)
}

const TREND_TICKS = 5
const TREND_PER_TICK = 0.03
const HELD_TICKS = 20

/**
 * Watches the momentum: when pressure has been rising for five ticks, it goes down a level before resistance asks for
 * it, and holds that for a second.
 */
export const predictive = (guard) => {
  const pressures = []
  let held = { level: 0, untilTick: 0 }
  return (frame) => {
    const next = levelFor(report(guard, frame).resistance)
    const { latency, saturation } = guard.getState(ROUTE).pressure
    pressures.push(latency + saturation)
    const rise = (pressures.at(-1) - pressures.at(-TREND_TICKS)) / (TREND_TICKS - 1)
    const { level } = frame
    if (rise > TREND_PER_TICK && level < LEVELS.length - 1 && frame.tick >= held.untilTick - HELD_TICKS + TREND_TICKS) {
      held = { level: level + 1, untilTick: frame.tick + HELD_TICKS }
    }
    if (next >= held.level || frame.tick >= held.untilTick) return { level: next, why: 'resistance' }
    return { level: held.level, why: 'predicted' }
  }
}

/** So many players for so many ticks of 50 ms. */
export const phase = (players, ticks, everyMs = 50) => ({ players: () => players, ticks, everyMs })

/** From so many players to so many. */
export const growth = (from, to, ticks, everyMs = 50) => ({
  players: (k) => Math.round(from + ((to - from) * k) / ticks),
  ticks,
  everyMs,
})
