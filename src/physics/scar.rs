//! Scar: what a route remembers of its traumas.
//!
//! ```text
//! S ← S·e^(−λΔt) + σ·[‖P⁺‖ > P_crit]        P⁺ = max(P, 0) per component; |S| < ε is 0
//! ```
//!
//! P⁺ is a check valve: doing better than the baseline is never trauma. The half-life is ln 2 / λ, 6.9 s by default.

use super::{
    Vector,
    math::{larger, smaller},
    params::RouteParams,
};
use crate::units::{EPSILON, MAX_RESISTANCE, Ohms};

/// S after decaying by `decay` (that is, e^(−λΔt)) under `pressure`, Ω.
///
/// ```
/// use atrion::physics::{params::RouteParams, scar::scar};
///
/// let params = RouteParams::default();
/// assert_eq!(scar(8.0, 0.5, [0.0; 3], &params), 4.0, "decayed by half");
/// assert_eq!(scar(8.0, 0.5, [0.9, 0.0, 0.0], &params), 9.0, "and a trauma of 5 Ω");
/// assert_eq!(scar(8.0, 0.5, [-0.9, 0.0, 0.0], &params), 4.0, "better than expected is no trauma");
/// ```
#[inline]
#[must_use]
pub fn scar(scar: Ohms, decay: f64, pressure: Vector, params: &RouteParams) -> Ohms {
    let stress = pressure.map(|p| larger(p, 0.0));
    let squared = stress[0] * stress[0] + stress[1] * stress[1] + stress[2] * stress[2];
    let trauma = if squared > params.critical_pressure * params.critical_pressure { params.scar_factor } else { 0.0 };
    settle(scar * decay + trauma)
}

/// S with what is too small to matter gone, and bounded as R is.
///
/// ```
/// use atrion::physics::scar::settle;
///
/// assert_eq!((settle(1e-12), settle(7.0), settle(1e9)), (0.0, 7.0, 1e6));
/// ```
#[inline]
#[must_use]
pub fn settle(scar: Ohms) -> Ohms {
    if scar < EPSILON { 0.0 } else { smaller(scar, MAX_RESISTANCE) }
}
