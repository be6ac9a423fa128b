//! The experiment that tells contention from a loss of speed. Both show as throughput that has fallen; only contention
//! mends when there is less work in flight.
//!
//! ```text
//! suspected   under overload, with a crowd in flight, completions fall short of 0.8·M by three standard deviations, and
//!             n/μ exceeds a tenth of the deadline
//! cap         1.35·M·b + 1 in flight: enough to keep every server busy, so that the experiment costs no goodput
//! verdict     the rate is back  → contention: the cap climbs for as long as the rate is that of the best step; b rests
//!             it is not         → the route has slowed: M is forgotten, the cap lifted
//!             nor the latency   → there is no queue: that latency is b, the cap lifted
//! end         when the demand is drained, V = 0
//! ```

use super::{
    latency::Latencies,
    throughput::{Pace, Throughput},
};
use crate::units::Millis;

/// Share of M below which contention is suspected, with the completions that are needed.
const SUSPECT_RATE: f64 = 0.8;
const SUSPECT_SAMPLES: f64 = 40.0;
/// ... or rounds of all servers, which may complete together.
const SUSPECT_ROUNDS: f64 = 2.0;
const SUSPECT_DEVIATIONS: f64 = 3.0;
/// Nothing is suspected before n/μ is this share of the deadline.
const SUSPECT_WAIT: f64 = 0.1;
/// The cap, over the knee.
const CAP_KNEES: f64 = 1.35;
/// Up to so many times the cap, the rate is that of the experiment.
const NEAR_CAP: f64 = 2.2;
/// Completions of a step, and the rates, as shares of M, at which the cap climbs, falls back, and returns to where it began.
const STEP_SAMPLES: f64 = 48.0;
const CLIMB: f64 = 0.97;
const FALL: f64 = 0.9;
const RESTART: f64 = 0.75;
/// ... and the one below which so many steps in a row show, where it began, that the route has slowed.
const SLOWED: f64 = 0.6;
const SLOW_STEPS: u32 = 2;
const STEP: f64 = 1.2;
/// The weights with which M follows a step that did more, and one that did less.
const MOST_GAINS: (f64, f64) = (0.5, 0.1);
/// Answers to what was admitted under the cap before the route is held to have slowed. Where they take no less than this
/// share of what was waited before, the work in flight is not what they wait for.
const ANSWERS: f64 = 8.0;
const UNMENDED: f64 = 0.8;
/// ... which only a cap shows that is a good deal less than what was in flight.
const TELLING_CUT: f64 = 2.0;
/// The cap is lifted at so many times what was in flight when it was set.
const LIFTED: f64 = 4.0;

/// An experiment under way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Experiment {
    cap: f64,
    suspected_at: f64,
    most: f64,
    /// Halfway between M and the rate that raised the suspicion.
    middle: f64,
    pace: Pace,
    confirmed: bool,
    /// Steps in a row that show that the route has slowed.
    slow_steps: u32,
    /// The time at which it began, and n/μ then, ms.
    since_ms: Millis,
    wait_ms: Millis,
    /// Answers to what was admitted since, and the sum of their latencies, ms.
    answers: f64,
    latency_ms: Millis,
}

/// A completion, and what was known at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// In flight with it.
    pub n: f64,
    /// M·b.
    pub knee: f64,
    /// b, ms.
    pub baseline_ms: Millis,
    /// The longest wait for an answer, ms.
    pub deadline_ms: Millis,
    /// The time at which it was admitted, and the time that it took, ms.
    pub admitted_ms: Millis,
    /// Its latency, ms.
    pub latency_ms: Millis,
    /// More is offered than can be done.
    pub overloaded: bool,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Contention {
    experiment: Option<Experiment>,
}

impl Contention {
    /// The most that may be in flight.
    #[inline]
    pub fn cap(&self) -> Option<f64> {
        self.experiment.map(|experiment| experiment.cap)
    }

    /// Was a request that was admitted at `admitted_ms` admitted during an experiment?
    #[inline]
    pub fn covers(&self, admitted_ms: Millis) -> bool {
        self.experiment.is_some_and(|experiment| admitted_ms >= experiment.since_ms)
    }

    /// `counted_ms` passed with `n` in flight.
    #[inline]
    pub fn pass(&mut self, n: f64, counted_ms: f64) {
        if let Some(experiment) = &mut self.experiment
            && n <= NEAR_CAP * experiment.cap
        {
            experiment.pace.time_ms += counted_ms;
        }
    }

