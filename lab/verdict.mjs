// From figures to a verdict: who won, what Atrion missed, whether the controls failed as they must.
import { CONTROLS } from './contestants/index.mjs'

/** Differences below this are draws: a hundredth of the ceiling, half a hundredth of a tier. */
const DRAW = { goodput: 0.01, critical: 0.005 }

/**
 * @typedef {object} Row
 * @property {string} scenario
 * @property {string} shows
 * @property {boolean} overload
 * @property {Record<string, object>} results by contestant id
 */

/** Contestants (never controls) whose figure no other beats by more than a draw. */
export function winnersOf(row, figure, ids) {
  const values = ids.map((id) => row.results[id]?.figures[figure]).filter((v) => Number.isFinite(v))
  const best = Math.max(...values)
  return ids.filter((id) => row.results[id]?.figures[figure] >= best - DRAW[figure])
}

/**
 * @param {Row[]} rows
 * @param {string[]} ids contestants without the controls
 * @returns {{ scenario: string, figure: string, by: string, theirs: number, ours: number }[]} what others did better than Atrion
 */
export function lossesOf(rows, ids) {
  const losses = []
  for (const row of rows) {
    const ours = row.results.atrion?.figures
    if (ours === undefined) continue
    for (const figure of ['goodput', 'critical']) {
      for (const id of ids) {
        const theirs = row.results[id]?.figures[figure]
        if (!id.startsWith('atrion') && theirs > ours[figure] + DRAW[figure]) {
          losses.push({ scenario: row.scenario, figure, by: id, theirs, ours: ours[figure] })
        }
      }
    }
  }
  return losses
}

/** Wanted figures a contestant did not reach. */
export const missesOf = (rows, id) =>
  rows.flatMap((row) =>
    (row.results[id]?.targets ?? []).filter((w) => !w.met).map((w) => ({ scenario: row.scenario, ...w })),
  )

/**
 * Misses of what only a waiting room is asked for.
 * @param {Row[]} rows
 */
export const roomMissesOf = (rows) => missesOf(rows, 'atrion-room').filter(({ of }) => of !== undefined)

/**
 * Controls that passed where they must fail: "always refuses" must fail everywhere, the other two under every overload.
 * @param {Row[]} rows
 */
export function controlsThatPassed(rows) {
  const passed = []
  for (const row of rows) {
    for (const { id } of CONTROLS) {
      const result = row.results[id]
      const must = id === 'always-refuses' || row.overload
      if (result !== undefined && must && result.targets.every((w) => w.met))
        passed.push({ scenario: row.scenario, id })
    }
  }
  return passed
}
