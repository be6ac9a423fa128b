//! The experiment that tells contention from a loss of speed. Both show as throughput that has fallen; only contention
//! mends when there is less work in flight.
//!
//! ```text
//! suspected   W > 5·dispersion + 0.4·k + 4/k under overload, and n/μ exceeds a fifth of the deadline
//!             W = 0.4·M·t − ln 2·c, c: completions in the t with a crowd in flight, since W was last 0: the log-likelihood
//!             that the crowd halves the rate against that it is still 0.8·M (Page, "Continuous inspection schemes", 1954).
//!             The steeper the fall, the sooner it is seen: completions that fail to come are the evidence
//! held        W > 1.5·dispersion + 0.4·k + 4/k while the load may still be a burst, n > 8·k + 16, and n/μ, with a round of k
//!             completions to come, exceeds 0.35 of the deadline: no more in flight than there are, until W falls or is suspicion.
//!             A crowd has to be drained at the rate to which it has lowered the servers: it is dear while suspicion grows
//! cap         1.35·k + 2 in flight, k = M·b: enough to keep every server busy, so that the experiment costs little
//! verdict     the rate is back     → contention: the cap climbs for as long as the rate is that of the best step; b rests
//!             it is not            → the route has slowed: M is forgotten, the cap lifted
//!             it fell even further → servers idle under the cap: what an answer took under it is b, the cap lifted
//!             nor did the latency  → there is no queue: that latency is b, the cap lifted, as soon as answers show it
//! end         when the demand is drained, V = 0
//! ```

use super::{latency::Latencies, pace::Pace, sample::Sample, throughput::Throughput};
use crate::units::Millis;

/// W from which contention is suspected: of Poisson completions at the rate M, chance takes one of e^(1.77·W) = 7,000 excursions from
/// 0 that far ...
const SUSPICION: f64 = 5.0;
/// ... with so much more for each server, since a round of all of them may complete together, and where one long service
/// is a silence of a good part of them.
const ROUND: f64 = 0.4;
const SERIES: f64 = 4.0;
/// Nothing is suspected before n/μ is this share of the deadline: what is far from late is not refused for an experiment.
const SUSPECT_WAIT: f64 = 0.2;
/// The share of `SUSPICION` from which work in flight is held where it is: a hold is taken back as soon as it is not confirmed, and a
/// crowd that is not held takes long to go ...
const HELD: f64 = 0.3;
/// ... with more in flight than so many times the knee and so much more, and where n/μ, with a round of all servers to be completed, is this
/// share of the deadline.
const HELD_KNEES: f64 = 8.0;
const HELD_OWN: f64 = 2.0;
const HELD_WAIT: f64 = 0.35;
/// A crowd that completes less than this share of M is taken to complete so much.
const LEAST_CROWD: f64 = 0.05;
/// The cap, over the knee.
const CAP_KNEES: f64 = 1.35;
const CAP_OWN: f64 = 2.0;
/// The multiple of the cap up to which the rate is that of the experiment.
const NEAR_CAP: f64 = 2.2;
/// Completions of a step, and the rates, as shares of M, at which the cap climbs, falls back, and returns to where it began. A step lasts
/// b at least: those that complete at one moment have a rate beyond any measure.
const STEP_SAMPLES: f64 = 48.0;
const CLIMB: f64 = 0.97;
const FALL: f64 = 0.9;
const RESTART: f64 = 0.75;
const STEP: f64 = 1.2;
/// ... and the one below which so many steps in a row show, where it began, that the route has slowed.
const SLOWED: f64 = 0.6;
const SLOW_STEPS: u32 = 2;
/// Below this share of the rate that raised the suspicion, the cap leaves servers without work.
const STARVED: f64 = 0.8;
/// The weights with which M follows a step that did more, and one that did less.
const MOST_GAINS: (f64, f64) = (0.5, 0.1);
/// Answers to what was admitted under the cap before the route is held to have slowed. Where they take more than this
/// multiple of what was waited before, another shares the servers.
const ANSWERS: f64 = 8.0;
const NO_WORSE: f64 = 1.5;
/// Answers of either kind from which those under the cap are compared with those of the crowd, which met more than this share of what was
/// in flight at the suspicion. Where they met so many times less, and took no less than this share, work in flight is not what they wait for.
const COMPARED: f64 = 16.0;
const CROWD: f64 = 0.5;
const TELLING_CUT: f64 = 2.0;
const UNMENDED: f64 = 0.8;
/// The cap is lifted at so many times what was in flight when it was set.
const LIFTED: f64 = 4.0;

