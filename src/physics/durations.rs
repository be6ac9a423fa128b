//! Durations of requests, counted for ever in the buckets of OpenTelemetry's `http.server.request.duration`.

use crate::units::Millis;

/// Upper bounds of the buckets, ms, each inclusive; a last bucket has no bound.
pub const BOUNDS_MS: [Millis; 14] =
    [5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0];
/// The number of buckets.
pub const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Durations {
    /// Requests by bucket.
    pub counts: [u64; BUCKETS],
    /// Σ of their durations, ms.
    pub sum_ms: Millis,
}

image! { Durations { counts, sum_ms } }

impl Durations {
    /// One more request.
    #[inline]
    pub fn record(&mut self, duration_ms: Millis) {
        let mut bucket = 0;
        while bucket < BUCKETS - 1 && duration_ms > BOUNDS_MS[bucket] {
            bucket += 1;
        }
        self.counts[bucket] += 1;
        self.sum_ms += duration_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS_MS, BUCKETS, Durations};

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_above_to_the_next() {
        let mut durations = Durations::default();
        for bound in BOUNDS_MS {
            durations.record(bound);
            durations.record(bound.next_up());
        }
        let mut expected = [2; BUCKETS];
        (expected[0], expected[BUCKETS - 1]) = (1, 1);
        assert_eq!(durations.counts, expected);
        let sum: f64 = BOUNDS_MS.iter().map(|bound| 2.0 * bound).sum();
        assert!((durations.sum_ms - sum).abs() < 1e-6);
    }
}
