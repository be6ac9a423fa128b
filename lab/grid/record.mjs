// The grid as a record: compact, since the one of the former law is kept, and its verdict.
import { cellsOf, keyOf } from './cells.mjs'

const COLUMNS = ['noGuard', 'ceiling', 'topCeiling', 'shedCold', 'shed', 'good', 'success', 'top']
/** Shares are kept in hundredths of a per cent. */
const SHARE = 10_000
const COUNTS = new Set(['ceiling', 'good'])

/** Calm: without any guard this share is answered in time. */
const CALM = 0.99
/** Deadlines below this many service times leave little room for any queue. */
const SHORT_DEADLINE = 5

/**
 * @typedef {object} Played one cell with everything known of it
 * @property {import('./cells.mjs').Cell} cell
 * @property {'calm' | 'tight' | 'overload' | 'brief'} kind `tight`: below capacity, yet not all can be in time; `brief`: above
 * capacity, yet over before a queue without any guard was as long as the deadline
 * @property {number} noGuard share answered in time without any guard
 * @property {number} topCeiling success of the top tier that a guard which knows the servers reaches
 * @property {number} shed share refused after the warm-up
 * @property {number} shedCold share refused during the warm-up
 * @property {number} goodput good answers ÷ those of the ceiling
 * @property {number} success share answered in time
 * @property {number} top success of the top tier
 */

/** @param {import('./cells.mjs').Cell} cell @param {number} noGuard */
function kindOf(cell, noGuard) {
  if (cell.load < 1) return noGuard >= CALM ? 'calm' : 'tight'
  return noGuard >= CALM ? 'brief' : 'overload'
}

/**
 * @param {{ quick: boolean, law: string, seed: number }} about
 * @param {Map<string, { reference: object, figures: object }>} results by the cells' keys
 */
export function recordOf({ quick, law, seed }, results) {
  const rows = cellsOf(quick).map((cell) => {
    const { reference, figures } = results.get(keyOf(cell))
    const values = {
      noGuard: reference.noGuard.success,
      ceiling: reference.good,
      topCeiling: reference.top,
      ...figures,
    }
    return COLUMNS.map((name) => (COUNTS.has(name) ? values[name] : Math.round(values[name] * SHARE)))
  })
  return { law, seed, quick, node: process.version, columns: COLUMNS, rows }
}

/** @param {ReturnType<typeof recordOf>} record @returns {Played[]} */
export function playedOf(record) {
  return cellsOf(record.quick).map((cell, k) => {
    const value = Object.fromEntries(
      record.columns.map((name, i) => [name, record.rows[k][i] / (COUNTS.has(name) ? 1 : SHARE)]),
    )
    return { cell, kind: kindOf(cell, value.noGuard), goodput: value.good / value.ceiling, ...value }
  })
}

/** The targets of a cell. @param {import('./cells.mjs').Cell} cell */
function targetsOf({ deadline, load }) {
  const short = deadline < SHORT_DEADLINE
  return { shed: short ? 0.005 : 0.001, goodput: short ? 0.9 : 0.95, top: short ? 0.9 : load < 2 ? 0.99 : 0.98 }
}

/** Success of the top tier as a share of what the ceiling gives it. @param {Played} played */
export const topShareOf = ({ top, topCeiling }) => (topCeiling === 0 ? 1 : Math.min(1, top / topCeiling))

/**
 * Returns the targets that a cell misses, and the distance to them, in shares.
 * @param {Played} played
 * @returns {{ figure: 'shed' | 'shedCold' | 'goodput' | 'top', by: number }[]}
 */
export function missesOf(played) {
  const targets = targetsOf(played.cell)
  const over = (figure, by) => (by > 1e-9 ? [{ figure, by }] : [])
  if (played.kind === 'calm')
    return [...over('shed', played.shed - targets.shed), ...over('shedCold', played.shedCold - targets.shed)]
  if (played.kind === 'tight') return over('success', played.noGuard - 0.01 - played.success)
  const misses = [
    ...over('goodput', targets.goodput - played.goodput),
    ...over('top', targets.top - topShareOf(played)),
  ]
  return played.kind === 'brief' ? [...misses, ...over('shed', played.shed - targets.shed)] : misses
}
