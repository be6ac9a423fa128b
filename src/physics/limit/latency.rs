//! Latency by work in flight: what a request took, filed by the number in flight that it met at its admission.
//!
//! Conditioned on what was known at admission, each mean is unbiased. A dependency without a queue shows the same mean
//! everywhere; a queue shows it rising.
//!
//! ```text
//! b = min over prefixes q of  m_q·(1 + z·cv_q/√k_q)    m_q, cv_q, k_q: mean, coefficient of variation and count of all
//!                                                      samples that met fewer than 2^(q+1)
//!     and no more than 1.6 times what answers took while the route was calm, unless an overload stands
//! queue proven  ⇔  m_j − 2·σ_j/√k_j > 1.5·b             for some octave j; under standing overload the factor is 1 + 0.4·(D/b − 1),
//!                                                      from 1.3 to 1.5, since a wait that takes what b leaves of D is late
//! ```
//!
//! b is an upper confidence bound of the latency without a queue: after a few samples it errs upwards, which harms
//! nothing, where a plain minimum of means would err downwards and take the service for queueing. What is not met any more is
//! forgotten, since a service may have become slower, and where a load keeps every server busy the octaves without a queue are not met
//! for long. What is left is a queue; calm answers, few as they are, tell it from the service.

use super::{OCTAVES, STEP, octave};
use crate::{
    physics::{
        math::{larger, smaller},
        span::Span,
    },
    units::Millis,
};

/// Answers over which calm latencies are averaged, and how many times their mean b may be.
const CALM_MEMORY: f64 = 256.0;
const CALM_RATIO: f64 = 1.6;
/// Samples that an octave remembers, or as many as were in flight, if that is more: the first that end are the short ones.
const MEMORY: f32 = 48.0;
/// Answers after which a bin that was not met again counts by 1/e.
const AGEING: f64 = 2048.0;
/// z: standard errors added to a mean.
const BASELINE_ERRORS: f64 = 1.5;
/// A prefix of fewer samples is taken to vary at least so much: the first answers of a skewed service are short.
const FEW_SAMPLES: f64 = 32.0;
const PRIOR_VARIATION: f64 = 1.3;
/// Samples from which a prefix speaks, while there is a longer one.
const SPEAKING: f64 = 8.0;
/// A queue is proven by a mean that exceeds b by this factor, with so many samples and standard errors.
pub(super) const QUEUE_RATIO: f64 = 1.5;
/// ... or, under standing overload, by this share of what b leaves of the deadline; the least such ratio.
const SLACK_SHARE: f64 = 0.4;
const LEAST_RATIO: f64 = 1.3;
const QUEUE_SAMPLES: f32 = 8.0;
const QUEUE_ERRORS: f64 = 2.0;
/// Answers met no queue that exceed b by no more than this share of what proves one.
const FREE_SHARE: f64 = 0.6;

/// Mean and variance of the latency of one octave, ms.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Bin {
    count: f32,
    mean: f32,
    variance: f32,
}

image! { Bin { count, mean, variance } }

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Latencies {
    bins: Span<Bin, OCTAVES, STEP>,
    /// Calm answers of late, and the mean of what they took, ms.
    calm: f64,
    calm_ms: Millis,
}

image! { Latencies { bins, calm, calm_ms } }

/// The finding of the latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// b, ms; 0 before the first answer.
    pub baseline_ms: Millis,
    /// The least mean latency as it was measured, ms: what completes together does so within it.
    pub span_ms: Millis,
    /// Is it proven that latency rises with work in flight?
    pub queueing: bool,
    /// Do all answers take what they take without a queue?
    pub free: bool,
    /// Work in flight up to which answers met no queue.
    pub free_up_to: f64,
}

impl Latencies {
    /// A request that met `met` in flight, itself included, took `latency_ms`.
    #[inline]
    pub fn record(&mut self, met: f64, latency_ms: Millis) {
        let octave = octave(met);
        let memory = MEMORY.max((1_u32 << octave) as f32);
        let bin = self.bins.at(octave);
        bin.count = if bin.count < memory - 1.0 { bin.count + 1.0 } else { memory };
        let off = latency_ms as f32 - bin.mean;
        let gain = 1.0 / bin.count;
        bin.mean += off * gain;
        bin.variance = (1.0 - gain) * (bin.variance + gain * off * off);
    }

