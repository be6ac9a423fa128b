//! Resistance: what a request must overcome.
//!
//! ```text
//! R = max(R_base, R_base + P·W + D·M + S + U), at most R_max
//! ```
//!
//! U, the staleness, is 0 at a tick: telemetry is fresh there.

use super::{
    Vector,
    law::Law,
    math::{larger, smaller},
};
use crate::units::{MAX_RESISTANCE, Ohms, PerMillis};

/// P·W, Ω: may be negative, a route that does better than expected.
#[inline]
#[must_use]
pub fn strain(pressure: Vector, law: &Law) -> Ohms {
    let w = law.weights;
    pressure[0] * w[0] + pressure[1] * w[1] + pressure[2] * w[2]
}

/// R, in [R_base, 1e6] Ω.
#[inline]
#[must_use]
pub fn resistance(pressure: Vector, momentum: PerMillis, scar: Ohms, law: &Law) -> Ohms {
    let total = law.base_resistance + strain(pressure, law) + law.damping_factor * momentum + scar;
    smaller(larger(total, law.base_resistance), MAX_RESISTANCE)
}

/// R before a route has shown what it is like: 1.2·R_base.
#[inline]
#[must_use]
pub fn bootstrap_resistance(law: &Law) -> Ohms {
    (law.base_resistance * 1.2).min(MAX_RESISTANCE)
}
