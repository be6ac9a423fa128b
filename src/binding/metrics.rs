//! The metrics of every route: a row of cells each. Their numbers are stated here, once: `scripts/write-frame.mjs` copies them into
//! `ts/engine/metric-cells.ts`.

use crate::{
    engine::{CAUSES, Handle, RouteMetrics, Slot},
    physics::{durations::BUCKETS, voltage::TIERS},
};

/// Cells of a row.
pub const METRIC_CELLS: usize = 93;

/// Indices into a row.
pub mod metric {
    pub const SLOT: usize = 0;
    pub const MODE: usize = 1;
    /// R of the route by itself at its last tick, Ω
    pub const OWN_RESISTANCE: usize = 2;
    /// 1/ms
    pub const MOMENTUM: usize = 3;
    /// what other nodes add to the scar, Ω; negative where they calm it
    pub const CLUSTER: usize = 4;
    pub const TICKS: usize = 5;
    pub const LAST_UPDATED_AT: usize = 6;
    pub const REJECTED_SAMPLES: usize = 7;
    /// an operator's order
    pub const ORDER: usize = 8;
    pub const IN_FLIGHT: usize = 9;
    pub const LIMIT: usize = 10;
    /// R for a request that came now, Ω
    pub const RESISTANCE: usize = 11;
    pub const SCAR: usize = 12;
    pub const FAILURES: usize = 13;
    pub const RECLAIMED: usize = 14;
    pub const P50_MS: usize = 15;
    pub const P99_MS: usize = 16;
    pub const BASELINE_MS: usize = 17;
    pub const RATE_PER_S: usize = 18;
    pub const SUCCESS: usize = 19;
    pub const REGIME: usize = 20;
    pub const OPEN_CLASSES: usize = 21;
    /// five cells, bulk to critical
    pub const ADMITTED: usize = 22;
    /// for each of five tiers, bulk to critical, a cell for each cause of the engine's, NONE to WAIT_FULL
    pub const SHED: usize = 27;
    /// fifteen cells: completed requests by the buckets of their durations
    pub const DURATIONS: usize = 77;
    pub const DURATION_SUM_MS: usize = 92;
}

const _: () = {
    assert!(metric::SHED == metric::ADMITTED + TIERS && metric::DURATIONS == metric::SHED + TIERS * CAUSES);
    assert!(metric::DURATION_SUM_MS == metric::DURATIONS + BUCKETS && METRIC_CELLS == metric::DURATION_SUM_MS + 1);
};

/// Fills `rows` with the routes, as many as fit; how many rows all of them take.
pub fn write(handle: &Handle, rows: &mut [f64]) -> usize {
    let mut rows = rows.chunks_exact_mut(METRIC_CELLS);
    let mut routes = 0;
    for slot in 0..handle.slots() {
        let is_there = handle.metrics(slot, |found| {
            if let Some(row) = rows.next() {
                write_row(row, slot, found);
            }
        });
        routes += usize::from(is_there);
    }
    routes
}

fn write_row(row: &mut [f64], slot: Slot, RouteMetrics { state, cluster, stats, sheds }: &RouteMetrics) {
    row.fill(0.0);
    row[metric::SLOT] = f64::from(slot);
    row[metric::MODE] = f64::from(state.mode as u8);
    row[metric::OWN_RESISTANCE] = state.resistance;
    row[metric::MOMENTUM] = state.momentum;
    row[metric::CLUSTER] = *cluster;
    row[metric::TICKS] = f64::from(state.ticks);
    row[metric::LAST_UPDATED_AT] = state.last_updated_ms;
    row[metric::REJECTED_SAMPLES] = f64::from(state.rejected_samples);
    row[metric::ORDER] = f64::from(state.manual as u8);
    row[metric::RESISTANCE] = state.resistance;
    row[metric::SCAR] = state.scar + cluster;
    row[metric::P50_MS] = f64::NAN;
    row[metric::P99_MS] = f64::NAN;
    row[metric::SUCCESS] = 1.0;
    let Some(stats) = stats else { return };
    row[metric::IN_FLIGHT] = f64::from(stats.in_flight);
    row[metric::LIMIT] = stats.limit;
    row[metric::RESISTANCE] = stats.resistance;
    row[metric::SCAR] = stats.scar;
    row[metric::FAILURES] = stats.counts.failures as f64;
    row[metric::RECLAIMED] = stats.counts.reclaimed as f64;
    row[metric::P50_MS] = stats.p50_ms.unwrap_or(f64::NAN);
    row[metric::P99_MS] = stats.p99_ms.unwrap_or(f64::NAN);
    row[metric::BASELINE_MS] = stats.baseline_ms;
    row[metric::RATE_PER_S] = stats.rate_per_s;
    row[metric::SUCCESS] = stats.success;
    row[metric::REGIME] = f64::from(stats.regime as u8);
    row[metric::OPEN_CLASSES] = f64::from(stats.open_classes);
    let counts = |cells: &mut [f64], counts: &[u64]| {
        for (cell, &count) in cells.iter_mut().zip(counts) {
            // Signed: one instruction, where an unsigned number takes several.
            *cell = count.cast_signed() as f64;
        }
    };
    counts(&mut row[metric::ADMITTED..], &stats.counts.admitted_by_tier);
    if let Some(sheds) = sheds {
        counts(&mut row[metric::SHED..], sheds.as_flattened());
    }
    counts(&mut row[metric::DURATIONS..], &stats.counts.durations.counts);
    row[metric::DURATION_SUM_MS] = stats.counts.durations.sum_ms;
}