    /// A latency that lowering the limit to `met` did not mend is no queue: answers take `latency_ms` from there down, and what took
    /// longer beyond says nothing any more.
    pub fn raise(&mut self, met: f64, latency_ms: Millis) {
        self.calm_ms = self.calm_ms.max(latency_ms);
        let octave = octave(met);
        if octave + 1 < OCTAVES {
            self.bins.within(octave + 1, OCTAVES - 1).fill(Bin::default());
        }
        for bin in self.bins.within(0, octave).iter_mut().filter(|bin| bin.count > 0.0) {
            bin.mean = bin.mean.max(latency_ms as f32);
        }
    }

    /// Takes back latencies beyond `latency_ms` of requests that met up to `met` in flight: others slowed them down, and they do not tell b.
    pub fn lower(&mut self, met: f64, latency_ms: Millis) {
        for bin in self.bins.within(0, octave(met)) {
            if bin.mean > latency_ms as f32 {
                *bin = Bin { mean: latency_ms as f32, variance: 0.0, ..*bin };
            }
        }
    }

    /// So many answers, which met little, took `latency_ms` on average while the route was calm.
    pub fn record_calm(&mut self, latency_ms: Millis, answers: f64) {
        self.calm = (self.calm + answers).min(CALM_MEMORY);
        self.calm_ms += (latency_ms - self.calm_ms) * (answers / self.calm).min(1.0);
    }

    /// Time goes on by so many answers: what has not been met again says less and less.
    pub fn age(&mut self, answers: f64) {
        let keep = (1.0 - answers / AGEING).max(0.0) as f32;
        for bin in self.bins.within(0, OCTAVES - 1) {
            bin.count *= keep;
        }
    }

    /// `places`, or as long as too few answers met less than that to tell b, the most whose answers would.
    pub fn explored(&self, places: f64) -> f64 {
        let octave = octave(places);
        let seen: f32 = self.bins.cells().filter(|(number, _)| *number < octave).map(|(_, bin)| bin.count).sum();
        if octave > 0 && seen < SPEAKING as f32 { f64::from((1_u32 << octave) - 1) } else { places }
    }

    /// Reads the bins; `standing`: under standing overload, where nothing is forgotten and low latencies are met anew.
    pub fn read(&self, standing: bool, deadline_ms: Millis) -> Reading {
        let (mut count, mut mean, mut squares, mut baseline) = (0.0, 0.0, 0.0, f64::INFINITY);
        let (mut few, mut span_ms) = (0.0, f64::INFINITY);
        for (_, bin) in self.bins.cells().filter(|(_, bin)| bin.count > 0.0) {
            let (k, m) = (f64::from(bin.count), f64::from(bin.mean));
            let off = m - mean;
            squares += f64::from(bin.variance) * k + off * off * count * k / (count + k);
            mean += off * k / (count + k);
            count += k;
            let spread = (squares / count).sqrt();
            let deviation = if count < FEW_SAMPLES { spread.max(PRIOR_VARIATION * mean) } else { spread };
            span_ms = span_ms.min(mean);
            let bound = mean + BASELINE_ERRORS * deviation * (1.0 + 1.0 / count) / count.sqrt();
            // A few answers may all be short: they say nothing of b as soon as there are more.
            if count >= SPEAKING {
                baseline = baseline.min(bound);
            } else {
                few = bound;
            }
        }
        if self.calm >= CALM_MEMORY && !standing {
            baseline = baseline.min(CALM_RATIO * self.calm_ms);
        }
        let mut reading = Reading {
            baseline_ms: if baseline.is_finite() { baseline } else { few },
            span_ms,
            queueing: false,
            free: true,
            free_up_to: 0.0,
        };
        let slack = if standing && deadline_ms > baseline { deadline_ms / baseline - 1.0 } else { f64::INFINITY };
        let ratio = smaller(larger(1.0 + SLACK_SHARE * slack, LEAST_RATIO), QUEUE_RATIO);
        let free_ratio = 1.0 + FREE_SHARE * (ratio - 1.0);
        for (octave, bin) in self.bins.cells() {
            let mean = f64::from(bin.mean);
            if bin.count >= QUEUE_SAMPLES {
                let error = f64::from(bin.variance / bin.count).sqrt();
                reading.queueing |= mean - QUEUE_ERRORS * error > ratio * baseline;
                if mean < free_ratio * baseline {
                    reading.free_up_to = f64::from(2_u32 << octave);
                } else {
                    reading.free = false;
                }
            }
        }
        reading
    }
}
