//! The limit: how many requests a route carries at once without missing its deadline.
//!
//! # The law
//!
//! ```text
//! W = n/μ                                 Little: what a newcomer will wait behind n others served at rate μ
//! W* = max(s·τ·D, m·b)                    what it may wait: a share τ of the deadline D; never less than m times the
//!                                         route's own service time b, or the servers would idle
//! L = μ·W*,  u = n/L                      the limit, and the occupancy that R follows at every admission
//! u₀ = max(0.62, (μ·b·h + 1)/L)              shedding starts above the knee μ·b, where every server has work
//! ```
//!
//! μ is the rate of completions. Where there is a queue that rate *is* the capacity, whatever the service time and the
//! number of servers, so the law needs no baseline and cannot learn an overload as normal: slower service lowers μ, and
//! with it L, and the wait stays where it was, at τ·D.
//!
//! s, in [0.7, 1], follows the tail: when more than 1 % of answers take longer than 0.66·D it shrinks, else it returns.
//!
//! **Is latency mine to change?** Behind a dependency without a queue of its own, latency does not depend on n, and no
//! limit would improve it. So every completion pairs the n it met with the latency it saw, and a regression decides,
//! by significance, never by a hunch: slope ≈ 0 is *free* (b is the latency itself, the limit follows the use), slope
//! ≈ W/n is *queueing* (the law above). Until one is proven the limit is not lowered below where it started.
//!
//! **Is the limit too low?** While it binds, every 1.5 s it is raised by 30 % for four windows. Where servers had idled, answers
//! come faster by as much and no later: then b was too small, and is what the latency is. Where they had not, answers only
//! come later, and nothing is concluded. (BBR probes for bandwidth so: Cardwell et al., 2016.)
//!
//! # Stability
//!
//! Occupancy acts at admission, on the n of that very moment: a loop without delay, first order, stable for any gain
//! (dn/dt = λ·a(n) − μ with a falling in n). The slow loop moves L by way of μ once a window. In a queue μ does not depend
//! on L, so its gain is 0; below the knee μ = n/b ≤ L/b, and L ← m·b·(L/b) = m·L with m > 1 pushes the limit up and out,
//! 30 % a window, so that no fixed point lies below the knee: a limit cannot get stuck low.
//!
//! Recovery: after capacity returns, n = L servers are at work and μ rises with them: L grows by W*/b ≥ m a window, thus
//! from 30 % of the capacity to all of it within ln(1/0.3)/ln(1.3) = 4.6 windows. A test holds it to more than 70 % after 0.5 s.

mod probe;
mod regression;
mod window;

pub use regression::Regime;
pub use window::Window;

use probe::Probe;
use regression::Regression;

use crate::units::Millis;

/// τ: share of the deadline a newcomer may be made to wait. Breakwater defends 40 %; what is left covers the service
/// itself, and the top tier's reach past the full house.
pub const WAIT_SHARE: f64 = 0.35;
/// m: the limit over what keeps the servers busy.
const HEADROOM: f64 = 1.3;
/// h: shedding starts this far above the knee: service times vary, and a server that idles is goodput lost.
const KNEE_MARGIN: f64 = 1.15;
/// u₀: the share of a full house that never sheds.
const FREE_OCCUPANCY: f64 = 0.62;
/// u₀ never exceeds this: the bands need room.
const CROWDED_OCCUPANCY: f64 = 0.85;
/// The share of answers that may be in the tail.
const TAIL_TOLERANCE: f64 = 0.01;
/// s shrinks by up to the first share of itself a window, in proportion to the excess, and returns by the second.
const TAIL_SHRINK: f64 = 0.08;
const TAIL_RETURN: f64 = 0.02;
/// Completions whose tail is remembered.
const TAIL_MEMORY: f64 = 500.0;
const TAIL_LOWEST: f64 = 0.7;
/// Without a proof, b is no more than this share of the deadline: a queue must not pass for service.
const BASELINE_CEILING: f64 = 0.25;
/// b found by a probe is no more than this share of the deadline.
const PROBED_CEILING: f64 = 0.35;
/// How much of a new rate is believed when it is within the noise of counting, and when it is not.
const RATE_GAIN: f64 = 0.25;
const RATE_GAIN_SURPRISED: f64 = 0.85;
/// Counting noise, in standard deviations, beyond which a rate is news.
const SURPRISE: f64 = 3.0;
const MAX_DISPERSION: f64 = 6.0;
const DISPERSION_GAIN: f64 = 0.15;
/// A capacity that is not in use is forgotten with this factor a window (half-life 35 s at 100 ms).
const RATE_FORGETTING: f64 = 0.998;
/// Without a full house behind it, the limit falls no further than this in a window: a burst is not a loss of capacity.
const GENTLE_FALL: f64 = 0.8;
/// The limit grows by this much a completion while answers are faster than this share of the deadline.
const GROWTH_SHARE: f64 = 0.2;
const GROWTH: f64 = 2.0;
/// How much the time between two completions counts in the present pace.
const GAP_GAIN: f64 = 0.0625;

