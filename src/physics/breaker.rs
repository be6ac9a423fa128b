//! The breaker: what the failures of a route do to its resistance. Failures are not overload: refusing a request that might
//! have succeeded only lowers goodput.
//!
//! ```text
//! a ← a + (outcome − a)·g                 success ratio, by samples and not by time
//! R_fault = R_full·max(0, 1 − K·(a + ε))  K = 2: admit about min(1, K·a), the least important first; ε: what chance explains
//! ```
//!
//! That is client-side adaptive throttling (Beyer et al., "Site Reliability Engineering", 2016, ch. 21) with priorities. The
//! breaker opens for a route whose success has collapsed or that completes nothing while it is full. While it is open one request
//! a window is admitted as a probe, so that there is evidence to close on; a few successes in a row close it. Closing takes at most `PROBES_TO_CLOSE` windows and as many service times after the route has recovered.
//!
//! Fewer outcomes of this node's own suffice when other nodes agree, with firmness c in [0, 1], that the route fails:
//!
//! ```text
//! outcomes, memory, credit  = their value alone·(1 − c), at least PROOF_BELIEVED, PROOF_BELIEVED and nothing
//! consecutive failures      that open the breaker: CONSECUTIVE_ALONE·(1 − c), at least CONSECUTIVE_BELIEVED
//! S_fault                   the scar reported to peers: R_full when open, else the larger of R_fault and
//!                           R_full·consecutive failures/CONSECUTIVE_ALONE
//! probes                    one in 1 + w windows, while w peers probe too and none of this node's has succeeded
//! ```

use super::{
    math::smaller,
    voltage::{R_FREE, R_SPAN},
};
use crate::units::{Millis, Ohms};

/// K: a route that succeeds half the time is not throttled at all.
const MULTIPLIER: f64 = 2.0;
/// 1/g: the ratio remembers about this many outcomes.
const MEMORY: f64 = 40.0;
/// ε: three standard deviations of a at one half: half of all requests may fail by chance without any being shed.
const NOISE: f64 = 0.17;
/// The successes that a route is credited with at the start, so that its first failure weighs little.
const PRIOR: f64 = 5.0;
/// The outcomes before the ratio counts.
const PROOF_OUTCOMES: f64 = 20.0;
/// The breaker opens below this success ratio.
const COLLAPSE: f64 = 0.1;
/// The outcomes before the ratio counts where all peers agree.
const PROOF_BELIEVED: f64 = 3.0;
/// Consecutive failures that chance does not explain: one in 10⁷ where every other request fails. A node alone does not act on
/// them, since they may be momentary; peers that see them at the same time are the evidence.
const CONSECUTIVE_ALONE: f64 = 24.0;
/// Consecutive failures that open the breaker where all peers agree.
const CONSECUTIVE_BELIEVED: f64 = 6.0;
/// Consecutive successes that close it.
const PROBES_TO_CLOSE: u32 = 3;
/// The success ratio that a route is credited with when its breaker closes: enough not to be throttled.
const CREDIT: f64 = 0.75;

/// The success of a route, and its breaker.
///
/// ```
/// use atrion::physics::breaker::{Breaker, Change};
///
/// let mut breaker = Breaker::default();
/// let opened = (1..=100).find(|_| breaker.observe(false, 0.0) == Change::Opened);
/// assert!(opened.is_some() && breaker.is_open());
/// // It lets one request in 100 ms probe the route.
/// assert!(breaker.probe(1000.0, 100.0, 0) && !breaker.probe(1050.0, 100.0, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// a, [0, 1].
    success: f64,
    outcomes: u32,
    consecutive_successes: u32,
    consecutive_failures: u32,
    /// True when there were enough outcomes for the ratio to count.
    proven: bool,
    open: bool,
    last_probe_ms: Millis,
}

image! { Breaker { success, outcomes, consecutive_successes, consecutive_failures, proven, open, last_probe_ms } }

/// The effect of an outcome on the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The breaker opened.
    Opened,
    /// The breaker closed.
    Closed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            success: 1.0,
            outcomes: 0,
            consecutive_successes: 0,
            consecutive_failures: 0,
            proven: false,
            open: false,
            last_probe_ms: f64::NEG_INFINITY,
        }
    }
}

