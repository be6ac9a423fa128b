//! The probe: a request that is admitted beyond the limit because none has been admitted for long.
//!
//! Answers that come late, or never, may take every place of a limit. They show what the route was, and not what it is, and as
//! long as nothing else is admitted nothing else will. A queue that is served never comes to that: its limit is no more than D
//! drains, so that a place is free within D.
//!
//! ```text
//! due     nothing admitted for 4·D·(n/L)² and 5·b, n in flight at a limit of L: of requests that are never answered, t ms leave
//!         no more than about (L³ + L²·t/D)^⅓ in flight
//! room    n + 1 may be in flight from then on, until one that was admitted since is late, or none has been admitted for D
//! proof   four in time: what is known of throughput is of a route that is no more, and is forgotten
//! ```

use crate::{physics::math::larger, units::Millis};

/// Deadlines without an admission after which a probe is due, with as many in flight as the limit: with fewer than 3, one
/// dependency in forty that is slow and wrong is asked so often that it fills the limit again.
const QUIET_DEADLINES: f64 = 4.0;
/// ... and services, at least: one exponential service in 150 takes longer. Where D is two of them, a few in flight
/// are no sign of a route that is no more.
const QUIET_SERVICES: f64 = 5.0;
/// Answers in time that prove that the route is another. The more, the surer, and hardly later: with 2, 4 and 8 the payments of the
/// wind tunnel's `fintech` return after .87, .95 and 1.01 s.
const PROOFS: f64 = 4.0;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Probe {
    /// As many may be in flight, whatever the limit.
    pub room: f64,
    /// The time at which there came to be room, ms, and the answers in time since then.
    since_ms: Millis,
    proofs: f64,
    /// The time of the last admission, ms.
    admitted_ms: Millis,
}

image! { Probe { room, since_ms, proofs, admitted_ms } }

impl Probe {
    /// A request was admitted.
    #[inline]
    pub fn admit(&mut self, now_ms: Millis) {
        self.admitted_ms = now_ms;
    }

    /// Has nothing been admitted for the deadline?
    #[inline]
    pub fn is_quiet(&self, deadline_ms: Millis, now_ms: Millis) -> bool {
        now_ms - self.admitted_ms > deadline_ms
    }

    /// Nothing has been admitted for the deadline, with `n` in flight at a limit of `full`, 0 where a request is not refused for
    /// it: the room ends, or begins anew where a probe is due.
    pub fn ask(&mut self, n: f64, full: f64, deadline_ms: Millis, baseline_ms: Millis, now_ms: Millis) {
        let crowd = n / full;
        let quiet_ms = larger(QUIET_DEADLINES * deadline_ms * crowd * crowd, QUIET_SERVICES * baseline_ms);
        let is_due = full > 0.0 && now_ms - self.admitted_ms > quiet_ms;
        (self.room, self.since_ms, self.proofs) = (if is_due { n + 1.0 } else { 0.0 }, now_ms, 0.0);
    }

    /// An answer to a request that was admitted at `admitted_ms`, while there is room. Does it complete the proof?
    pub fn answer(&mut self, admitted_ms: Millis, in_time: bool) -> bool {
        if admitted_ms < self.since_ms {
            return false;
        }
        self.proofs += 1.0;
        let is_proven = in_time && self.proofs >= PROOFS;
        if is_proven || !in_time {
            self.room = 0.0;
        }
        is_proven
    }
}
