/** The memory of a stream: a head, then a row a route, all of it 32-bit words that are read and written by `Atomics`. */

import { METRIC } from '../engine/metric-cells.js'

/** The first word of a stream's memory, and its format. */
export const MAGIC = 0x4174_7253
export const FORMAT = 1

/** Words of the head. */
export const HEAD = {
  MAGIC: 0,
  FORMAT: 1,
  MAX_ROUTES: 2,
  /** Rows that were ever used. */
  ROWS: 3,
  /** Routes that had no row at the last write. */
  MISSED: 4,
  /** 1: nothing more will be written. */
  STOPPED: 5,
  /** Counts the beginnings and ends of writes to the time; odd while one is under way. */
  SEQUENCE: 6,
  /** The time of the last write, ms: two words. */
  AT_MS: 8,
  LENGTH: 16,
} as const

/** The cells of a row, two words each: its name there, and the engine's metric. */
export const CELLS = [
  ['mode', METRIC.MODE],
  ['admitted', METRIC.ADMITTED],
  ['resistance', METRIC.RESISTANCE],
  ['ownResistance', METRIC.OWN_RESISTANCE],
  ['momentum', METRIC.MOMENTUM],
  ['scar', METRIC.SCAR],
  ['tickCount', METRIC.TICKS],
  ['lastUpdatedAt', METRIC.LAST_UPDATED_AT],
  ['inFlight', METRIC.IN_FLIGHT],
  ['limit', METRIC.LIMIT],
  ['shed', METRIC.SHED],
  ['p50Ms', METRIC.P50_MS],
  ['p99Ms', METRIC.P99_MS],
  ['failures', METRIC.FAILURES],
] as const

/** Bytes of a route's name in UTF-8 that a row has room for. */
export const NAME_BYTES = 256

/** Words of a row. */
export const ROW = {
  /** Counts the beginnings and ends of writes to the row; odd while one is under way. */
  SEQUENCE: 0,
  /** Counts the routes that the row has had. */
  ROUTE: 1,
  /** Bytes of the name; 0: the row is free. */
  NAME_BYTES: 2,
  CELLS: 4,
  NAME: 32,
  LENGTH: 96,
} as const

/** Bytes of the memory of so many routes. */
export const bytesOf = (maxRoutes: number): number => (HEAD.LENGTH + maxRoutes * ROW.LENGTH) * 4
