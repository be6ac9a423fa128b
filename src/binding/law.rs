//! The cells of a law, the parameters of a route as JavaScript hands them over, and the parameters that they make.
//!
//! The numbers of the cells are stated here, once: `scripts/write-frame.mjs` copies them into `ts/engine/law-cells.ts`.

use crate::physics::params::{RouteParams, TunerParams};

/// Cells of a law.
pub const LAW_CELLS: usize = 36;

/// Indices of the cells of a law.
#[allow(dead_code, reason = "the cells of a vector are read from its first one on")]
pub mod cell {
    pub const BASE_RESISTANCE: usize = 0;
    pub const DECAY_RATE: usize = 1;
    pub const SCAR_FACTOR: usize = 2;
    pub const DAMPING_FACTOR: usize = 3;
    pub const CRITICAL_PRESSURE: usize = 4;
    pub const BREAK_MULTIPLIER: usize = 5;
    pub const BOOTSTRAP_TICKS: usize = 6;
    pub const MIN_DELTA_T: usize = 7;
    pub const TANH_SCALE: usize = 8;
    pub const BASELINE_LATENCY_MS: usize = 9;
    pub const BASELINE_ERROR_RATE: usize = 10;
    pub const BASELINE_SATURATION: usize = 11;
    pub const WEIGHT_LATENCY: usize = 12;
    pub const WEIGHT_ERROR: usize = 13;
    pub const WEIGHT_SATURATION: usize = 14;
    pub const DEADLINE_MS: usize = 15;
    pub const TUNER: usize = 16;
    pub const TUNER_WINDOW_SIZE: usize = 17;
    pub const TUNER_SENSITIVITY: usize = 18;
    pub const TUNER_MIN_FLOOR: usize = 19;
    pub const TUNER_HARD_CEILING: usize = 20;
    pub const TUNER_WARMUP_TICKS: usize = 21;
    pub const TUNER_RECOVERY_MULTIPLIER: usize = 22;
    pub const MAX_DURATION_MS: usize = 23;
    pub const MIN_LIMIT: usize = 24;
    pub const MAX_LIMIT: usize = 25;
    pub const INITIAL_LIMIT: usize = 26;
    pub const POOL: usize = 27;
    pub const RESERVE: usize = 28;
}