impl Breaker {
    /// a, [0, 1].
    #[must_use]
    pub fn success(&self) -> f64 {
        self.success
    }

    /// Returns whether the breaker is open.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Consecutive failures, the last outcome included.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures
    }

    /// R_fault, Ω.
    #[inline]
    #[must_use]
    pub fn resistance(&self) -> Ohms {
        let lack = 1.0 - MULTIPLIER * (self.success + NOISE);
        if lack > 0.0 && self.proven { (R_FREE + R_SPAN) * lack } else { 0.0 }
    }

    /// S_fault, Ω.
    #[must_use]
    pub fn reported_scar(&self) -> Ohms {
        let failures = f64::from(self.consecutive_failures);
        let share = if self.open {
            1.0
        } else if failures < CONSECUTIVE_BELIEVED {
            0.0
        } else {
            (failures / CONSECUTIVE_ALONE).min(1.0)
        };
        ((R_FREE + R_SPAN) * share).max(self.resistance())
    }

    /// Counts an outcome; `belief` is c.
    pub fn observe(&mut self, succeeded: bool, belief: f64) -> Change {
        let value = if succeeded { 1.0 } else { 0.0 };
        self.outcomes = self.outcomes.saturating_add(1);
        (self.consecutive_successes, self.consecutive_failures) = if succeeded {
            (self.consecutive_successes + 1, 0)
        } else {
            (0, self.consecutive_failures.saturating_add(1))
        };
        let mut agreed = false;
        let outcomes = f64::from(self.outcomes);
        let (credit, memory, least_gain, proof) = if belief > 0.0 {
            let doubt = 1.0 - belief;
            agreed = f64::from(self.consecutive_failures) >= (CONSECUTIVE_ALONE * doubt).max(CONSECUTIVE_BELIEVED);
            let memory = (MEMORY * doubt).max(PROOF_BELIEVED);
            (PRIOR * doubt, memory, 1.0 / memory, (PROOF_OUTCOMES * doubt).max(PROOF_BELIEVED))
        } else {
            (PRIOR, MEMORY, 1.0 / MEMORY, PROOF_OUTCOMES)
        };
        let known = outcomes + credit;
        // From so many on the division would give no more than the least. In wasm code is dearer than it.
        let is_least = cfg!(not(target_family = "wasm")) && known >= memory;
        let gain = if is_least { least_gain } else { 1.0 / smaller(known, memory) };
        self.success += (value - self.success) * gain;
        self.proven = outcomes >= proof;
        if self.open && self.consecutive_successes >= PROBES_TO_CLOSE {
            *self = Self { success: CREDIT, ..Self::default() };
            return Change::Closed;
        }
        if !self.open && (agreed || self.proven && self.success < COLLAPSE) {
            return self.open();
        }
        Change::None
    }

    /// Opens the breaker of a route that completes nothing while it is full.
    pub fn open(&mut self) -> Change {
        if self.open {
            return Change::None;
        }
        self.open = true;
        self.consecutive_successes = 0;
        Change::Opened
    }

    /// The time from one probe to the next, ms: while `witnesses` peers probe as well, they take turns.
    fn turn_ms(&self, window_ms: Millis, witnesses: u32) -> Millis {
        if self.open && self.consecutive_successes == 0 { window_ms * f64::from(1 + witnesses) } else { window_ms }
    }

    /// Returns whether this request is admitted as a probe: one is every `window_ms`, shared with `witnesses` peers.
    pub fn probe(&mut self, now_ms: Millis, window_ms: Millis, witnesses: u32) -> bool {
        if now_ms - self.last_probe_ms < self.turn_ms(window_ms, witnesses) {
            return false;
        }
        self.last_probe_ms = now_ms;
        true
    }

    /// The time until the next probe, ms.
    #[must_use]
    pub fn next_probe_ms(&self, now_ms: Millis, window_ms: Millis, witnesses: u32) -> Millis {
        let turn_ms = self.turn_ms(window_ms, witnesses);
        (self.last_probe_ms + turn_ms - now_ms).clamp(0.0, turn_ms)
    }
}
