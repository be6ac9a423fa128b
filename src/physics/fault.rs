//! Faults are not overload: refusing a request that might have succeeded only lowers goodput.
//!
//! ```text
//! a ← a + (outcome − a)·g                 success ratio, by samples and not by time
//! R_fault = R_full·max(0, 1 − K·(a + ε))  K = 2: admit about min(1, K·a), the least important first; ε: what chance explains
//! ```
//!
//! That is client-side adaptive throttling (Beyer et al., "Site Reliability Engineering", 2016, ch. 21) with priorities. The
//! breaker is the last resort, for a route whose success has collapsed or that has fallen silent with a full house. While it is
//! open a trickle is admitted, one a window, so that there is evidence to heal on; a few successes in a row close it.
//! Healing takes at most `PROBES_TO_CLOSE` windows and as many service times after the route itself is well.
//!
//! Where other nodes believe, with firmness c in [0, 1], that the route fails, less proof is asked for, but one's own still is:
//!
//! ```text
//! outcomes, memory, credit  = their value alone·(1 − c), at least PROOF_BELIEVED, PROOF_BELIEVED and nothing
//! failures in a row         that open the breaker: STREAK·(1 − c), at least STREAK_BELIEVED
//! S_fault                   what is said to the others: R_full when open, else the larger of R_fault and R_full·row/STREAK
//! probes                    one in 1 + w windows, while w others probe too and none of ours has succeeded
//! ```

use super::{
    math::larger,
    voltage::{R_FREE, R_SPAN},
};
use crate::units::{Millis, Ohms};

/// K: a route that succeeds half the time is not throttled at all.
const MULTIPLIER: f64 = 2.0;
/// g: the ratio remembers about this many outcomes.
const MEMORY: f64 = 40.0;
/// ε: three standard deviations of a at one half: half of all requests may fail by chance, without anybody being shed.
const NOISE: f64 = 0.17;
/// A route begins with the credit of this many successes: its first failure is no verdict.
const PRIOR: f64 = 5.0;
/// Outcomes before anything is judged.
const PROOF_OUTCOMES: f64 = 20.0;
/// The breaker opens below this success ratio.
const COLLAPSE: f64 = 0.1;
/// Outcomes that must agree with what all others firmly believe.
const PROOF_BELIEVED: f64 = 3.0;
/// Failures in a row that nobody takes for chance: one in 10⁷ where every other request fails. Alone, a node does not act on
/// them, since they may be a moment's; that others see them at the same moment is what tells.
const STREAK: f64 = 24.0;
/// Failures in a row that must agree with what all others firmly believe.
const STREAK_BELIEVED: f64 = 6.0;
/// Successes in a row that close it.
const PROBES_TO_CLOSE: u32 = 3;
/// The success ratio that a route is credited with when its breaker closes: enough not to be throttled.
const CREDIT: f64 = 0.75;

/// The success of a route, and its breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// a, [0, 1].
    success: f64,
    outcomes: u32,
    /// Successes in a row.
    streak: u32,
    /// Failures in a row.
    row: u32,
    /// Has enough been seen to judge?
    proven: bool,
    open: bool,
    last_probe_ms: Millis,
}

/// What an outcome did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It opened.
    Opened,
    /// It closed.
    Closed,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            success: 1.0,
            outcomes: 0,
            streak: 0,
            row: 0,
            proven: false,
            open: false,
            last_probe_ms: f64::NEG_INFINITY,
        }
    }
}

impl Fault {
    /// a, [0, 1].
    #[must_use]
    pub fn success(&self) -> f64 {
        self.success
    }

    /// Is the breaker open?
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Failures in a row, the last outcome included.
    #[must_use]
    pub fn failures_in_row(&self) -> u32 {
        self.row
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
    pub fn suffering(&self) -> Ohms {
        let row = f64::from(self.row);
        let share = if self.open {
            1.0
        } else if row < STREAK_BELIEVED {
            0.0
        } else {
            (row / STREAK).min(1.0)
        };
        ((R_FREE + R_SPAN) * share).max(self.resistance())
    }

    /// An answer came back; `belief` is c.
    pub fn observe(&mut self, succeeded: bool, belief: f64) -> Change {
        let value = if succeeded { 1.0 } else { 0.0 };
        self.outcomes = self.outcomes.saturating_add(1);
        (self.streak, self.row) = if succeeded { (self.streak + 1, 0) } else { (0, self.row.saturating_add(1)) };
        let mut agreed = false;
        let outcomes = f64::from(self.outcomes);
        let (credit, least_gain, proof) = if belief > 0.0 {
            let doubt = 1.0 - belief;
            agreed = f64::from(self.row) >= (STREAK * doubt).max(STREAK_BELIEVED);
            (PRIOR * doubt, 1.0 / (MEMORY * doubt).max(PROOF_BELIEVED), (PROOF_OUTCOMES * doubt).max(PROOF_BELIEVED))
        } else {
            (PRIOR, 1.0 / MEMORY, PROOF_OUTCOMES)
        };
        self.success += (value - self.success) * larger(1.0 / (outcomes + credit), least_gain);
        self.proven = outcomes >= proof;
        if self.open && self.streak >= PROBES_TO_CLOSE {
            *self = Self { success: CREDIT, ..Self::default() };
            return Change::Closed;
        }
        if !self.open && (agreed || self.proven && self.success < COLLAPSE) {
            return self.open();
        }
        Change::None
    }

    /// The route has fallen silent with a full house.
    pub fn open(&mut self) -> Change {
        if self.open {
            return Change::None;
        }
        self.open = true;
        self.streak = 0;
        Change::Opened
    }

    /// ms from one probe to the next: while `witnesses` others probe as well, they take turns.
    fn turn_ms(&self, window_ms: Millis, witnesses: u32) -> Millis {
        if self.open && self.streak == 0 { window_ms * f64::from(1 + witnesses) } else { window_ms }
    }

    /// May this request probe an open breaker? One may every `window_ms`, shared with `witnesses` others.
    pub fn probe(&mut self, now_ms: Millis, window_ms: Millis, witnesses: u32) -> bool {
        if now_ms - self.last_probe_ms < self.turn_ms(window_ms, witnesses) {
            return false;
        }
        self.last_probe_ms = now_ms;
        true
    }

    /// ms until the next probe.
    #[must_use]
    pub fn next_probe_ms(&self, now_ms: Millis, window_ms: Millis, witnesses: u32) -> Millis {
        let turn_ms = self.turn_ms(window_ms, witnesses);
        (self.last_probe_ms + turn_ms - now_ms).clamp(0.0, turn_ms)
    }
}