/// The parameters in the cells: of an array, so that no index into it needs a check.
pub fn params(cells: &[f64; LAW_CELLS]) -> RouteParams {
    let mut params = RouteParams::ZERO;
    // One after the other: a literal would read all cells before it writes the first.
    params.base_resistance = cells[cell::BASE_RESISTANCE];
    params.decay_per_ms = cells[cell::DECAY_RATE] / 1e3;
    params.scar_factor = cells[cell::SCAR_FACTOR];
    params.damping_factor = cells[cell::DAMPING_FACTOR];
    params.critical_pressure = cells[cell::CRITICAL_PRESSURE];
    params.break_multiplier = cells[cell::BREAK_MULTIPLIER];
    params.bootstrap_ticks = cells[cell::BOOTSTRAP_TICKS] as u32;
    params.min_delta_t_ms = cells[cell::MIN_DELTA_T];
    for i in 0..3 {
        let baseline = cells[cell::BASELINE_LATENCY_MS + i];
        params.baselines[i] = baseline;
        params.gains[i] = if baseline > 0.0 { cells[cell::TANH_SCALE] / baseline } else { 0.0 };
        params.weights[i] = cells[cell::WEIGHT_LATENCY + i];
    }
    params.limit.deadline_ms = cells[cell::DEADLINE_MS];
    params.limit.min = cells[cell::MIN_LIMIT];
    params.limit.max = cells[cell::MAX_LIMIT];
    params.limit.initial = cells[cell::INITIAL_LIMIT];
    params.max_duration_ms = cells[cell::MAX_DURATION_MS];
    params.pool = cells[cell::POOL] as u64;
    for (i, reserve) in params.reserve.iter_mut().enumerate() {
        *reserve = cells[cell::RESERVE + i] as f32;
    }
    params.tuner = (cells[cell::TUNER] != 0.0).then(|| TunerParams {
        alpha: 2.0 / (cells[cell::TUNER_WINDOW_SIZE] + 1.0),
        sensitivity: cells[cell::TUNER_SENSITIVITY],
        min_floor: cells[cell::TUNER_MIN_FLOOR],
        hard_ceiling: cells[cell::TUNER_HARD_CEILING],
        warmup_ticks: cells[cell::TUNER_WARMUP_TICKS] as u32,
        recovery_multiplier: cells[cell::TUNER_RECOVERY_MULTIPLIER],
    });
    params
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

    use super::{LAW_CELLS, RouteParams, cell, params};

    /// The law of the package's defaults, as `ts/options/route-params.ts` writes it.
    fn default_cells() -> [f64; LAW_CELLS] {
        let mut cells = [0.0; LAW_CELLS];
        let given = [
            (cell::BASE_RESISTANCE, 10.0),
            (cell::DECAY_RATE, 0.1),
            (cell::SCAR_FACTOR, 5.0),
            (cell::DAMPING_FACTOR, 20.0),
            (cell::CRITICAL_PRESSURE, 0.7),
            (cell::BREAK_MULTIPLIER, 10.0),
            (cell::BOOTSTRAP_TICKS, 10.0),
            (cell::MIN_DELTA_T, 100.0),
            (cell::TANH_SCALE, 1.0),
            (cell::BASELINE_LATENCY_MS, 100.0),
            (cell::BASELINE_ERROR_RATE, 0.01),
            (cell::BASELINE_SATURATION, 0.5),
            (cell::WEIGHT_LATENCY, 5.0_f64.ln_1p()),
            (cell::WEIGHT_ERROR, 8.0_f64.ln_1p()),
            (cell::WEIGHT_SATURATION, 3.0_f64.ln_1p()),
            (cell::DEADLINE_MS, 500.0),
            (cell::TUNER, 1.0),
            (cell::TUNER_WINDOW_SIZE, 100.0),
            (cell::TUNER_SENSITIVITY, 3.0),
            (cell::TUNER_MIN_FLOOR, 30.0),
            (cell::TUNER_HARD_CEILING, 500.0),
            (cell::TUNER_WARMUP_TICKS, 50.0),
            (cell::TUNER_RECOVERY_MULTIPLIER, 0.5),
            (cell::MAX_DURATION_MS, 30_000.0),
            (cell::MIN_LIMIT, 1.0),
            (cell::MAX_LIMIT, 100_000.0),
            (cell::INITIAL_LIMIT, 512.0),
        ];
        for (index, value) in given {
            cells[index] = value;
        }
        cells
    }

    #[test]
    fn the_cells_of_the_defaults_make_the_default_parameters() {
        assert_eq!(params(&default_cells()), RouteParams::default());
    }

    /// No two cells have the same value.
    #[test]
    fn every_cell_arrives_in_its_field() {
        let cells: [f64; LAW_CELLS] = std::array::from_fn(|i| i as f64 + 1.0);
        let params = params(&cells);
        let tuner = params.tuner.expect("its cell is not 0");
        let arrived = [
            (cell::BASE_RESISTANCE, params.base_resistance),
            (cell::DECAY_RATE, params.decay_per_ms * 1e3),
            (cell::SCAR_FACTOR, params.scar_factor),
            (cell::DAMPING_FACTOR, params.damping_factor),
            (cell::CRITICAL_PRESSURE, params.critical_pressure),
            (cell::BREAK_MULTIPLIER, params.break_multiplier),
            (cell::BOOTSTRAP_TICKS, f64::from(params.bootstrap_ticks)),
            (cell::MIN_DELTA_T, params.min_delta_t_ms),
            (cell::TANH_SCALE, params.gains[0] * params.baselines[0]),
            (cell::BASELINE_LATENCY_MS, params.baselines[0]),
            (cell::BASELINE_ERROR_RATE, params.baselines[1]),
            (cell::BASELINE_SATURATION, params.baselines[2]),
            (cell::WEIGHT_LATENCY, params.weights[0]),
            (cell::WEIGHT_ERROR, params.weights[1]),
            (cell::WEIGHT_SATURATION, params.weights[2]),
            (cell::DEADLINE_MS, params.limit.deadline_ms),
            (cell::TUNER_WINDOW_SIZE, 2.0 / tuner.alpha - 1.0),
            (cell::TUNER_SENSITIVITY, tuner.sensitivity),
            (cell::TUNER_MIN_FLOOR, tuner.min_floor),
            (cell::TUNER_HARD_CEILING, tuner.hard_ceiling),
            (cell::TUNER_WARMUP_TICKS, f64::from(tuner.warmup_ticks)),
            (cell::TUNER_RECOVERY_MULTIPLIER, tuner.recovery_multiplier),
            (cell::MAX_DURATION_MS, params.max_duration_ms),
            (cell::MIN_LIMIT, params.limit.min),
            (cell::MAX_LIMIT, params.limit.max),
            (cell::INITIAL_LIMIT, params.limit.initial),
            (cell::POOL, params.pool as f64),
        ];
        for (index, value) in arrived {
            assert!((value - cells[index]).abs() < 1e-9, "law[{index}] arrives as {value}");
        }
        for (at, share) in params.reserve.iter().enumerate() {
            assert_eq!(f64::from(*share), cells[cell::RESERVE + at]);
        }
        let gains: Vec<f64> = params.baselines.iter().map(|baseline| cells[cell::TANH_SCALE] / baseline).collect();
        assert_eq!(params.gains.to_vec(), gains);
        // Two cells are switches, and the last eight are the reserve.
        assert_eq!(arrived.len() + 1, cell::RESERVE);
        assert_eq!(cell::RESERVE + params.reserve.len(), LAW_CELLS);
    }

    #[test]
    fn without_the_switch_there_is_no_tuner_and_without_a_baseline_no_gain() {
        let mut cells = default_cells();
        cells[cell::TUNER] = 0.0;
        cells[cell::BASELINE_LATENCY_MS] = 0.0;
        assert_eq!(params(&cells).tuner, None);
        assert_eq!(params(&cells).gains[0], 0.0);
    }
}
