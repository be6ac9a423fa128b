//! The blocks of the frame that describe a route: its state, which JavaScript also writes, and its statistics. Their cells are stated here,
//! once: `scripts/write-frame.mjs` copies them into `ts/engine/port.ts`.

use super::frame::{Cells, cell};
use crate::{
    engine::{Handle, Slot, Stats},
    physics::{
        mode::Mode,
        tick::{Override, RouteState},
        tuner::Moments,
    },
    units::{Millis, Ohms},
};

/// Indices into the state block.
pub mod state {
    pub const MODE: usize = 0;
    pub const LATENCY: usize = 1;
    pub const ERROR: usize = 2;
    pub const SATURATION: usize = 3;
    pub const PREVIOUS_LATENCY: usize = 4;
    pub const PREVIOUS_ERROR: usize = 5;
    pub const PREVIOUS_SATURATION: usize = 6;
    pub const MOMENTUM: usize = 7;
    pub const SCAR: usize = 8;
    pub const RESISTANCE: usize = 9;
    pub const TICKS: usize = 10;
    pub const LAST_UPDATED_AT: usize = 11;
    pub const RECOVERY_STARTED_AT: usize = 12;
    pub const TUNER_MEAN: usize = 13;
    pub const TUNER_VARIANCE: usize = 14;
    pub const TUNER_COUNT: usize = 15;
    pub const REJECTED_SAMPLES: usize = 16;
    pub const LAW: usize = 17;
    /// out only: what other nodes add to the scar, Ω; negative where they calm it
    pub const OTHERS: usize = 18;
    /// out only: what the route suffers by this node's own measurements, its faults included, Ω
    pub const SUFFERED: usize = 19;
    pub const LENGTH: usize = 20;
}

/// Indices into the stats block.
pub mod stats {
    pub const IN_FLIGHT: usize = 0;
    pub const LIMIT: usize = 1;
    pub const RESISTANCE: usize = 2;
    pub const SCAR: usize = 3;
    pub const ADMITTED: usize = 4;
    /// five cells, bulk to critical
    pub const SHED_BY_TIER: usize = 5;
    pub const FAILURES: usize = 10;
    pub const RECLAIMED: usize = 11;
    pub const P50_MS: usize = 12;
    pub const P99_MS: usize = 13;
    pub const BASELINE_MS: usize = 14;
    pub const RATE_PER_S: usize = 15;
    pub const SUCCESS: usize = 16;
    pub const REGIME: usize = 17;
    pub const OPEN_CLASSES: usize = 18;
    pub const LENGTH: usize = 19;
}

/// The blocks lie within the frame, and over none of its other cells.
const _: () = {
    assert!(cell::STATE + state::LENGTH <= cell::KEY_LANE);
    assert!(cell::STATS > cell::AGE_MS && cell::STATS + stats::LENGTH <= cell::TERMS);
};

/// The cells of a block.
fn block<const LENGTH: usize>(frame: &mut Cells, from: usize) -> &mut [f64; LENGTH] {
    frame[from..].first_chunk_mut().expect("every block lies within the frame")
}

/// Fills the stats block.
pub fn write_stats(frame: &mut Cells, given: &Stats) {
    let counts = &given.counts;
    let block = block::<{ stats::LENGTH }>(frame, cell::STATS);
    block[stats::IN_FLIGHT] = f64::from(given.in_flight);
    block[stats::LIMIT] = given.limit;
    block[stats::RESISTANCE] = given.resistance;
    block[stats::SCAR] = given.scar;
    block[stats::ADMITTED] = counts.admitted() as f64;
    for (tier, &shed) in counts.shed_by_tier.iter().enumerate() {
        block[stats::SHED_BY_TIER + tier] = shed as f64;
    }
    block[stats::FAILURES] = counts.failures as f64;
    block[stats::RECLAIMED] = counts.reclaimed as f64;
    block[stats::P50_MS] = given.p50_ms.unwrap_or(f64::NAN);
    block[stats::P99_MS] = given.p99_ms.unwrap_or(f64::NAN);
    block[stats::BASELINE_MS] = given.baseline_ms;
    block[stats::RATE_PER_S] = given.rate_per_s;
    block[stats::SUCCESS] = given.success;
    block[stats::REGIME] = f64::from(given.regime as u8);
    block[stats::OPEN_CLASSES] = f64::from(given.open_classes);
}

/// Fills the state block with the state of a route; false when there is none.
pub fn read_route(handle: &Handle, frame: &mut Cells, slot: Slot) -> bool {
    let Some((state, peers, reported)) = handle.reported_state(slot) else { return false };
    write_state(frame, &state, peers, reported);
    true
}

