//! The onset of an overload: what answers took by the work in flight that they had met, while that rose and no limit held it yet.
//!
//! In a queue latency rises with what is in flight, and without one it does not. A limit keeps what is in flight where it is, and a
//! trial of more has its cost. What was admitted before is a trial that was had for nothing.
//!
//! ```text
//! from      the last answer with little in flight and V small
//! until     a standing overload
//! x         the slope of latency over the work in flight met × the ratio of their means: 0 without a queue, 1 in one. Known once 4 mean
//!           latencies have passed since, as those that are answered before are the short ones
//! followed  x is, by 2 standard errors, above 0.5                   → most likely a queue: a trial can wait
//! flat      x is below 0.2, and by 2 standard errors below 0.5      → a trial is worth its cost; and as good as made, if work in flight
//!                                                                     rose far and answers below the limit have not taken less since
//! unknown   neither, or work in flight varied by less than 16 draws of it would by chance: where it is one of many that share a
//!           queue, the route's own says little of it
//! ```

use super::sample::Sample;
use crate::units::Millis;

/// Mean latencies after the onset from which it tells.
const SETTLED: f64 = 4.0;
/// Answers from which it tells, and the draws that work in flight, whose variance is its mean by chance, has to vary by.
const FEWEST: f64 = 6.0;
const DRAWS: f64 = 16.0;
/// x above which latency followed, below which it may be flat, and the standard errors beyond the former.
const FOLLOWED: f64 = 0.5;
const FLAT: f64 = 0.2;
const DEVIATIONS: f64 = 2.0;
/// Answers from which it is as good as a trial, at least and for each in flight; and the multiple of what is chance that the variance of
/// work in flight has to be.
const TELLING: f64 = 16.0;
const TELLING_TURNS: f64 = 0.75;
const FAR: f64 = 2.0;

/// Did latency follow work in flight?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is too early to tell.
    Early,
    Unknown,
    Followed,
    Flat,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Onset {
    /// The last answer with little in flight, ms.
    pub calm_ms: Millis,
    since_ms: Millis,
    /// 0: it lasts.
    until_ms: Millis,
    answers: Sample,
    /// The sums of the squares of what answers had met off its mean, and of its products with their latencies.
    squares: f64,
    products: f64,
    /// Has it been taken for a trial?
    is_used: bool,
}

image! { Onset { calm_ms, since_ms, until_ms, answers, squares, products, is_used } }

impl Onset {
    /// An answer while much is in flight; `standing`: under standing overload.
    pub fn complete(&mut self, met: f64, latency_ms: Millis, now_ms: Millis, standing: bool) {
        if self.since_ms < self.calm_ms {
            *self = Self { calm_ms: self.calm_ms, since_ms: self.calm_ms, ..Self::default() };
        }
        if standing && self.until_ms == 0.0 {
            self.until_ms = now_ms;
        }
        let admitted_ms = now_ms - latency_ms;
        if admitted_ms < self.since_ms || self.until_ms > 0.0 && admitted_ms > self.until_ms {
            return;
        }
        let off = met - self.answers.met;
        self.answers.add(met, latency_ms, f64::INFINITY);
        self.squares += off * (met - self.answers.met);
        self.products += off * (latency_ms - self.answers.latency_ms);
    }

    /// x and its standard error.
    fn elasticity(&self) -> (f64, f64) {
        let Sample { count, met, latency_ms, .. } = self.answers;
        let (slope, ratio) = (self.products / self.squares, met / latency_ms);
        let unexplained = (self.answers.squares() - slope * self.products).max(0.0);
        (slope * ratio, (unexplained / (count - 2.0) / self.squares).sqrt() * ratio)
    }

    /// The finding by now; `Early` until the answers that tell have come.
    pub fn finding(&self, now_ms: Millis) -> Finding {
        let Sample { count, met, latency_ms, .. } = self.answers;
        if self.until_ms > 0.0 && now_ms < self.until_ms + SETTLED * latency_ms {
            return Finding::Early;
        }
        if self.until_ms == 0.0 || count < FEWEST || self.squares <= DRAWS * met {
            return Finding::Unknown;
        }
        let (x, error) = self.elasticity();
        if x - DEVIATIONS * error > FOLLOWED {
            Finding::Followed
        } else if x < FLAT && x + DEVIATIONS * error < FOLLOWED {
            Finding::Flat
        } else {
            Finding::Unknown
        }
    }

    /// The answers of an onset whose finding is `Flat`, once, if that is as good as a trial.
    pub fn as_trial(&mut self) -> Option<Sample> {
        let Sample { count, met, .. } = self.answers;
        let is_new = !std::mem::replace(&mut self.is_used, true);
        let has_risen = self.squares > FAR * met * count && count >= TELLING && count >= TELLING_TURNS * met;
        (is_new && has_risen).then_some(self.answers)
    }
}
