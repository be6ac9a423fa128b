//! Latencies of answers, and the work in flight that they had met.

use crate::units::Millis;

/// The means of so many answers, the latest of them where a memory bounds their number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sample {
    /// Answers.
    pub count: f64,
    /// The mean work in flight that they had met.
    pub met: f64,
    /// The mean of their latencies, ms, and the variance, ms².
    pub latency_ms: Millis,
    variance: f64,
}

image! { Sample { count, met, latency_ms, variance } }

impl Sample {
    /// One more, which had met `met` and took `latency_ms`; no more than `memory` count.
    pub fn add(&mut self, met: f64, latency_ms: Millis, memory: f64) {
        self.count = (self.count + 1.0).min(memory);
        let (gain, off) = (1.0 / self.count, latency_ms - self.latency_ms);
        self.latency_ms += gain * off;
        self.met += gain * (met - self.met);
        self.variance = (1.0 - gain) * (self.variance + gain * off * off);
    }

    /// The sum of the squares of latencies off their mean, ms².
    pub fn squares(&self) -> f64 {
        self.variance * self.count
    }

    /// The square of the standard error of the mean latency, ms².
    pub fn squared_error(&self) -> f64 {
        self.variance / self.count
    }
}
