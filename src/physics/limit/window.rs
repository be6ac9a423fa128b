//! What one window saw of a route's completions.

use super::LimitLaw;
use crate::units::Millis;

/// Completions that a window must hold before it is judged.
const WINDOW_SAMPLES: f64 = 10.0;
/// Answers slower than this share of the deadline are the tail.
const TAIL_SHARE: f64 = 0.66;

/// Sums over the completions of one window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Window {
    pub(super) count: f64,
    pub(super) latency: f64,
    pub(super) in_flight: f64,
    pub(super) in_flight_squared: f64,
    pub(super) latency_squared: f64,
    pub(super) cross: f64,
    pub(super) tail: f64,
    /// Most requests in flight.
    pub peak: f64,
    /// Requests refused for want of room.
    pub refused: f64,
}

impl Window {
    /// A completion that met `in_flight` others at admission, itself included, and took `latency_ms`.
    #[inline]
    pub fn complete(&mut self, latency_ms: Millis, in_flight: f64, law: &LimitLaw) {
        self.count += 1.0;
        self.latency += latency_ms;
        self.in_flight += in_flight;
        self.in_flight_squared += in_flight * in_flight;
        self.latency_squared += latency_ms * latency_ms;
        self.cross += latency_ms * in_flight;
        if latency_ms > TAIL_SHARE * law.deadline_ms {
            self.tail += 1.0;
        }
    }

    /// Has it seen enough to be judged?
    #[inline]
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.count >= WINDOW_SAMPLES
    }

    /// Completions.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Mean latency, ms; 0 without completions.
    #[must_use]
    pub fn mean_latency_ms(&self) -> Millis {
        if self.count > 0.0 { self.latency / self.count } else { 0.0 }
    }
}
