//! Overtaking: the proof of a queue in the order of answers. Without a queue a request does not wait for those that came before it,
//! so that some that came later are answered earlier. In a queue none is: nothing is answered but what came first.
//!
//! ```text
//! m        the most that one which was answered had met, since the route last idled: under a load that grows, that is the latest one
//! k        answers so far: of the first m + k requests k were answered
//! Q − m    came later, and before the last b, in which an answer may still be due
//! queue    (Q − m)·k/(m + k) > 3, until one that came after that is answered
//! ```
//!
//! If later ones had the chance k/(m + k) of the first, that none of so many is answered has a chance of less than e⁻³. Latencies tell a
//! queue as well (`latency`), but only after some thirty answers: a start under overload has admitted more than it can serve by then.

use crate::{physics::math::larger, units::Millis};

/// Answers that did not come, of those to be expected without a queue, from which there is one.
const MISSING: f64 = 3.0;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Overtaking {
    /// m.
    met: f64,
    /// The time of the last proof, ms; infinite where none holds.
    proven_ms: Millis,
}

image! { Overtaking { met, proven_ms } }

impl Default for Overtaking {
    fn default() -> Self {
        Self { met: 0.0, proven_ms: f64::INFINITY }
    }
}

impl Overtaking {
    /// The first request of a busy period was admitted.
    pub fn begin(&mut self) {
        self.met = 0.0;
    }

    /// A request that was admitted at `admitted_ms` and met `met`, itself included, was answered.
    #[inline]
    pub fn answer(&mut self, admitted_ms: Millis, met: f64) {
        self.met = larger(self.met, met);
        if admitted_ms > self.proven_ms {
            self.proven_ms = f64::INFINITY;
        }
    }

    /// Is there a queue, with `backlog` older than b in flight after `answers`?
    pub fn proves_queue(&mut self, backlog: f64, answers: f64, now_ms: Millis) -> bool {
        if (backlog - self.met) * answers > MISSING * (self.met + answers) {
            self.proven_ms = now_ms;
        }
        self.proven_ms < f64::INFINITY
    }
}
