//! Whether latency depends on work in flight: proven by regression, or left open.
//!
//! ```text
//! slope = Σ(n − n̄)(l − l̄) / Σ(n − n̄)²        against Little's W/n, with its standard error
//! ```

use super::Window;

/// Completions whose memory the regression keeps.
const REGRESSION_MEMORY: f64 = 400.0;
/// Completions before the regression may prove anything.
const PROOF_SAMPLES: f64 = 30.0;
/// Shares of Little's slope that prove a queue when exceeded, and its absence when not reached.
const QUEUEING_SLOPE: f64 = 0.3;
const FREE_SLOPE: f64 = 0.25;
/// Work in flight that hardly varied (standard deviation ÷ mean) proves nothing free: a limit that holds pins it.
const PROOF_SPREAD: f64 = 0.25;

/// What is known of how latency depends on work in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Regime {
    /// Nothing proven yet.
    Unknown = 0,
    /// Latency grows with work in flight: there is a queue to keep short.
    Queueing = 1,
    /// Latency does not: there is nothing to gain from a limit.
    Free = 2,
}

/// Sums of squares, forgetting: about each window's own mean, and of the steps from one window's mean to the next. A
/// capacity that changes while n is pinned moves latency alone, and so proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Regression {
    freedom: f64,
    nn: f64,
    nl: f64,
    ll: f64,
    last: Option<(f64, f64)>,
}

impl Regression {
    pub(super) fn absorb(&mut self, w: &Window) {
        let keep = 1.0 - (w.count / REGRESSION_MEMORY).min(1.0);
        let c = w.count;
        self.freedom = self.freedom * keep + (c - 1.0);
        self.nn = self.nn * keep + (w.in_flight_squared - w.in_flight * w.in_flight / c).max(0.0);
        self.nl = self.nl * keep + (w.cross - w.in_flight * w.latency / c);
        self.ll = self.ll * keep + (w.latency_squared - w.latency * w.latency / c).max(0.0);
        let (n, l) = (w.in_flight / c, w.latency / c);
        if let Some((n_last, l_last)) = self.last {
            let (step_n, step_l) = (n - n_last, l - l_last);
            self.nn += c * step_n * step_n * 0.5;
            self.nl += c * step_n * step_l * 0.5;
            self.ll += c * step_l * step_l * 0.5;
        }
        self.last = Some((n, l));
    }

    /// What the evidence proves, given Little's slope W/n and the mean n; None when it proves nothing.
    pub(super) fn verdict(&self, little: f64, in_flight: f64) -> Option<Regime> {
        if self.freedom < PROOF_SAMPLES || self.nn <= 0.0 {
            return None;
        }
        let spread = (self.nn / self.freedom).sqrt() / in_flight.max(1.0);
        let slope = self.nl / self.nn;
        let residual = (self.ll - self.nl * slope).max(0.0) / self.freedom;
        let error = (residual / self.nn).sqrt();
        if slope - error > QUEUEING_SLOPE * little {
            Some(Regime::Queueing)
        } else if slope + 2.0 * error < FREE_SLOPE * little && spread > PROOF_SPREAD {
            Some(Regime::Free)
        } else {
            None
        }
    }
}
