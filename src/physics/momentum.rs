//! Momentum: how fast stress changes.
//!
//! ```text
//! M = ‖P − P_prev‖ / Δt        0 when Δt ≤ 0: a skewed clock never makes a route worse
//! ```

use super::{Vector, magnitude, math::smaller};
use crate::units::{Millis, PerMillis};

/// M, 1/ms, ≥ 0.
///
/// ```
/// use atrion::physics::momentum::momentum;
///
/// assert_eq!(momentum([0.3, 0.4, 0.0], [0.0; 3], 100.0), 0.005);
/// assert_eq!(momentum([0.3, 0.4, 0.0], [0.0; 3], -1.0), 0.0, "a clock that went back");
/// ```
#[inline]
#[must_use]
pub fn momentum(pressure: Vector, previous: Vector, delta_t_ms: Millis) -> PerMillis {
    if delta_t_ms > 0.0 {
        let delta = [pressure[0] - previous[0], pressure[1] - previous[1], pressure[2] - previous[2]];
        // Over a denormal Δt even a small change overflows.
        smaller(magnitude(delta) / delta_t_ms, f64::MAX)
    } else {
        0.0
    }
}
