/**
 * The cells of a law, and which of them a configured number goes to. Their numbers are stated in `src/binding/law.rs`, and copied here by
 * `scripts/write-frame.mjs`.
 */

import { DEFAULT_CONFIG } from '../core/config.js'
import { DEFAULT_AUTOTUNER_CONFIG } from '../core/tuner.js'
import type { AutoTunerConfig, PhysicsConfig } from '../core/types.js'

/**
 * Cells of a law, the numbers a route is governed by, in the order `defineLaw` takes them.
 * Derived in `ts/routes/params.ts` from PhysicsConfig, SLOConfig, AutoTunerConfig and the profile.
 */
export const LAW = {
  BASE_RESISTANCE: 0,
  DECAY_RATE: 1,
  SCAR_FACTOR: 2,
  DAMPING_FACTOR: 3,
  CRITICAL_PRESSURE: 4,
  BREAK_MULTIPLIER: 5,
  BOOTSTRAP_TICKS: 6,
  MIN_DELTA_T: 7,
  TANH_SCALE: 8,
  BASELINE_LATENCY_MS: 9,
  BASELINE_ERROR_RATE: 10,
  BASELINE_SATURATION: 11,
  WEIGHT_LATENCY: 12,
  WEIGHT_ERROR: 13,
  WEIGHT_SATURATION: 14,
  DEADLINE_MS: 15,
  /** 1 when the tuner sets the break point, 0 when it is static */
  TUNER: 16,
  TUNER_WINDOW_SIZE: 17,
  TUNER_SENSITIVITY: 18,
  TUNER_MIN_FLOOR: 19,
  TUNER_HARD_CEILING: 20,
  TUNER_WARMUP_TICKS: 21,
  TUNER_RECOVERY_MULTIPLIER: 22,
  MAX_DURATION_MS: 23,
  MIN_LIMIT: 24,
  MAX_LIMIT: 25,
  INITIAL_LIMIT: 26,
  /** a number that stands for the pool; 0: none */
  POOL: 27,
  /** five cells, bulk to critical: shares of the limit */
  RESERVE: 28,
  LENGTH: 36,
} as const

/** `minDeltaT` as the name of a cell: `MIN_DELTA_T`. */
type CellName<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? Uppercase<First> : `_${First}`}${CellName<Rest>}`
  : ''

/** The cell of a law for each name of what operators configure; a name that has none does not compile. */
function cellsOf<Name extends string, Prefix extends string>(
  defaults: { readonly [N in Name]: `${Prefix}${CellName<N>}` extends keyof typeof LAW ? unknown : never },
  prefix: Prefix,
): Readonly<Record<Name, number>> {
  const spelt = (letter: string): string => (letter < 'a' ? `_${letter}` : letter.toUpperCase())
  const cellOf = (name: string): number => LAW[(prefix + Array.from(name, spelt).join('')) as keyof typeof LAW]
  const cells = Object.keys(defaults).map((name) => [name, cellOf(name)])
  return Object.fromEntries(cells) as Readonly<Record<Name, number>>
}

/** Cells of a law by the names of what operators configure: `minDeltaT` is in MIN_DELTA_T. */
export const CONFIG_CELLS: Readonly<Record<keyof PhysicsConfig, number>> = cellsOf(DEFAULT_CONFIG, '')

/** The same, of the tuner: `minFloor` is in TUNER_MIN_FLOOR. */
export const TUNER_CELLS: Readonly<Record<keyof AutoTunerConfig, number>> = cellsOf(DEFAULT_AUTOTUNER_CONFIG, 'TUNER_')

/** Writes named numbers into their cells. */
export function writeCells<T extends string>(
  cells: Float64Array,
  places: Readonly<Record<T, number>>,
  values: Readonly<Record<T, number>>,
): void {
  for (const name of Object.keys(places) as T[]) cells[places[name]] = values[name]
}

/** Reads named numbers from their cells. */
export function readCells<T extends string>(
  cells: Float64Array,
  places: Readonly<Record<T, number>>,
): Record<T, number> {
  const values = Object.entries<number>(places).map(([name, place]) => [name, cells[place]!])
  return Object.fromEntries(values) as Record<T, number>
}
