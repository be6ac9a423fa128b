//! The experiment that tells a queue from a service that takes longer than it did.
//!
//! A dependency without a queue that becomes slow keeps more in flight for the same load, and its answers take longer. That looks like
//! servers that have slowed. Once it is limited, it completes what the limit lets in: a limit by its rate falls with the rate that it
//! allows, for ever. Only where more is let in do the two differ: in a queue latency rises with what is in flight, without one it does not.
//!
//! ```text
//! suspected   latency did not follow at the onset of the overload: `onset`; or no more is offered than was served in calm, and a good
//!             deal less is completed: `knee`. Where latency followed, as if a first trial had shown a queue
//! raised      the standing limit, to n + max(n/4, 5·√n) + 1 and no more than 2·n + 1; n: what answers met below it. The more in flight,
//!             the less chance takes of it, and the smaller a rise tells
//! x           (L'/L − 1) ÷ (n'/n − 1), the elasticity of latency: 0 without a queue, 1 in one. L' and n' count from 4·L after the
//!             rise on: those that are answered before are the short ones
//! verdict     x is near 0, and by 2.5 standard errors not 1   → b is L up to n', and the limit rises further from there
//!             x is near 1, and by 1.5 standard errors not 0   → a queue: the limit returns, and rises again after 8 times as many answers
//!             neither                                         → the limit returns, and the next samples are twice as large
//! ```

use super::{latency::Latencies, sample::Sample};
use crate::{
    physics::math::{larger, smaller},
    units::Millis,
};

/// Answers that a sample remembers: at first, and at most, or two for each in flight if that is more. Answers from which it speaks.
const MEMORY: f64 = 48.0;
const MOST_MEMORY: f64 = 384.0;
const FEWEST: f64 = 16.0;
/// ... and from which it speaks against a queue, for each in flight.
const FREE_TURNS: f64 = 0.75;
/// The rise, as a share of n and of √n, at least, and as a share of n at most.
const LEAST_RISE: f64 = 0.25;
const CHANCE_RISE: f64 = 5.0;
const MOST_RISE: f64 = 1.0;
/// ... and where the limit would rise beyond what is on time.
const LATE_RISE: f64 = 0.6;
/// An answer counts that met more than this share of the rise.
const RISEN: f64 = 0.5;
/// Latencies after the rise from which answers count.
const SETTLED: f64 = 4.0;
/// x that is near 0 and near 1, and the standard errors that the other is away.
const FREE: f64 = 0.3;
const FREE_DEVIATIONS: f64 = 2.5;
const QUEUE: f64 = 0.4;
const QUEUE_DEVIATIONS: f64 = 1.5;
/// Answers from which those below the limit refute a trial, and the share of its latency that they stay below.
const REFUTING: f64 = 6.0;
const LESS: f64 = 0.7;
/// Answers until the limit rises, for each in flight: at first, so many times as many after a queue, and at most.
const FIRST_TURNS: f64 = 2.0;
const BACKOFF: f64 = 8.0;
const MOST_TURNS: f64 = 512.0;
/// A rise ends without a verdict after so many times the answers of a sample.
const PATIENCE: f64 = 8.0;

/// An answer, and what was known at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// In flight when it was admitted, itself included.
    pub met: f64,
    /// Its latency, ms.
    pub latency_ms: Millis,
    /// The time, ms.
    pub now_ms: Millis,
    /// The most that answers met where no more waits than the limit lets in.
    pub low: f64,
    /// So much of what is on time that the top tier finds room beyond.
    pub on_time: f64,
    /// The index of dispersion of completions.
    pub dispersion: f64,
    /// Did latency follow at the onset of the overload?
    pub followed: bool,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Elasticity {
    /// The raised limit; 0 where it is not raised.
    pub raised: f64,
    /// Was there no queue at the last raise?
    pub climbs: bool,
    /// Is there anything to be forgotten at rest?
    pub begun: bool,
    below: Sample,
    above: Sample,
    /// Answers until the next trial, for each in flight.
    turns: f64,
    /// Answers that a sample remembers, at least.
    memory: f64,
    /// Answers since the last change of the limit, and the time from which they count, ms.
    answers: f64,
    settled_ms: Millis,
}

image! { Elasticity { raised, climbs, begun, below, above, turns, memory, answers, settled_ms } }

