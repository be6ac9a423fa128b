//! Pressure: how far a route is from its expectation.
//!
//! ```text
//! P = tanh(k·(x − b)/b)        b ≤ 0 gives 0
//! ```
//!
//! A negative or non-finite reading is noise: its component keeps the pressure it had.

use super::{Vector, math, params::RouteParams};

/// One reading of a route: latency in ms, error rate and saturation in [0, 1] (larger is clamped).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Latency, ms, ≥ 0.
    pub latency_ms: f64,
    /// Share of requests that failed, [0, 1].
    pub error_rate: f64,
    /// The share of the route's resource that is taken, [0, 1].
    pub saturation: f64,
}

/// Reads a sample: the new pressure, e^`exponent` (it rides in the same vector), and whether a component was noise.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// P, each in [−1, 1].
    pub pressure: Vector,
    /// e^exponent.
    pub exp: f64,
    /// A component was negative or not finite.
    pub rejected: bool,
}

/// P of a sample against the law's baselines, and e^`exponent`.
///
/// ```
/// use atrion::physics::{
///     params::RouteParams,
///     pressure::{Sample, read},
/// };
///
/// let params = RouteParams::default(); // 100 ms, 1 % of errors, half saturated
/// let usual = Sample { latency_ms: 100.0, error_rate: 0.01, saturation: 0.5 };
/// assert_eq!(read(&usual, [0.0; 3], &params, 0.0).pressure, [0.0; 3]);
/// let slow = read(&Sample { latency_ms: 200.0, ..usual }, [0.0; 3], &params, 0.0);
/// assert!((slow.pressure[0] - 1.0_f64.tanh()).abs() < 1e-12);
/// let noise = read(&Sample { latency_ms: -1.0, ..usual }, [0.4, 0.0, 0.0], &params, 0.0);
/// assert!(noise.rejected && noise.pressure[0] == 0.4);
/// ```
#[cfg_attr(target_family = "wasm", inline(never))] // 5 ns of a tick: it is a kilobyte of instructions, and both loops use it
#[cfg_attr(not(target_family = "wasm"), inline)]
#[must_use]
pub fn read(sample: &Sample, last: Vector, params: &RouteParams, exponent: f64) -> Reading {
    let raw = [sample.latency_ms, sample.error_rate, sample.saturation];
    let x = [raw[0], math::smaller(raw[1], 1.0), math::smaller(raw[2], 1.0)];
    // A range to MAX is two comparisons; one to INFINITY becomes a test of the number's class, twenty instructions a component.
    let noise = raw.map(|x| !(0.0..=f64::MAX).contains(&x));
    let strain = |i: usize| (x[i] - params.baselines[i]) * params.gains[i];
    let (tanh, exp) = math::tanh3_exp([strain(0), strain(1), strain(2)], exponent);
    let keep = |i: usize| if noise[i] { last[i] } else { tanh[i] };
    Reading { pressure: [keep(0), keep(1), keep(2)], exp, rejected: noise.contains(&true) }
}
