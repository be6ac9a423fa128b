//! The experiment that tells lateness that a lower limit mends from lateness that none does.
//!
//! A standing limit under which most of what is admitted comes too late rests on something false: most
//! often a b that was first seen in overload. It is halved, which costs little, since most of it was late. Answers that
//! take less prove a queue, and b follows them. Answers that take as long prove that the work in flight is not what they
//! wait for: the limit returns to what it was, and their latency is b.

use super::latency::Latencies;
use crate::units::Millis;

/// Samples of a step.
const STEP_SAMPLES: f64 = 24.0;
/// Shares of late answers from which the limit is halved, and below which it returns.
const MOST: f64 = 0.5;
const FEW: f64 = 0.25;
/// Latency that did not fall below this share of what it was at twice the limit did not follow it.
const UNMENDED: f64 = 0.8;
const RETURN: f64 = 1.1;
const LEAST: f64 = 0.01;
/// Steps without a further experiment after one that mended nothing.
const PATIENCE: u32 = 42;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lateness {
    /// The factor of the standing limit, (0, 1].
    pub factor: f64,
    samples: f64,
    late: f64,
    latency_ms: Millis,
    before_ms: Millis,
    patience: u32,
    /// The time at which the present step began, ms.
    since_ms: Millis,
}

image! { Lateness { factor, samples, late, latency_ms, before_ms, patience, since_ms } }

impl Default for Lateness {
    fn default() -> Self {
        Self {
            factor: 1.0,
            samples: 0.0,
            late: 0.0,
            latency_ms: 0.0,
            before_ms: 0.0,
            patience: 0,
            since_ms: f64::NEG_INFINITY,
        }
    }
}

impl Lateness {
    /// A request that met `met` in flight, within the standing limit, took `latency_ms`.
    pub fn complete(
        &mut self,
        met: f64,
        latency_ms: Millis,
        now_ms: Millis,
        deadline_ms: Millis,
        latencies: &mut Latencies,
    ) {
        // A request that was admitted before the step met another limit.
        if now_ms - latency_ms < self.since_ms {
            return;
        }
        self.samples += 1.0;
        self.latency_ms += latency_ms;
        self.late += f64::from(u8::from(latency_ms > deadline_ms));
        if self.samples < STEP_SAMPLES {
            return;
        }
        let (late, mean_ms) = (self.late / self.samples, self.latency_ms / self.samples);
        (self.samples, self.late, self.latency_ms) = (0.0, 0.0, 0.0);
        if self.patience > 0 {
            self.patience -= 1;
        } else if late > MOST {
            if self.factor < 1.0 && mean_ms > UNMENDED * self.before_ms {
                self.factor = 1.0;
                self.since_ms = now_ms;
                self.patience = PATIENCE;
                latencies.raise(met, mean_ms);
            } else {
                self.before_ms = mean_ms;
                self.since_ms = now_ms;
                self.factor = (0.5 * self.factor).max(LEAST);
            }
        } else if late < FEW {
            self.factor = (RETURN * self.factor).min(1.0);
        }
    }
}