/// Bounds of the limit and the deadline it serves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitLaw {
    /// D, ms.
    pub deadline_ms: Millis,
    /// The limit is never below this.
    pub min: f64,
    /// The limit is never above this.
    pub max: f64,
    /// The limit of a route nobody has measured yet.
    pub initial: f64,
}

/// The slow loop's state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// μ, completions a ms; 0 before the first window.
    rate: f64,
    /// b, ms; 0 before the first window.
    baseline_ms: Millis,
    /// s.
    tail_factor: f64,
    /// Smoothed share of answers in the tail.
    tail: f64,
    regression: Regression,
    probe: Probe,
    /// b as the last probe found it, ms; 0 when that did not find the limit too low.
    probed_ms: Millis,
    /// Smoothed time between completions, ms.
    gap_ms: Millis,
    /// The last window met no resistance.
    unpressed: bool,
    /// Index of dispersion of completions, ≥ 1: how much more than Poisson's they vary.
    dispersion: f64,
    /// What the regression proved last.
    pub regime: Regime,
    /// L, requests in flight.
    pub limit: f64,
    /// u₀.
    pub free_occupancy: f64,
}

impl Limit {
    /// The limit of a route nobody has measured yet.
    #[must_use]
    pub fn new(law: &LimitLaw) -> Self {
        Self {
            rate: 0.0,
            baseline_ms: 0.0,
            tail_factor: 1.0,
            tail: 0.0,
            regression: Regression::default(),
            probe: Probe::default(),
            probed_ms: 0.0,
            gap_ms: 0.0,
            unpressed: true,
            dispersion: 1.0,
            regime: Regime::Unknown,
            limit: law.initial,
            free_occupancy: FREE_OCCUPANCY,
        }
    }

    /// μ, completions a ms.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// b, ms.
    #[must_use]
    pub fn baseline_ms(&self) -> Millis {
        self.baseline_ms
    }

    /// What a full house makes a newcomer wait, as far as is known, ms.
    #[must_use]
    pub fn full_house_ms(&self, law: &LimitLaw) -> Millis {
        (self.tail_factor * WAIT_SHARE * law.deadline_ms).max(HEADROOM * self.baseline_ms.max(self.probed_ms))
    }

    /// Slow start, at the pace of the route itself: while the house is half full and the present pace of completions would
    /// still carry what is in flight quickly, every completion makes room for more. Doubles in a round trip, like TCP's, and
    /// stops without waiting for a latency that would tell too late.
    #[inline]
    pub fn grow(&mut self, gap_ms: Millis, in_flight: f64, law: &LimitLaw) {
        self.gap_ms += (gap_ms.min(law.deadline_ms) - self.gap_ms) * GAP_GAIN;
        let quick = in_flight * self.gap_ms < GROWTH_SHARE * law.deadline_ms;
        if self.unpressed && quick && in_flight * 2.0 >= self.limit {
            self.limit = (self.limit + GROWTH).min(law.max);
        }
    }

