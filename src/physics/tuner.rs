//! Tuner: what R normally is on a route, and from that the points where its breaker opens and closes.
//!
//! ```text
//! first: μ = R, σ² = 0        then: δ = R − μ, μ += αδ, σ² = (1 − α)(σ² + αδ²)        α = 2/(N + 1)
//! break point    = clamp(μ + kσ, minFloor, hardCeiling); before warm-up R_base·breakMultiplier
//! recovery point = max(break point·recoveryMultiplier, minFloor/2); without a tuner half the static break point
//! ```
//!
//! The ceiling is what stops a slow ramp from being learnt as normal. Exponential moments: Finch, "Incremental
//! calculation of weighted mean and variance", 2009.

use super::params::{RouteParams, TunerParams};
use crate::units::Ohms;

/// μ and σ² of R; how many R they are of is kept beside them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// μ, Ω.
    pub mean: f64,
    /// σ², Ω².
    pub variance: f64,
}

image! { Moments { mean, variance } }

/// The moments after seeing one more R; `count` is how many were seen before.
///
/// ```
/// use atrion::physics::{
///     params::RouteParams,
///     tuner::{Moments, observe},
/// };
///
/// let tuner = RouteParams::default().tuner.expect("the default has one");
/// let first = observe(Moments::default(), 0, 20.0, &tuner);
/// assert_eq!(first, Moments { mean: 20.0, variance: 0.0 });
/// assert!(observe(first, 1, 30.0, &tuner).mean > 20.0);
/// ```
#[inline]
#[must_use]
pub fn observe(moments: Moments, count: u32, resistance: Ohms, tuner: &TunerParams) -> Moments {
    if count == 0 {
        return Moments { mean: resistance, variance: 0.0 };
    }
    let delta = resistance - moments.mean;
    Moments {
        mean: moments.mean + tuner.alpha * delta,
        variance: (1.0 - tuner.alpha) * (moments.variance + tuner.alpha * delta * delta),
    }
}

/// R at which the breaker opens, Ω.
///
/// ```
/// use atrion::physics::{
///     params::RouteParams,
///     tuner::{Moments, break_point},
/// };
///
/// let params = RouteParams::default();
/// let moments = Moments { mean: 40.0, variance: 100.0 };
/// assert_eq!(break_point(&params, moments, 0), 100.0, "R_base·breakMultiplier before warm-up");
/// assert_eq!(break_point(&params, moments, 50), 70.0, "then μ + 3σ");
/// ```
#[inline]
#[must_use]
pub fn break_point(params: &RouteParams, moments: Moments, count: u32) -> Ohms {
    match &params.tuner {
        Some(tuner) if count >= tuner.warmup_ticks => {
            let normal = moments.mean + tuner.sensitivity * moments.variance.max(0.0).sqrt();
            normal.min(tuner.hard_ceiling).max(tuner.min_floor)
        }
        _ => params.base_resistance * params.break_multiplier,
    }
}

/// Is R at or above the break point? The square root is taken only where its answer could matter.
///
/// ```
/// use atrion::physics::{
///     params::RouteParams,
///     tuner::{Moments, breaks},
/// };
///
/// let (params, moments) = (RouteParams::default(), Moments { mean: 40.0, variance: 100.0 });
/// assert!(breaks(&params, moments, 50, 70.0) && !breaks(&params, moments, 50, 69.0));
/// ```
#[inline]
#[must_use]
pub fn breaks(params: &RouteParams, moments: Moments, count: u32, resistance: Ohms) -> bool {
    match &params.tuner {
        Some(tuner) if count >= tuner.warmup_ticks && resistance < tuner.min_floor => false,
        _ => resistance >= break_point(params, moments, count),
    }
}

/// R below which the breaker closes, Ω.
///
/// ```
/// use atrion::physics::{params::RouteParams, tuner::recovery_point};
///
/// assert_eq!(recovery_point(&RouteParams::default(), 70.0), 35.0);
/// ```
#[inline]
#[must_use]
pub fn recovery_point(params: &RouteParams, break_point: Ohms) -> Ohms {
    match &params.tuner {
        Some(tuner) => (break_point * tuner.recovery_multiplier).max(tuner.min_floor * 0.5),
        None => break_point * 0.5,
    }
}