impl Default for Elasticity {
    fn default() -> Self {
        Self {
            raised: 0.0,
            climbs: false,
            begun: false,
            below: Sample::default(),
            above: Sample::default(),
            turns: FIRST_TURNS,
            memory: MEMORY,
            answers: 0.0,
            settled_ms: 0.0,
        }
    }
}

impl Elasticity {
    /// The standing limit does not hold; `calm`: nor has it for long.
    pub fn rest(&mut self, calm: bool) {
        let (turns, memory) = if calm { (FIRST_TURNS, MEMORY) } else { (self.turns, self.memory) };
        *self = Self { begun: !calm, turns, memory, ..Self::default() };
    }

    /// An answer while the standing limit holds; `suspected`: see the module.
    pub fn complete(&mut self, answer: &Answer, suspected: bool, latencies: &mut Latencies) {
        let &Answer { met, latency_ms, now_ms, .. } = answer;
        self.begun = true;
        self.answers += 1.0;
        if now_ms < self.settled_ms {
            return;
        }
        if self.raised > 0.0 {
            if met > self.below.met + RISEN * (self.raised - self.below.met) {
                self.above.add(met, latency_ms, larger(self.memory, 2.0 * met));
            }
            self.judge(answer, latencies);
            return;
        }
        self.below.add(met, latency_ms, larger(self.memory, 2.0 * met));
        if answer.followed {
            self.turns = larger(self.turns, BACKOFF * FIRST_TURNS);
        }
        let is_due = self.below.count >= FEWEST && self.answers > self.turns * larger(self.below.met, FEWEST);
        if suspected && is_due && self.below.met <= answer.low {
            self.rise(answer);
        }
    }

    /// Do answers below the limit take less than `free`? Where all that are in flight slow one another down, those that came first took as
    /// long as the last: only with less in flight is that told from a dependency that has slowed.
    pub fn refutes(&self, free: &Sample) -> bool {
        self.below.count >= REFUTING && self.below.latency_ms < LESS * free.latency_ms
    }

    fn rise(&mut self, answer: &Answer) {
        let n = self.below.met;
        let rise = smaller(larger(LEAST_RISE * n, CHANCE_RISE * n.sqrt()), MOST_RISE * n);
        let on_time = larger(answer.on_time, (1.0 + LATE_RISE) * n + 1.0);
        self.above = Sample::default();
        self.change(smaller(n + rise + 1.0, on_time), self.below.latency_ms, answer.now_ms);
    }

    /// `free`, answers in no queue, took no longer than `latency_ms`: that is b, and the limit rises further.
    pub fn climb(&mut self, answer: &Answer, free: Sample, latency_ms: Millis, latencies: &mut Latencies) {
        latencies.raise(free.met, latency_ms);
        (self.below, self.climbs, self.begun) = (free, true, true);
        self.rise(answer);
    }

    fn change(&mut self, raised: f64, latency_ms: Millis, now_ms: Millis) {
        (self.raised, self.answers, self.settled_ms) = (raised, 0.0, now_ms + SETTLED * latency_ms);
    }

    fn judge(&mut self, answer: &Answer, latencies: &mut Latencies) {
        let Self { below, above, .. } = *self;
        let more = above.met / below.met - 1.0;
        let x = (above.latency_ms / below.latency_ms - 1.0) / more;
        // Of answers as such, and of those that wait for one another.
        let apart = (below.squared_error() + above.squared_error()).sqrt() / below.latency_ms;
        let turns = (below.count + below.met).recip() + (above.count + above.met).recip();
        let error = larger(apart, (larger(answer.dispersion, 1.0) * turns).sqrt()) / more;
        let speaks = above.count >= FEWEST;
        let is_free = speaks
            && above.count >= FREE_TURNS * above.met
            && x.abs() < FREE
            && 1.0 - x.abs() > FREE_DEVIATIONS * error;
        let is_queue = speaks && x > QUEUE && x > QUEUE_DEVIATIONS * error;
        if is_free {
            self.climb(answer, above, below.latency_ms, latencies);
        } else if is_queue || self.answers >= PATIENCE * larger(self.memory, below.met) {
            if is_queue {
                self.turns = smaller(BACKOFF * self.turns, MOST_TURNS);
            } else {
                self.memory = smaller(2.0 * self.memory, MOST_MEMORY);
            }
            (self.below, self.climbs) = (Sample::default(), false);
            self.change(0.0, larger(above.latency_ms, below.latency_ms), answer.now_ms);
        }
    }
}
