//! Latencies, counted in buckets a quarter of an octave wide: a quantile within a quarter of an octave (25 %), whatever the
//! range, for 8 bytes an octave that was met, at most 230.
//!
//! The bucket is read off the number's own exponent and leading bits, as HdrHistogram does; no logarithm is taken. Counts
//! are halved when there are many, so that quantiles follow the route.

use super::{math::larger, span::Span};
use crate::units::Millis;

/// Buckets an octave, as bits of the mantissa.
const STEP_BITS: u32 = 2;
/// 2^-5 ms is the smallest that is distinguished.
const LOWEST_EXPONENT: i32 = -5;
const OCTAVES: usize = 28;
const BUCKETS: usize = OCTAVES << STEP_BITS;
/// Buckets that are kept together: four octaves.
const STEP: usize = 16;
/// Counts are halved here.
const FULL: u32 = 20_000;

/// See the module.
///
/// ```
/// use atrion::physics::histogram::Histogram;
///
/// let mut latencies = Histogram::default();
/// assert_eq!(latencies.quantiles([0.5]), None);
/// for ms in 1..=100 {
///     latencies.record(f64::from(ms));
/// }
/// let [median] = latencies.quantiles([0.5]).expect("there are latencies");
/// assert!((40.0..63.0).contains(&median), "within a quarter of an octave: {median}");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    counts: Span<u16, BUCKETS, STEP>,
    total: u32,
}

image! { Histogram { counts, total } }

impl Histogram {
    /// One more latency.
    #[inline]
    pub fn record(&mut self, latency_ms: Millis) {
        if self.total >= FULL {
            self.halve();
        }
        let lowest = (1023 + LOWEST_EXPONENT) << STEP_BITS;
        let index = (larger(latency_ms, 0.0).to_bits() >> (52 - STEP_BITS)) as i64 - i64::from(lowest);
        *self.counts.at(index.clamp(0, BUCKETS as i64 - 1) as usize) += 1;
        self.total += 1;
    }

    fn halve(&mut self) {
        self.total = 0;
        for count in self.counts.within(0, BUCKETS - 1) {
            *count /= 2;
            self.total += u32::from(*count);
        }
    }

    /// The latencies that the shares `q`, rising, of answers do not exceed, ms; None before the first.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, q: [f64; N]) -> Option<[Millis; N]> {
        if self.total == 0 {
            return None;
        }
        let mut found = [Self::edge(BUCKETS); N];
        let (mut below, mut next) = (0, 0);
        let wanted = q.map(|share| (f64::from(self.total) * share).ceil().max(1.0) as u32);
        for (index, &count) in self.counts.cells() {
            let count = u32::from(count);
            while next < N && below + count >= wanted[next] {
                let (low, high) = (Self::edge(index), Self::edge(index + 1));
                found[next] = low + (high - low) * (f64::from(wanted[next] - below) / f64::from(count));
                next += 1;
            }
            if next == N {
                break;
            }
            below += count;
        }
        Some(found)
    }

    /// Lower edge of a bucket, ms.
    fn edge(index: usize) -> Millis {
        let bits = ((1023 + LOWEST_EXPONENT) as u64) << STEP_BITS;
        f64::from_bits((bits + index as u64) << (52 - STEP_BITS))
    }
}
