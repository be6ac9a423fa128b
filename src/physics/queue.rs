//! The queue in front of the process: requests that the event loop has not come to yet.
//!
//! ```text
//! u_queue = age/(τ·D)        when the queue has been standing for longer than a pause would explain, else 0
//! ```
//!
//! A request's age when its handler starts is known at admission, so this loop too has no delay: dA/dt = λ·a(A)/μ − 1, first
//! order. A garbage collection of 100 ms looks like a queue of 100 ms; but it drains. Only a queue that was never empty for
//! a while is an overload.

use super::limit::WAIT_SHARE;
use crate::units::Millis;

/// Younger than this share of the deadline, there is no queue.
const EMPTY_SHARE: f64 = 0.05;
/// A queue that stands longer is no pause, ms …
const STANDING_MS: Millis = 200.0;
/// … nor longer than this share of the deadline.
const STANDING_SHARE: f64 = 0.5;
/// Silence after which nothing is known of the queue, ms.
const FORGET_MS: Millis = 1_000.0;

/// No request for this long, and the next one old: the process stood still, ms.
const PAUSE_MS: Millis = 20.0;
/// What a pause left behind is forgiven for this long, as a half-life, ms.
const FORGIVENESS_MS: Millis = 400.0;

/// When the queue was last seen empty, and what of it a pause explains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    empty_ms: Millis,
    seen_ms: Millis,
    pause_ms: Millis,
}

impl Default for Queue {
    fn default() -> Self {
        Self { empty_ms: f64::NEG_INFINITY, seen_ms: f64::NEG_INFINITY, pause_ms: 0.0 }
    }
}

impl Queue {
    /// Occupancy from a request that waited for `age_ms`.
    #[inline]
    pub fn occupancy(&mut self, age_ms: Millis, deadline_ms: Millis, now_ms: Millis) -> f64 {
        let gap_ms = now_ms - self.seen_ms;
        self.seen_ms = now_ms;
        if gap_ms > FORGET_MS || age_ms < EMPTY_SHARE * deadline_ms {
            self.empty_ms = now_ms;
            self.pause_ms = 0.0;
            return 0.0;
        }
        if gap_ms > PAUSE_MS && age_ms > 0.5 * gap_ms {
            self.pause_ms = self.pause_ms.max(gap_ms);
        }
        self.pause_ms = (self.pause_ms * (1.0 - gap_ms / (gap_ms + FORGIVENESS_MS))).min(age_ms);
        if now_ms - self.empty_ms < STANDING_MS.min(STANDING_SHARE * deadline_ms) {
            return 0.0;
        }
        (age_ms - self.pause_ms) / (WAIT_SHARE * deadline_ms)
    }
}
