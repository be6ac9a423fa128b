//! The queue in front of the process: requests that the event loop has not come to yet.
//!
//! ```text
//! x = ramp((age − pause)/D)        where the age puts a newcomer on the bands of the tiers (see `voltage`)
//! ```
//!
//! A request's age when its handler starts is known at admission, so this loop too has no delay: dA/dt = λ·a(A)/μ − 1, first
//! order. The ramp is steep for the lower tiers, because one server is busy with any queue at all, and flat below the top one,
//! which is shed last: a single long service must not reach it.
//!
//! A garbage collection of 100 ms looks like a queue of 100 ms, but it drains. So only a queue that was never empty for a
//! while counts, and what a pause of the process itself explains of an age is forgiven.

use crate::units::Millis;

/// Younger than this share of the deadline, there is no queue.
const EMPTY_SHARE: f64 = 0.05;
/// A queue that stands longer is no pause, ms …
const STANDING_MS: Millis = 200.0;
/// … nor longer than this share of the deadline.
const STANDING_SHARE: f64 = 0.5;
/// Silence after which nothing is known of the queue, ms.
const FORGET_MS: Millis = 1_000.0;
/// The process stood still if nothing was handled for this long, ms, and for this many times the usual.
const PAUSE_MS: Millis = 20.0;
const PAUSE_GAPS: f64 = 4.0;
/// How much a gap counts in what is usual.
const GAP_GAIN: f64 = 0.05;
/// How fast a pause is no longer an excuse, as a half-life, ms.
const FORGIVENESS_MS: Millis = 400.0;
/// Corners of the ramp: age as a share of the deadline, place on the bands.
const RAMP: [(f64, f64); 4] = [(0.15, 0.0), (0.27, 1.0), (0.42, 1.2), (0.5, 1.5)];

/// When the queue was last seen empty, and what of it a pause explains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    empty_ms: Millis,
    seen_ms: Millis,
    pause_ms: Millis,
    usual_gap_ms: Millis,
}

impl Default for Queue {
    fn default() -> Self {
        Self { empty_ms: f64::NEG_INFINITY, seen_ms: f64::NEG_INFINITY, pause_ms: 0.0, usual_gap_ms: 0.0 }
    }
}

impl Queue {
    /// x for a request that waited for `age_ms`; 0 or less means that nothing stands in its way.
    #[inline]
    pub fn place(&mut self, age_ms: Millis, deadline_ms: Millis, now_ms: Millis) -> f64 {
        let gap_ms = now_ms - self.seen_ms;
        self.seen_ms = now_ms;
        if gap_ms > FORGET_MS {
            *self = Self { empty_ms: now_ms, seen_ms: now_ms, ..Self::default() };
            return 0.0;
        }
        let paused = gap_ms > PAUSE_MS && gap_ms > PAUSE_GAPS * self.usual_gap_ms;
        self.usual_gap_ms += (gap_ms - self.usual_gap_ms) * GAP_GAIN;
        if age_ms < EMPTY_SHARE * deadline_ms {
            self.empty_ms = now_ms;
            self.pause_ms = 0.0;
            return 0.0;
        }
        let excused_ms = if paused { gap_ms } else { 0.0 };
        self.pause_ms = (self.pause_ms * FORGIVENESS_MS / (gap_ms + FORGIVENESS_MS)).max(excused_ms);
        if now_ms - self.empty_ms < STANDING_MS.min(STANDING_SHARE * deadline_ms) {
            return 0.0;
        }
        ramp((age_ms - self.pause_ms) / deadline_ms)
    }
}

/// The ramp through its corners, its last slope going on.
fn ramp(share: f64) -> f64 {
    let leg = RAMP.windows(2).find(|leg| share < leg[1].0).unwrap_or(&RAMP[RAMP.len() - 2..]);
    let ((from, low), (to, high)) = (leg[0], leg[1]);
    low + (high - low) * (share - from) / (to - from)
}