/// An experiment under way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Experiment {
    cap: f64,
    /// It has not begun: the cap is what was in flight as contention was nearly suspected.
    held: bool,
    suspected_at: f64,
    most: f64,
    /// The geometric mean of M and the rate that raised the suspicion: as many times less than the one as more than the other.
    middle: f64,
    /// The rate that raised the suspicion.
    crowd_rate: f64,
    pace: Pace,
    confirmed: bool,
    /// Steps in a row that show that the route has slowed.
    slow_steps: u32,
    /// The time at which it began, and n/μ then, ms.
    since_ms: Millis,
    wait_ms: Millis,
    /// b at its beginning, ms.
    baseline_ms: Millis,
    /// Answers to what was admitted since, and to what had met the crowd before.
    under: Sample,
    crowd: Sample,
}

image! { Experiment {
    cap, held, suspected_at, most, middle, crowd_rate, pace, confirmed, slow_steps, since_ms, wait_ms, baseline_ms,
    under, crowd,
} }

impl Experiment {
    /// Do answers take as long under the cap as in the crowd, which met far more?
    fn shows_no_queue(&self) -> bool {
        let Self { under, crowd, .. } = self;
        under.count >= COMPARED
            && crowd.count >= COMPARED
            && TELLING_CUT * under.met < crowd.met
            && under.latency_ms > UNMENDED * crowd.latency_ms
    }
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
    /// The time at which it was admitted, and the time that it took, ms.
    pub admitted_ms: Millis,
    /// The latency at that moment, ms, and what it had met in flight.
    pub latency_ms: Millis,
    pub met: f64,
}

/// A request that asks, and what was known at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// In flight without it.
    pub n: f64,
    /// M·b.
    pub knee: f64,
    /// b, the deadline and the time, ms.
    pub baseline_ms: Millis,
    pub deadline_ms: Millis,
    pub now_ms: Millis,
    /// May the load still be a burst, which no standing limit holds?
    pub is_burst: bool,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Contention {
    experiment: Option<Experiment>,
}

image! { Contention { experiment } }

impl Contention {
    /// The most that may be in flight.
    #[inline]
    pub fn cap(&self) -> Option<f64> {
        self.experiment.map(|experiment| experiment.cap)
    }