    /// One window of `elapsed_ms` has passed.
    pub fn tick(&mut self, w: &Window, elapsed_ms: Millis, law: &LimitLaw) {
        if !(w.count >= 1.0 && elapsed_ms > 0.0) {
            return;
        }
        let latency = w.mean_latency_ms();
        let in_flight = w.in_flight / w.count;
        self.regression.absorb(w);
        let verdict = self.regression.verdict(latency / in_flight.max(1.0), in_flight);
        self.regime = verdict.unwrap_or(self.regime);
        self.learn_rate(w, elapsed_ms, latency);
        self.learn_baseline(latency, verdict == Some(Regime::Free), law);
        self.follow_tail(w);

        let binding = w.refused > 0.0;
        if !binding {
            self.probe = Probe::default();
        } else if let Some(too_low) =
            self.probe.absorb(w.count / elapsed_ms, latency, (self.dispersion / w.count).sqrt())
        {
            self.probed_ms = if too_low { latency.min(PROBED_CEILING * law.deadline_ms) } else { 0.0 };
        }
        let gain = if self.probed_ms > 0.0 { 1.0 } else { self.probe.gain() };
        let wanted = self.rate * self.full_house_ms(law) * gain;
        let pressed = w.refused > 0.0 || latency > 0.5 * WAIT_SHARE * law.deadline_ms;
        self.unpressed = !pressed;
        let unproven = self.regime == Regime::Unknown;
        let floor = if unproven || !pressed {
            self.limit.min(law.initial.max(w.peak * 2.0))
        } else if latency < self.full_house_ms(law) {
            self.limit * GENTLE_FALL
        } else {
            0.0
        };
        self.limit = wanted.max(floor).clamp(law.min, law.max);
        let knee = self.rate * self.baseline_ms;
        self.free_occupancy = ((knee * KNEE_MARGIN + 1.0) / self.limit).clamp(FREE_OCCUPANCY, CROWDED_OCCUPANCY);
    }

    /// μ: with a queue the rate is the capacity, and followed both ways; without one it is only a lower bound.
    fn learn_rate(&mut self, w: &Window, elapsed_ms: Millis, latency: Millis) {
        let rate = w.count / elapsed_ms;
        if self.rate <= 0.0 {
            self.rate = rate;
            return;
        }
        let queue = w.refused > 0.0 || (self.baseline_ms > 0.0 && latency > 2.0 * self.baseline_ms);
        if queue || rate > self.rate {
            let off = (rate - self.rate) * elapsed_ms;
            let variance = w.count.max(1.0);
            let surprised = off * off > SURPRISE * SURPRISE * variance * self.dispersion;
            self.dispersion += ((off * off / variance).clamp(1.0, MAX_DISPERSION) - self.dispersion) * DISPERSION_GAIN;
            self.rate += (rate - self.rate) * if surprised { RATE_GAIN_SURPRISED } else { RATE_GAIN };
        } else {
            self.rate = rate.max(self.rate * RATE_FORGETTING);
        }
    }

    /// b: the latency itself where that is proven free, now; otherwise the least that was seen, and never a large share of D.
    fn learn_baseline(&mut self, latency: Millis, free: bool, law: &LimitLaw) {
        if free {
            let gain = if self.baseline_ms > 0.0 { 0.3 } else { 1.0 };
            self.baseline_ms += (latency - self.baseline_ms) * gain;
            return;
        }
        let ceiling = BASELINE_CEILING * law.deadline_ms;
        if self.baseline_ms <= 0.0 {
            self.baseline_ms = latency.min(ceiling);
        } else if latency < self.baseline_ms {
            self.baseline_ms += (latency - self.baseline_ms) * 0.5;
        }
    }

    fn follow_tail(&mut self, w: &Window) {
        let gain = (w.count / TAIL_MEMORY).min(1.0);
        self.tail += (w.tail / w.count - self.tail) * gain;
        let excess = self.tail / TAIL_TOLERANCE - 1.0;
        let step = if excess > 0.0 { -TAIL_SHRINK * excess.min(1.0) } else { TAIL_RETURN };
        self.tail_factor = (self.tail_factor * (1.0 + step)).clamp(TAIL_LOWEST, 1.0);
    }
}
