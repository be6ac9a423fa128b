/**
 * The cells of a fleet's block. Their numbers are stated in `src/binding/fleet.rs`, and copied here by `scripts/write-frame.mjs`.
 */

/** The head of a block, which a law, the columns and the readings follow. */
export const BLOCK = {
  /** −1: the next tick makes every route one without measurements */
  TICKS: 0,
  /** of a tick or sweep, ms; NaN before the first tick */
  LAST_UPDATED_AT: 1,
  REJECTED_SAMPLES: 2,
  /** ms */
  NOW: 3,
  /** ms; NaN before the first tick */
  TICKED_AT: 4,
  LAW: 5,
  COLUMNS: 41,
} as const

/** The columns, each a cell a route; the readings are three cells a route. */
export const COLUMN = {
  PRESSURE_LATENCY: 0,
  PRESSURE_ERROR: 1,
  PRESSURE_SATURATION: 2,
  MOMENTUM: 3,
  SCAR: 4,
  RESISTANCE: 5,
  TUNER_MEAN: 6,
  TUNER_VARIANCE: 7,
  RECOVERY_STARTED_AT: 8,
  READINGS: 9,
} as const
