//! The experiment that tells contention from a loss of speed. Both show as throughput that has fallen; only contention
//! mends when there is less work in flight.
//!
//! ```text
//! suspected   with every server at work, completions fall short of 0.8·M by three standard deviations, and n/μ nears the deadline
//! cap         1.35·M·b + 1 in flight: enough to keep every server busy, so that the experiment costs no goodput
//! verdict     the rate is back  → contention: the cap climbs for as long as the rate stays up
//!             it is not         → the route has slowed: M is forgotten, the cap lifted
//! end         when the demand is drained, V = 0
//! ```

use super::throughput::{Pace, Throughput};

/// Share of M below which contention is suspected, with the completions that are needed.
const SUSPECT_RATE: f64 = 0.8;
const SUSPECT_SAMPLES: f64 = 40.0;
const SUSPECT_DEVIATIONS: f64 = 3.0;
/// Nothing is suspected before n/μ is this share of the deadline.
const SUSPECT_WAIT: f64 = 0.5;
/// The cap, over the knee.
const CAP_KNEES: f64 = 1.35;
/// Up to so many times the cap, the rate is that of the experiment.
const NEAR_CAP: f64 = 2.2;
/// Completions of a step, and the rates, as shares of M, at which the cap climbs, falls back, and returns to where it began.
const STEP_SAMPLES: f64 = 48.0;
const CLIMB: f64 = 0.97;
const FALL: f64 = 0.9;
const RESTART: f64 = 0.75;
const STEP: f64 = 1.2;
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

    /// One of `n` in flight was completed. `knee`: M·b; `deadline_ms`: what is waited for at most.
    pub fn complete(&mut self, n: f64, knee: f64, deadline_ms: f64, throughput: &mut Throughput) {
        let Some(experiment) = &mut self.experiment else {
            self.suspect(n, knee, deadline_ms, throughput);
            return;
        };
        let base = CAP_KNEES * knee + 1.0;
        if n <= NEAR_CAP * experiment.cap {
            experiment.pace.completions += 1.0;
        }
        let Pace { completions, time_ms } = experiment.pace;
        let deviation = (completions * throughput.dispersion.max(1.0)).sqrt();
        if !experiment.confirmed {
            if completions + 2.0 * deviation + 1.0 < experiment.middle * time_ms {
                throughput.forget_above(1.1 * completions.max(1.0) / time_ms);
                self.experiment = None;
                return;
            }
            experiment.confirmed = completions >= 16.0 && completions - deviation > experiment.middle * time_ms;
        }
        if completions < STEP_SAMPLES {
            return;
        }
        let share = experiment.pace.rate() / experiment.most;
        experiment.pace = Pace::default();
        if share < RESTART && experiment.cap <= 1.01 * base {
            throughput.forget_above(1.1 * share * experiment.most);
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

    fn suspect(&mut self, n: f64, knee: f64, deadline_ms: f64, throughput: &Throughput) {
        let Pace { completions, time_ms } = throughput.crowded;
        if completions < SUSPECT_SAMPLES {
            return;
        }
        let deviation = (completions * throughput.dispersion.max(1.0)).sqrt();
        let fallen = completions + SUSPECT_DEVIATIONS * deviation < SUSPECT_RATE * throughput.most * time_ms;
        if fallen && n * time_ms > SUSPECT_WAIT * deadline_ms * completions {
            let most = throughput.most;
            self.experiment = Some(Experiment {
                cap: CAP_KNEES * knee + 1.0,
                suspected_at: n,
                most,
                middle: 0.5 * (most + throughput.crowded.rate()),
                pace: Pace::default(),
                confirmed: false,
            });
        }
    }
}