    /// The overload is over: whatever comes next may be a burst that the deadline can drain.
    pub fn end(&mut self) {
        self.experiment = None;
    }

    /// Does a completion matter to it? Not while there is neither an experiment nor a crowd that has shown enough.
    #[inline]
    pub fn is_concerned(&self, throughput: &Throughput, knee: f64) -> bool {
        self.experiment.is_some() || has_shown_enough(throughput, knee)
    }

    /// One of `n` in flight was completed. `knee`: M·b; `deadline_ms`: what is waited for at most.
    pub fn complete(&mut self, at: &At, throughput: &mut Throughput, latencies: &mut Latencies) {
        let &At { n, knee, baseline_ms, .. } = at;
        let Some(experiment) = &mut self.experiment else {
            self.suspect(at, throughput);
            return;
        };
        if at.admitted_ms >= experiment.since_ms {
            experiment.answers += 1.0;
            experiment.latency_ms += at.latency_ms;
        }
        let base = CAP_KNEES * knee + 1.0;
        if n <= NEAR_CAP * experiment.cap {
            experiment.pace.completions += 1.0;
        }
        let Pace { completions, time_ms } = experiment.pace;
        let deviation = (completions * throughput.dispersion.max(1.0)).sqrt();
        if !experiment.confirmed {
            let slow = completions + 2.0 * deviation + 1.0 < experiment.middle * time_ms;
            if slow && experiment.answers >= ANSWERS {
                let latency_ms = experiment.latency_ms / experiment.answers;
                let is_less = experiment.suspected_at > TELLING_CUT * experiment.cap;
                if is_less && latency_ms > UNMENDED * experiment.wait_ms {
                    latencies.raise(experiment.cap, latency_ms);
                } else {
                    throughput.forget_above(1.1 * completions.max(1.0) / time_ms, baseline_ms);
                }
                self.experiment = None;
                return;
            }
            experiment.confirmed = completions >= 16.0 && completions - deviation > experiment.middle * time_ms;
        }
        if completions < STEP_SAMPLES {
            return;
        }
        let rate = experiment.pace.rate();
        let share = rate / experiment.most;
        let gain = if share > 1.0 { MOST_GAINS.0 } else { MOST_GAINS.1 };
        experiment.most += gain * (rate - experiment.most);
        experiment.pace = Pace::default();
        experiment.slow_steps =
            if share < SLOWED && experiment.cap <= 1.01 * base { experiment.slow_steps + 1 } else { 0 };
        if experiment.slow_steps >= SLOW_STEPS {
            throughput.forget_above(1.1 * share * experiment.most, baseline_ms);
            self.experiment = None;
            return;
        }
        if share > CLIMB {
            experiment.cap *= STEP;
        } else if share < RESTART {
            experiment.cap = base;
        } else if share < FALL {
            experiment.cap = (experiment.cap / STEP).max(base);
        }
        if experiment.cap > LIFTED * experiment.suspected_at {
            self.experiment = None;
        }
    }

    fn suspect(&mut self, at: &At, throughput: &Throughput) {
        if !has_shown_enough(throughput, at.knee) || !at.overloaded {
            return;
        }
        let Pace { completions, time_ms } = throughput.crowded;
        let deviation = (completions * throughput.dispersion.max(1.0)).sqrt();
        let least = SUSPECT_RATE * throughput.most;
        // A pace that rises is behind M as well: what is done at last has fallen, too.
        let fallen = completions + SUSPECT_DEVIATIONS * deviation < least * time_ms && throughput.last.rate() < least;
        let wait_ms = at.n * time_ms / completions;
        if fallen && wait_ms > SUSPECT_WAIT * at.deadline_ms {
            let most = throughput.most;
            self.experiment = Some(Experiment {
                cap: CAP_KNEES * at.knee + 1.0,
                suspected_at: at.n,
                most,
                middle: 0.5 * (most + throughput.crowded.rate()),
                pace: Pace::default(),
                confirmed: false,
                slow_steps: 0,
                since_ms: at.admitted_ms + at.latency_ms,
                wait_ms,
                answers: 0.0,
                latency_ms: 0.0,
            });
        }
    }
}

/// Were there completions enough with a crowd in flight to tell its rate?
#[inline]
fn has_shown_enough(throughput: &Throughput, knee: f64) -> bool {
    throughput.crowded.completions >= (SUSPECT_ROUNDS * knee).max(SUSPECT_SAMPLES)
}
