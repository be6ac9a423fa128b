/**
 * Cells of a row of metrics, as `metrics()` of an engine fills them, one row a route. The numbers are stated in `src/binding/metrics.rs`, and
 * copied here by `scripts/write-frame.mjs`.
 */
export const METRIC = {
  SLOT: 0,
  MODE: 1,
  /** R of the route by itself at its last tick, Ω */
  OWN_RESISTANCE: 2,
  /** 1/ms */
  MOMENTUM: 3,
  /** what other nodes add to the scar, Ω; negative where they calm it */
  CLUSTER: 4,
  TICKS: 5,
  LAST_UPDATED_AT: 6,
  REJECTED_SAMPLES: 7,
  /** an operator's order */
  ORDER: 8,
  IN_FLIGHT: 9,
  LIMIT: 10,
  /** R for a request that came now, Ω */
  RESISTANCE: 11,
  SCAR: 12,
  FAILURES: 13,
  RECLAIMED: 14,
  P50_MS: 15,
  P99_MS: 16,
  BASELINE_MS: 17,
  RATE_PER_S: 18,
  SUCCESS: 19,
  REGIME: 20,
  OPEN_CLASSES: 21,
  /** five cells, bulk to critical */
  ADMITTED: 22,
  /** for each of five tiers, bulk to critical, a cell for each cause of the engine's, NONE to WAIT_FULL */
  SHED: 27,
  /** fifteen cells: completed requests by the buckets of their durations */
  DURATIONS: 77,
  DURATION_SUM_MS: 92,
} as const

/** Cells of a row. */
export const METRIC_CELLS = 93

/** Cells of METRIC.SHED a tier: one a {@link CAUSE} of the engine's. */
export const SHED_CAUSES = 10

/** Upper bounds of the buckets of METRIC.DURATIONS, s, each inclusive; a last bucket has no bound. */
export const DURATION_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const
