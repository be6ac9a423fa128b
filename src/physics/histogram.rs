//! Latencies, counted in buckets a quarter of an octave wide: a quantile within a quarter of an octave (25 %) for 230 bytes,
//! whatever the range.
//!
//! The bucket is read off the number's own exponent and leading bits, as HdrHistogram does; no logarithm is taken. Counts
//! are halved when there are many, so that quantiles follow the route.

use super::math::larger;
use crate::units::Millis;

/// Buckets an octave, as bits of the mantissa.
const STEP_BITS: u32 = 2;
/// 2^-5 ms is the smallest that is distinguished.
const LOWEST_EXPONENT: i32 = -5;
const OCTAVES: usize = 28;
const BUCKETS: usize = OCTAVES << STEP_BITS;
/// Counts are halved here.
const FULL: u32 = 20_000;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    counts: [u16; BUCKETS],
    total: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// One more latency.
    #[inline]
    pub fn record(&mut self, latency_ms: Millis) {
        if self.total >= FULL {
            self.halve();
        }
        let lowest = (1023 + LOWEST_EXPONENT) << STEP_BITS;
        let index = (larger(latency_ms, 0.0).to_bits() >> (52 - STEP_BITS)) as i64 - i64::from(lowest);
        self.counts[index.clamp(0, BUCKETS as i64 - 1) as usize] += 1;
        self.total += 1;
    }

    fn halve(&mut self) {
        self.total = 0;
        for count in &mut self.counts {
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
        for (index, &count) in self.counts.iter().enumerate() {
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
