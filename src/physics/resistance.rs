//! Resistance: what a request must overcome.
//!
//! ```text
//! R = max(R_base, R_base + P·W + D·M + S + U), at most R_max
//! ```
//!
//! U, the staleness, is 0 at a tick: telemetry is fresh there.

use super::{
    Vector,
    math::{larger, smaller},
    params::RouteParams,
};
use crate::units::{MAX_RESISTANCE, Ohms, PerMillis};

/// P·W, Ω: may be negative, a route that does better than expected.
///
/// ```
/// use atrion::physics::{params::RouteParams, resistance::strain};
///
/// let params = RouteParams { weights: [1.0, 2.0, 3.0], ..RouteParams::default() };
/// assert_eq!(strain([1.0, -0.5, 0.5], &params), 1.5);
/// ```
#[inline]
#[must_use]
pub fn strain(pressure: Vector, params: &RouteParams) -> Ohms {
    let w = params.weights;
    pressure[0] * w[0] + pressure[1] * w[1] + pressure[2] * w[2]
}

/// R, in [R_base, 1e6] Ω.
///
/// ```
/// use atrion::physics::{params::RouteParams, resistance::resistance};
///
/// let params = RouteParams::default();
/// assert_eq!(resistance([0.0; 3], 0.0, 25.0, &params), 35.0, "R_base + S");
/// assert_eq!(resistance([-1.0; 3], 0.0, 0.0, &params), 10.0, "never below R_base");
/// ```
#[inline]
#[must_use]
pub fn resistance(pressure: Vector, momentum: PerMillis, scar: Ohms, params: &RouteParams) -> Ohms {
    let total = params.base_resistance + strain(pressure, params) + params.damping_factor * momentum + scar;
    smaller(larger(total, params.base_resistance), MAX_RESISTANCE)
}

/// The parts of a route's own R, Ω: base and these sum to R, but for its bounds and for rounding. In BOOTSTRAP only R counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// R_base.
    pub base: Ohms,
    /// P·W.
    pub pressure: Ohms,
    /// D·M.
    pub momentum: Ohms,
    /// The own part of S.
    pub scar: Ohms,
    /// The peers' part of S.
    pub cluster: Ohms,
    /// R.
    pub total: Ohms,
}

/// R before a route has shown what it is like: 1.2·R_base.
///
/// ```
/// use atrion::physics::{params::RouteParams, resistance::bootstrap_resistance};
///
/// assert_eq!(bootstrap_resistance(&RouteParams::default()), 12.0);
/// ```
#[inline]
#[must_use]
pub fn bootstrap_resistance(params: &RouteParams) -> Ohms {
    (params.base_resistance * 1.2).min(MAX_RESISTANCE)
}