    /// Has an experiment shown that less work in flight does more?
    #[inline]
    pub fn is_confirmed(&self) -> bool {
        self.experiment.is_some_and(|experiment| experiment.confirmed)
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

    /// A request was completed.
    pub fn complete(&mut self, at: &At, throughput: &mut Throughput, latencies: &mut Latencies) {
        let &At { n, knee, baseline_ms, .. } = at;
        let Some(experiment) = &mut self.experiment else {
            return;
        };
        if experiment.held {
            if throughput.shortfall() <= evidence(throughput, knee, HELD) {
                self.experiment = None;
            }
            return;
        }
        if at.admitted_ms >= experiment.since_ms {
            experiment.under.add(at.met, at.latency_ms, f64::INFINITY);
        } else if at.met > CROWD * experiment.suspected_at {
            experiment.crowd.add(at.met, at.latency_ms, f64::INFINITY);
        }
        if experiment.shows_no_queue() {
            latencies.raise(experiment.cap, experiment.under.latency_ms);
            self.experiment = None;
            return;
        }
        let base = CAP_KNEES * knee + CAP_OWN;
        if n <= NEAR_CAP * experiment.cap {
            experiment.pace.completions += 1.0;
        }
        let Pace { completions, time_ms } = experiment.pace;
        let deviation = (completions * throughput.dispersion.max(1.0)).sqrt();
        let at_most = completions + 2.0 * deviation + 1.0;
        let answered = experiment.under.count >= ANSWERS;
        let mut gives_up = false;
        if !experiment.confirmed {
            gives_up = answered && at_most < experiment.middle * time_ms;
            experiment.confirmed = completions >= 16.0 && completions - deviation > experiment.middle * time_ms;
            if experiment.confirmed {
                latencies.lower(knee, experiment.baseline_ms);
            }
        }
        let is_over = completions >= STEP_SAMPLES && time_ms >= experiment.baseline_ms;
        if !is_over && !gives_up {
            return;
        }
        let rate = completions.max(1.0) / time_ms;
        let share = rate / experiment.most;
        let gain = if share > 1.0 { MOST_GAINS.0 } else { MOST_GAINS.1 };
        experiment.most += gain * (rate - experiment.most);
        experiment.pace = Pace::default();
        experiment.slow_steps =
            if share < SLOWED && experiment.cap <= 1.01 * base { experiment.slow_steps + 1 } else { 0 };
        if gives_up || experiment.slow_steps >= SLOW_STEPS {
            let latency_ms = experiment.under.latency_ms;
            let is_mended = latency_ms < NO_WORSE * experiment.wait_ms;
            if answered && is_mended && at_most < STARVED * experiment.crowd_rate * time_ms {
                latencies.raise(experiment.cap, latency_ms);
            } else {
                throughput.forget_above(1.1 * rate, baseline_ms);
            }
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

    /// Begins an experiment, or holds what is in flight, where that takes a good part of the deadline.
    #[cold]
    #[inline(never)]
    pub fn suspect(&mut self, asked: &Asked, throughput: &Throughput) {
        let &Asked { n, knee, baseline_ms, deadline_ms, now_ms, is_burst } = asked;
        let Pace { completions, time_ms } = throughput.crowded;
        let shortfall = throughput.shortfall();
        let wait_ms = n * time_ms / completions.max(1.0);
        let is_due = wait_ms > SUSPECT_WAIT * deadline_ms && shortfall > evidence(throughput, knee, 1.0);
        if !is_due {
            let waits = n * time_ms > HELD_WAIT * deadline_ms * (completions + knee + 1.0);
            let is_held =
                is_burst && waits && n > HELD_KNEES * (knee + HELD_OWN) && shortfall > evidence(throughput, knee, HELD);
            if !is_held {
                self.experiment = None;
            }
            if !is_held || self.experiment.is_some() {
                return;
            }
        }
        let (most, crowd_rate) = (throughput.most, throughput.crowded.rate());
        self.experiment = Some(Experiment {
            cap: if is_due { CAP_KNEES * knee + CAP_OWN } else { n },
            held: !is_due,
            suspected_at: n,
            most,
            middle: (most * crowd_rate.max(LEAST_CROWD * most)).sqrt(),
            crowd_rate,
            pace: Pace::default(),
            confirmed: false,
            slow_steps: 0,
            since_ms: if is_due { now_ms } else { f64::INFINITY },
            wait_ms,
            baseline_ms,
            under: Sample::default(),
            crowd: Sample::default(),
        });
    }

    /// Is there none under way, though completions with a crowd in flight fell short of M?
    #[inline]
    pub fn is_due(&self, throughput: &Throughput, knee: f64) -> bool {
        throughput.shortfall() > ROUND * knee && self.experiment.is_none_or(|experiment| experiment.held)
    }
}

/// W that is evidence, with so much of it that chance explains away.
fn evidence(throughput: &Throughput, knee: f64, share: f64) -> f64 {
    share * SUSPICION * throughput.dispersion.max(1.0) + ROUND * knee + SERIES / knee
}
