//! The laws, pure: no clock, no I/O. One per file, its formula above its code. Only what is kept by key, and tables that grow, allocate.

pub mod blame;
pub mod breaker;
pub mod columns;
pub mod durations;
pub mod fairness;
pub mod histogram;
pub mod limit;
pub mod math;
pub mod mode;
pub mod momentum;
pub mod params;
pub mod peers;
pub mod pressure;
pub mod queue;
pub mod resistance;
pub mod retry;
pub mod scar;
pub mod span;
pub mod tick;
mod tick_closed;
pub mod tuner;
pub mod voltage;

/// A point of stress, or a weight for each kind of it: latency, error rate, saturation.
pub type Vector = [f64; 3];

/// ‖v‖, Euclidean.
///
/// ```
/// assert_eq!(atrion::physics::magnitude([2.0, 3.0, 6.0]), 7.0);
/// ```
#[inline]
#[must_use]
pub fn magnitude(v: Vector) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}