/// Fills the state block.
pub fn write_state(frame: &mut Cells, given: &RouteState, peers: Ohms, reported: Ohms) {
    let block = block::<{ state::LENGTH }>(frame, cell::STATE);
    block[state::MODE] = f64::from(given.mode as u8);
    [block[state::LATENCY], block[state::ERROR], block[state::SATURATION]] = given.pressure;
    [block[state::PREVIOUS_LATENCY], block[state::PREVIOUS_ERROR], block[state::PREVIOUS_SATURATION]] =
        given.previous_pressure;
    block[state::MOMENTUM] = given.momentum;
    block[state::SCAR] = given.scar;
    block[state::RESISTANCE] = given.resistance;
    block[state::TICKS] = f64::from(given.ticks);
    block[state::LAST_UPDATED_AT] = given.last_updated_ms;
    block[state::RECOVERY_STARTED_AT] = given.recovery_started_ms;
    block[state::TUNER_MEAN] = given.moments.mean;
    block[state::TUNER_VARIANCE] = given.moments.variance;
    block[state::TUNER_COUNT] = f64::from(given.moments_count);
    block[state::REJECTED_SAMPLES] = f64::from(given.rejected_samples);
    block[state::LAW] = f64::from(given.params_id);
    block[state::OTHERS] = peers;
    block[state::SUFFERED] = reported;
}

/// The most that a restored time may be ahead of now, ms: a clock that was set back a little gives such, and is waited for.
const AHEAD_MS: Millis = 60_000.0;

/// The state in the state block. Times from a clock further ahead become `now_ms`: they would stand still until then.
pub fn read_state(frame: &Cells, now_ms: Millis) -> RouteState {
    let mut c: [f64; state::LENGTH] = *frame[cell::STATE..].first_chunk().expect("every block lies within the frame");
    for number in &mut c {
        // NaN would persist: every law that it enters gives NaN.
        if !number.is_finite() {
            *number = 0.0;
        }
    }
    let mut read = RouteState {
        mode: Mode::from_index(c[state::MODE] as u8).unwrap_or(Mode::Bootstrap),
        pressure: [c[state::LATENCY], c[state::ERROR], c[state::SATURATION]],
        previous_pressure: [c[state::PREVIOUS_LATENCY], c[state::PREVIOUS_ERROR], c[state::PREVIOUS_SATURATION]],
        momentum: c[state::MOMENTUM],
        scar: c[state::SCAR],
        resistance: c[state::RESISTANCE],
        ticks: c[state::TICKS] as u32,
        last_updated_ms: c[state::LAST_UPDATED_AT],
        recovery_started_ms: c[state::RECOVERY_STARTED_AT],
        moments: Moments { mean: c[state::TUNER_MEAN], variance: c[state::TUNER_VARIANCE] },
        moments_count: c[state::TUNER_COUNT] as u32,
        rejected_samples: c[state::REJECTED_SAMPLES] as u32,
        params_id: c[state::LAW] as u16,
        manual: Override::None,
    };
    let is_open = read.mode == Mode::CircuitBreaker;
    let settle = |at_ms: Millis| if at_ms <= now_ms + AHEAD_MS { at_ms } else { now_ms };
    read.last_updated_ms = settle(read.last_updated_ms);
    read.recovery_started_ms = if is_open { settle(read.recovery_started_ms) } else { 0.0 };
    read
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

    use super::{
        super::frame::FRAME_CELLS, Cells, Mode, Moments, Override, RouteState, cell, read_state, state, write_state,
    };

    #[test]
    fn a_state_that_is_written_is_read_again() {
        let written = RouteState {
            mode: Mode::CircuitBreaker,
            pressure: [0.1, 0.2, 0.3],
            previous_pressure: [0.4, 0.5, 0.6],
            momentum: 0.7,
            scar: 8.0,
            resistance: 9.0,
            ticks: 10,
            last_updated_ms: 11.0,
            recovery_started_ms: 12.0,
            moments: Moments { mean: 13.0, variance: 14.0 },
            moments_count: 15,
            rejected_samples: 16,
            params_id: 17,
            manual: Override::None,
        };
        let mut frame: Cells = [f64::NAN; FRAME_CELLS];
        write_state(&mut frame, &written, 18.0, 19.0);
        assert!(frame[cell::STATE..][..state::LENGTH].iter().all(|cell| cell.is_finite()), "{frame:?}");
        assert_eq!(frame[cell::STATE + state::OTHERS], 18.0);
        assert_eq!(frame[cell::STATE + state::SUFFERED], 19.0);
        assert!(frame[cell::STATE + state::LENGTH].is_nan(), "a block ends where it says");
        assert_eq!(read_state(&frame, 1000.0), written);
    }
}
