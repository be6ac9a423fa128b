//! Modes: BOOTSTRAP until the route has shown what it is like, then OPERATIONAL, CIRCUIT_BREAKER as a last resort.
//!
//! ```text
//! BOOTSTRAP       → OPERATIONAL      at tick bootstrapTicks
//! OPERATIONAL     → CIRCUIT_BREAKER  when R ≥ break point
//! CIRCUIT_BREAKER → OPERATIONAL      when R < recovery point, or S < scarFactor and ‖P‖ < P_crit
//! ```
//!
//! One change a tick.

use super::{Vector, magnitude, params::RouteParams, tuner};
use crate::units::Ohms;

/// A route's mode.
///
/// ```
/// use atrion::physics::mode::Mode;
///
/// assert_eq!(Mode::from_index(2), Some(Mode::CircuitBreaker));
/// assert_eq!(Mode::from_index(3), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Gathering its first ticks: R is a guess, nothing is judged.
    Bootstrap = 0,
    /// Full physics.
    Operational = 1,
    /// Nothing flows until the route has healed.
    CircuitBreaker = 2,
}

#[cfg(not(target_family = "wasm"))]
impl crate::image::Image for Mode {
    fn write(&self, out: &mut Vec<u8>) {
        (*self as u8).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u8::read(from).and_then(Self::from_index)
    }
}

impl Mode {
    /// The mode of that number, 0 to 2.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        [Self::Bootstrap, Self::Operational, Self::CircuitBreaker].get(usize::from(index)).copied()
    }
}

/// The mode after a tick that found the breaker open and gave `resistance`, `scar` and `pressure`.
///
/// ```
/// use atrion::physics::{
///     mode::{Mode, recover},
///     params::RouteParams,
/// };
///
/// let params = RouteParams::default();
/// assert_eq!(recover(200.0, 1.0, [0.0; 3], 100.0, &params), Mode::Operational, "calm");
/// assert_eq!(recover(200.0, 50.0, [0.0; 3], 100.0, &params), Mode::CircuitBreaker, "still scarred");
/// ```
#[must_use]
pub fn recover(resistance: Ohms, scar: Ohms, pressure: Vector, break_point: Ohms, params: &RouteParams) -> Mode {
    let calm = scar < params.scar_factor && magnitude(pressure) < params.critical_pressure;
    if calm || resistance < tuner::recovery_point(params, break_point) {
        Mode::Operational
    } else {
        Mode::CircuitBreaker
    }
}
