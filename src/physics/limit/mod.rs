//! The limit: how many requests a route carries at once without missing its deadline.
//!
//! # The law
//!
//! A request is refused only where evidence says that, admitted now, it or a more important one would be late. Without
//! evidence it is admitted.
//!
//! ```text
//! b, queue     latency without a queue, and the proof of one: `latency`, and `overtaking` while the route is hardly known
//! M, μ         most and present completions a ms with every server at work: `throughput`
//! Q            work in flight beyond what was admitted within b: `backlog`
//! V̇ = λ − μ    the backlog that would stand if nothing had ever been refused, with μ at the most that it may be, less as answers come
//!              late; at most 1.3·μ·D
//! k = M·b      the knee: that many keep every server busy
//! n*, r*, ρ    the knee as it was met under standing overload, the rate at it, and how far that overloads it: `knee`
//! m            1.5·(1 + dispersion)/(ρ − 1): what chance takes from work in flight
//! w            the share of ends without an answer that count as completions in M, μ and Q: `unanswered`
//!
//! no queue proven     refuse while b + Q/μ nears D, beyond twice what was explored and, at first, `initial`
//! V ≤ 0.85·μ·D        burst: H = max(μ, M)·D, what the deadline can still drain; less, below the top tier, what that tier
//!                     had in former bursts that were too large, as far as it has not come yet
//! V ≥ 1.15·μ·D        standing: S = max(min(τ·μ·D, 20·k), min(max(1.5·k', k' + m) + 1, max(0.75·μ·(D − q), 1.07·k'·f)), 0.9·n' + m),
//!                     with k' = min(k, n*), n' = min(n*, 1.5·r*·b), and f = 1, less in proportion below k' = 8, and as the share of late
//!                     answers rises from 0.3, where f is whole, to 0.5, where it is 0; a queue that is proven stays so
//! between             from H to S linearly
//! critical            as far as 0.9·μ·(D − q), less where it overloads the route by itself: it is still on time there
//!                     or just beyond the most in flight whose answers were on time, if that is more
//! standing, though the load was served before, or latency did not follow while work in flight rose: `onset`
//!                     the limit is raised in steps as long as latency does not follow: `elasticity`
//! nothing admitted    for 4·D·(n/limit)² and 5·b: one more than are in flight, of any tier; μ and M are forgotten when such are on time: `probe`
//! ```
//!
//! q is the 0.8 quantile of what a service takes beyond b + wait.
//!
//! # Why it holds
//!
//! *Harmless.* Where there is no queue, Q is 0 on average for any arrival process (Little), so b + Q/μ stays b. Where
//! there is one, a request that meets n ≤ μ·D in flight is served within D, and one that meets more is not; the margins
//! below μ·D are what the spread of services makes late. V exceeds μ·D only after a request would have been late without
//! a guard. So as long as every request would be on time with that margin, and μ and b are known, none of the conditions
//! holds, and neither s nor D/s occurs in those for a burst. A burst that uses the margin itself may be refused in part,
//! and so may one that meets a μ which a former load left too low: `tests/physics/limit_harmless.rs` states how much.
//!
//! *Sufficient.* Under lasting overload V rises to its bound and stays there, refusals being no excuse: V counts what is
//! offered. Then S holds, which keeps every server at work (S > k) at a wait of about τ·D. Where services take much of D, some
//! of them are late by themselves, whatever waits: S keeps the servers busy all the same. Less in flight than keeps every server busy
//! completes less, and M, and so k and S, would follow it down, for ever less though nothing waits: n* holds it, and M forgets nothing
//! that the limit keeps from being met, as long as μ is near it. Nor does the short queue of a limit say that there is none, or a long
//! one what a service takes: under overload no proof of a queue lapses before every answer takes what it takes without one, and no
//! latency that met little work in flight is forgotten.
//!
//! A limit makes what it rests on true: where a dependency without a queue becomes slow, what was let in is what is completed, so
//! that S falls with the rate that it allows. Only more in flight tells. Before the limit held there was: if latency did not
//! follow it, or the load is one that was served before, more is let in; later where latency followed: in a dependency that slows down
//! little by little it does, for another reason.
//!
//! *It recovers.* When the load falls to ρ < 1, V is back at 0.85·μ·D after at most 0.45·D/(1 − ρ). Completions that are faster or
//! slower than was known are followed within `CHANGE_MEMORY` of them. Throughput that falls with work in flight is told
//! from a loss of speed by an experiment (`contention`), a limit that rests on a false b by another (`lateness`); both
//! are bounded in what they cost. Where what is late already takes every place, the limit is probed (`probe`), and a
//! route that is well again is a new one.
//!
//! One file, because the terms of the law share one state: what requests and answers change of it is here, and the limits that follow
//! from it in `bands`.

mod backlog;
mod bands;
mod contention;
mod elasticity;
mod knee;
mod latency;
mod lateness;
mod onset;
mod overtaking;
mod pace;
mod probe;
mod sample;
mod throughput;
mod unanswered;

use backlog::Backlog;
use bands::{DEMAND_BURST, DEMAND_MOST, FEWEST_SERVERS, STANDING_ON_TIME};
use contention::{Asked, At, Contention};
use elasticity::{Answer, Elasticity};
use knee::Knee;
use latency::Latencies;
use lateness::Lateness;
use onset::{Finding, Onset};
use overtaking::Overtaking;
use probe::Probe;
use throughput::Throughput;
use unanswered::Unanswered;

use super::{
    math::{larger, smaller},
    voltage::Thresholds,
};
use crate::units::Millis;

/// Octaves of work in flight that are told apart.
const OCTAVES: usize = 20;
/// ... and that are kept together.
const STEP: usize = 4;
/// V from which contention may be suspected, as a share of μ·D.
const OVERLOADED: f64 = 0.5;
/// ... and the rate of admissions, as a multiple of M, from which it may at once.
const OVERLOADING: f64 = 1.3;
/// Work in flight and V up to which the route is calm, as shares of μ·D.
const CALM_LOAD: f64 = 0.35;
const CALM_DEMAND: f64 = 0.1;
/// More than so many knees in flight is a crowd, as V beyond a knee is.
const CROWD_KNEES: f64 = 2.0;
/// Answers met what the standing limit lets in, and not what still waits from before, up to this multiple of it and so many more.
const LOW: (f64, f64) = (1.2, 2.0);
/// Answers over which the share of late ones is averaged, and the share at which μ is no longer taken for the most that it may be.
const LATE_MEMORY: f64 = 64.0;
const LATE_SHARE: f64 = 0.25;
/// Completions after which a route is known.
const KNOWN_AFTER: f64 = 256.0;
/// Completions over which V of the top tier is averaged: a burst of it is not an overload by it.
const TOP_MEMORY: f64 = 128.0;
/// V that is a burst worth learning from, as a share of μ·D.
const LARGE_BURST: f64 = 0.5;
/// Completions over which the largest knee is remembered: a route that has slowed has as many servers as before.
const KNEE_MEMORY: f64 = 2048.0;
/// The number of answers of late over which what those took is averaged that met an idle server.
const PLACED_MEMORY: f64 = 32.0;
/// The quantile q, and the part of the deadline by which it moves.
const EXCESS_QUANTILE: f64 = 0.8;
const EXCESS_STEPS: f64 = 60.0;
const EXCESS_SERVICES: f64 = 20.0;
/// The weights with which the deadline follows clients that give up earlier, and returns.
const PATIENCE_GAIN: f64 = 0.1;
const PATIENCE_RETURN: f64 = 0.0002;
/// An answer after this share of the clients' patience shows that they had more.
const PATIENCE_SHOWN: f64 = 0.9;
/// Share of b within which a request that ends without an answer took nothing of the route.
const AT_ONCE: f64 = 0.125;
/// The moves of the edge of what was on time with an answer beyond it, and with a late one.
const EDGE_UP: f64 = 0.1;
const EDGE_DOWN: f64 = 0.05;

/// The octave of a number in flight, 0 or more.
#[inline]
fn octave(n: f64) -> usize {
    // A number's exponent, which is 1023 from 1 on.
    (n.to_bits() >> 52).clamp(1023, 1022 + OCTAVES as u64) as usize - 1023
}

/// Bounds of the limit and the deadline it serves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitLaw {
    /// D, ms.
    pub deadline_ms: Millis,
    /// The limit is never below this.
    pub min: f64,
    /// The limit is never above this.
    pub max: f64,
    /// The number that may be in flight beyond what was explored, while the route is hardly known and no queue is proven.
    pub initial: f64,
}

/// The relation of latency to work in flight, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Regime {
    /// Nothing is known yet.
    Unknown = 0,
    /// Latency grows with work in flight: there is a queue to keep short.
    Queueing = 1,
    /// Latency does not: there is nothing to gain from a limit.
    Free = 2,
}

/// The limit's state. Laid out as written: what every request reads comes first, where an offset takes one byte of code in wasm.
///
/// ```
/// use atrion::physics::{
///     limit::{Limit, LimitLaw, Regime},
///     params::RouteParams,
/// };
///
/// let law: LimitLaw = RouteParams::default().limit;
/// let limit = Limit::new(&law, 0.0);
/// assert_eq!(limit.regime(), Regime::Unknown);
/// assert!(limit.thresholds(0.0, &law).start > 1.0, "a route that is not known yet admits");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Limit {
    now_ms: Millis,
    /// Work in flight did not fall below the knee in this window.
    busy: bool,
    /// The time at which the window had seen enough, ms.
    telling_ms: Millis,
    baseline_ms: Millis,
    span_ms: Millis,
    queueing: bool,
    free_up_to: f64,
    /// The rest of the allowance for a route that is hardly known, 1 to 0.
    optimism: f64,
    knee: f64,
    /// The largest knee of late.
    known_knee: f64,
    /// The latency of late of answers that met a server which idled, as far as is known, ms, and their number of late.
    placed_ms: Millis,
    placed: f64,
    /// V, and V of the top tier alone.
    demand: f64,
    top_demand: f64,
    /// The most that V of the top tier rose above its average in the last burst that was too large.
    top_burst: f64,
    /// ... since V was last 0, where not all could be served.
    top_peak: f64,
    /// V of the top tier on average over the last completions.
    top_standing: f64,
    /// q, ms.
    excess_ms: Millis,
    /// The deadline, or what clients wait for if that is less, ms.
    patience_ms: Millis,
    /// The share of answers of late that came late.
    late_share: f64,
    /// The work in flight up to which answers were on time.
    edge: f64,
    /// H, S and the top tier's reach.
    burst: f64,
    standing: f64,
    top: f64,
    throughput: Throughput,
    backlog: Backlog,
    contention: Contention,
    lateness: Lateness,
    latencies: Latencies,
    unanswered: Unanswered,
    probe: Probe,
    overtaking: Overtaking,
    met_knee: Knee,
    elasticity: Elasticity,
    onset: Onset,
}

image! { Limit {
    now_ms, busy, telling_ms, baseline_ms, span_ms, queueing, free_up_to, optimism, knee, known_knee, placed_ms,
    placed, demand, top_demand, top_burst, top_peak, top_standing, excess_ms, patience_ms, late_share, edge, burst, standing,
    top, throughput, backlog, contention, lateness, latencies, unanswered, probe, overtaking, met_knee, elasticity, onset,
} }

impl Limit {
    /// The limit of a route that has not been measured yet.
    #[must_use]
    pub fn new(law: &LimitLaw, now_ms: Millis) -> Self {
        Self {
            latencies: Latencies::default(),
            unanswered: Unanswered::default(),
            probe: Probe::default(),
            overtaking: Overtaking::default(),
            met_knee: Knee::new(now_ms),
            elasticity: Elasticity::default(),
            onset: Onset::default(),
            throughput: Throughput::new(now_ms),
            backlog: Backlog::default(),
            contention: Contention::default(),
            lateness: Lateness::default(),
            now_ms,
            busy: false,
            telling_ms: f64::INFINITY,
            baseline_ms: 0.0,
            span_ms: 0.0,
            queueing: false,
            free_up_to: 0.0,
            optimism: 1.0,
            knee: 1.0,
            known_knee: 1.0,
            placed_ms: 0.0,
            placed: 0.0,
            demand: 0.0,
            top_demand: 0.0,
            top_burst: 0.0,
            top_peak: 0.0,
            top_standing: 0.0,
            excess_ms: 0.0,
            patience_ms: law.deadline_ms,
            late_share: 0.0,
            edge: 0.0,
            burst: f64::INFINITY,
            standing: f64::INFINITY,
            top: f64::INFINITY,
        }
    }

    /// μ, completions a ms; 0 before it is known.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.throughput.rate
    }

    /// b, ms; 0 before the first answer.
    #[must_use]
    pub fn baseline_ms(&self) -> Millis {
        self.baseline_ms
    }

    /// The relation of latency to work in flight, as far as it is known.
    #[must_use]
    pub fn regime(&self) -> Regime {
        match (self.queueing, self.baseline_ms > 0.0) {
            (true, _) => Regime::Queueing,
            (false, true) => Regime::Free,
            (false, false) => Regime::Unknown,
        }
    }

    /// Time passes with `n` in flight.
    #[inline]
    pub fn pass(&mut self, n: f64, now_ms: Millis) {
        let elapsed_ms = now_ms - self.now_ms;
        if elapsed_ms <= 0.0 {
            return;
        }
        if n > 0.0 {
            let counted_ms = self.throughput.pass(n, self.knee, self.baseline_ms, self.now_ms, now_ms);
            self.contention.pass(n, counted_ms);
        }
        self.met_knee.pass(n, elapsed_ms);
        let mut rate = self.throughput.rate_at_most;
        // Late answers refute that μ is the most that it may be.
        if self.late_share > 0.0 {
            rate -= smaller(self.late_share / LATE_SHARE, 1.0) * self.throughput.doubt();
        }
        let served = rate * elapsed_ms;
        self.demand = larger(self.demand - served, 0.0);
        if self.demand == 0.0 && n < self.knee {
            self.contention.end();
        }
        self.top_demand = larger(self.top_demand - served, 0.0);
        self.backlog.pass(now_ms);
        self.now_ms = now_ms;
    }

    /// μ·D: what the deadline drains.
    fn drained(&self, law: &LimitLaw) -> f64 {
        larger(self.throughput.rate_at_most * smaller(self.patience_ms, law.deadline_ms), self.knee)
    }

    /// Is more offered than can be done?
    #[cold]
    #[inline(never)]
    fn is_overloaded(&self, law: &LimitLaw) -> bool {
        self.demand > OVERLOADED * self.drained(law)
            || self.backlog.admission_rate() > OVERLOADING * self.throughput.most
    }

    /// Nothing has been admitted for the deadline.
    #[cold]
    #[inline(never)]
    fn ask_probe(&mut self, n: f64, law: &LimitLaw) {
        let Thresholds { start, full, .. } = self.thresholds(n, law);
        let is_refused = n > 0.0 && self.load(n, self.now_ms) + 1.0 > start;
        self.probe.ask(n, if is_refused { full } else { 0.0 }, self.patience_ms, self.baseline_ms, self.now_ms);
    }

    /// An answer while a probe has room: where it proves that the route is another, no queue is proven any more. Under contention it
    /// only proves that the crowd has gone.
    #[cold]
    #[inline(never)]
    fn answer_probe(&mut self, admitted_ms: Millis, in_time: bool) {
        if self.probe.answer(admitted_ms, in_time) && !self.contention.is_confirmed() {
            self.throughput = Throughput::new(self.now_ms);
            self.contention.end();
            self.lateness = Lateness::default();
            self.queueing = false;
        }
    }

    /// A request asks where `n` are in flight, whatever becomes of it; `top`: of the top tier.
    #[inline]
    pub fn offer(&mut self, n: f64, top: bool, law: &LimitLaw) {
        self.close_if_due(n, law);
        if self.probe.is_quiet(self.patience_ms, self.now_ms) {
            self.ask_probe(n, law);
        }
        if self.contention.is_due(&self.throughput, self.knee) && self.is_overloaded(law) {
            let asked = Asked {
                n,
                knee: self.knee,
                baseline_ms: self.baseline_ms,
                deadline_ms: self.patience_ms.min(law.deadline_ms),
                now_ms: self.now_ms,
                is_burst: !(self.queueing && self.is_standing(law)),
            };
            self.contention.suspect(&asked, &self.throughput);
        }
        self.met_knee.offer();
        let most = self.drained(law) * DEMAND_MOST + 1.0;
        self.demand = smaller(self.demand + 1.0, most);
        if top {
            self.top_demand = smaller(self.top_demand + 1.0, most);
            if self.demand * DEMAND_MOST > DEMAND_BURST * most {
                self.top_peak = larger(self.top_peak, self.top_demand - self.top_standing);
                self.top_burst = larger(self.top_burst, self.top_peak);
            }
        }
    }

    /// Work in flight that counts at `now_ms` where `n` are: a silence costs as much capacity as it lasts, but for a probe.
    #[inline]
    #[must_use]
    pub fn load(&self, n: f64, now_ms: Millis) -> f64 {
        if n < self.probe.room {
            return n;
        }
        n + self.throughput.rate * self.throughput.silence_ms(self.baseline_ms, now_ms)
    }

    /// V was bounded by what the deadline drained at `rate` a ms. Under contention, where that rate says nothing of what the
    /// route can do, the bound holds in proportion.
    fn follow(&mut self, rate: f64, law: &LimitLaw) {
        let grown = self.throughput.rate_at_most / rate;
        if rate > 0.0 && grown > 1.0 && self.demand > DEMAND_BURST * self.drained(law) / grown {
            self.demand *= grown;
        }
    }

    /// Is it more than a burst that was offered?
    fn is_standing(&self, law: &LimitLaw) -> bool {
        self.demand > DEMAND_BURST * self.drained(law)
    }

    /// Is there so little in flight and so little demand that what is met is what there is to be met? b and k, which a queue that passes
    /// for the service raises, are no measure of that, unless the service takes more than the deadline by nature.
    fn is_calm(&self, n: f64, law: &LimitLaw) -> bool {
        let drained = self.drained(law);
        let is_little = n < CALM_LOAD * drained && self.demand < CALM_DEMAND * drained;
        self.demand < self.knee && (is_little || self.baseline_ms > law.deadline_ms)
    }

    /// A request was admitted; `n` are in flight with it.
    #[inline]
    pub fn admit(&mut self, n: f64, now_ms: Millis) {
        if n <= 1.0 {
            self.throughput.begin(now_ms);
            self.overtaking.begin();
        }
        self.backlog.admit();
        self.probe.admit(now_ms);
    }

    /// A request came back, and `n` are in flight without it. It had met `met`, itself included, and took `latency_ms`,
    /// which says something of the route unless it failed.
    pub fn complete(&mut self, n: f64, met: f64, latency_ms: Millis, succeeded: bool, law: &LimitLaw) {
        let now_ms = self.now_ms;
        self.close_if_due(n + 1.0, law);
        if self.probe.room > 0.0 {
            self.answer_probe(now_ms - latency_ms, succeeded && latency_ms <= law.deadline_ms);
        }
        if succeeded {
            self.observe(n, met, latency_ms, law);
        }
        if self.contention.cap().is_some() {
            let at = At {
                n: n + 1.0,
                knee: self.knee,
                baseline_ms: self.baseline_ms,
                admitted_ms: now_ms - latency_ms,
                latency_ms,
                met,
            };
            let rate = self.throughput.rate_at_most;
            self.contention.complete(&at, &mut self.throughput, &mut self.latencies);
            self.follow(rate, law);
        }
        self.throughput.complete(n + 1.0, met, latency_ms, self.knee, now_ms);
        if self.met_knee.complete() {
            let drained = self.drained(law);
            let is_over = self.demand < self.knee;
            let is_calm = self.demand < larger(self.knee, CALM_DEMAND * drained)
                && self.met_knee.mean(now_ms) < CALM_LOAD * drained;
            let is_standing = self.queueing && self.is_standing(law);
            self.met_knee.judge(is_standing, is_over, is_calm, self.throughput.dispersion, now_ms);
        }
        self.backlog.complete();
        self.optimism = larger(self.optimism - 1.0 / KNOWN_AFTER, 0.0);
        self.busy &= n + 1.0 > self.knee;
        if self.baseline_ms == 0.0 {
            self.close(n, law);
        } else if self.throughput.is_telling(self.span_ms, law.deadline_ms) {
            self.telling_ms = now_ms;
        }
    }

    /// Ends a window that has seen enough, once time has passed: what completes together is counted together.
    #[inline]
    fn close_if_due(&mut self, n: f64, law: &LimitLaw) {
        if self.now_ms > self.telling_ms {
            self.close(n, law);
        }
    }

    fn close(&mut self, n: f64, law: &LimitLaw) {
        self.telling_ms = f64::INFINITY;
        if self.is_calm(n, law) {
            let (met, latency_ms) = self.throughput.window_means();
            if met < CALM_LOAD * self.drained(law) {
                self.latencies.record_calm(latency_ms, self.throughput.counted());
            }
            self.latencies.age(self.throughput.counted());
        }
        if self.elasticity.begun && !(self.queueing && self.is_standing(law)) {
            self.elasticity.rest(self.is_calm(n, law));
        }
        let rate = self.throughput.rate_at_most;
        self.known_knee *= (1.0 - self.throughput.counted() / KNEE_MEMORY).max(0.0);
        self.remember_top(law);
        let is_limited = self.queueing && self.knee >= FEWEST_SERVERS && self.is_standing(law);
        self.throughput.close(n, self.busy, is_limited, self.baseline_ms);
        if self.contention.cap().is_some() {
            self.follow(rate, law);
        }
        self.busy = n + 1.0 > self.knee;
        self.derive(n, law);
    }

    /// Updates what is known of the top tier's demand: its part of the last burst that was too large, less with every large one
    /// since then that was not.
    fn remember_top(&mut self, law: &LimitLaw) {
        let weight = smaller(self.throughput.counted() / TOP_MEMORY, 1.0);
        self.top_standing += weight * (self.top_demand - self.top_standing);
        if self.top_peak == 0.0 {
            if self.demand > LARGE_BURST * self.drained(law) {
                self.top_burst *= 1.0 - weight;
            }
        } else if self.demand == 0.0 {
            self.top_burst = self.top_peak;
            self.top_peak = 0.0;
        }
    }

    /// Updates what is known of latency with an answer; `n` are in flight without it.
    fn observe(&mut self, n: f64, met: f64, latency_ms: Millis, law: &LimitLaw) {
        let deadline_ms = law.deadline_ms;
        self.unanswered.answer(self.is_spared(met, law));
        // An answer that was served beside a crowd that slows it down says nothing of b.
        if !self.contention.covers(self.now_ms - latency_ms) {
            self.latencies.record(met, latency_ms);
        }
        let is_late = latency_ms > deadline_ms;
        if is_late || self.late_share > 0.0 {
            self.late_share += (f64::from(u8::from(is_late)) - self.late_share) / LATE_MEMORY;
        }
        if is_late {
            if met <= 1.3 * self.edge {
                self.edge = (self.edge * (1.0 - EDGE_DOWN)).max(1.0);
            }
        } else if met > self.edge {
            self.edge += EDGE_UP * (met - self.edge);
            self.burst = self.burst.max(1.1 * self.edge);
        }
        self.overtaking.answer(self.now_ms - latency_ms, met);
        self.patience_ms = smaller(self.patience_ms + PATIENCE_RETURN * deadline_ms, deadline_ms);
        if latency_ms > PATIENCE_SHOWN * self.patience_ms {
            let shown = (1.1 * latency_ms - self.patience_ms).max(0.0);
            self.patience_ms = (self.patience_ms + PATIENCE_GAIN * shown).min(deadline_ms);
        }
        if self.throughput.rate_at_most > 0.0 {
            let excess_ms = latency_ms - larger(met, self.knee) / self.throughput.rate_at_most;
            let step_ms = smaller(EXCESS_SERVICES * self.baseline_ms, deadline_ms) / EXCESS_STEPS;
            let moved = if excess_ms > self.excess_ms { EXCESS_QUANTILE } else { EXCESS_QUANTILE - 1.0 };
            self.excess_ms = smaller(larger(self.excess_ms + moved * step_ms, 0.0), deadline_ms);
        }
        // The places are no fewer than none: how many is asked only where it may matter, but in wasm, where code is dearer.
        if cfg!(not(target_family = "wasm")) && met <= 1.0 || met <= self.busy_places() + 1.0 {
            self.placed = smaller(self.placed + 1.0, PLACED_MEMORY);
            self.placed_ms += (latency_ms - self.placed_ms) / self.placed;
        }
        if larger(self.demand, n / CROWD_KNEES) > self.knee {
            self.observe_crowd(met, latency_ms, law);
        } else {
            self.onset.calm_ms = self.now_ms;
        }
    }

    /// An answer while there is a crowd: what it says of the limit and of the onset of an overload.
    #[cold]
    #[inline(never)]
    fn observe_crowd(&mut self, met: f64, latency_ms: Millis, law: &LimitLaw) {
        let is_standing = self.queueing && self.is_standing(law);
        self.onset.complete(met, latency_ms, self.now_ms, is_standing);
        if is_standing {
            self.try_more(met, latency_ms);
            if met <= 1.15 * self.standing.max(1.0) + 1.0 {
                let patience_ms = law.deadline_ms.min(self.patience_ms);
                self.lateness.complete(met, latency_ms, self.now_ms, patience_ms, &mut self.latencies);
            }
        }
    }

    /// An answer under standing overload, which the limit itself may have caused: tries whether more in flight takes longer.
    fn try_more(&mut self, met: f64, latency_ms: Millis) {
        let dispersion = self.throughput.dispersion;
        let finding = self.onset.finding(self.now_ms);
        let is_flat = finding == Finding::Flat;
        // Nothing waits where nothing waited before.
        let most = if is_flat { larger(self.standing, self.top) } else { self.standing };
        let answer = Answer {
            met,
            latency_ms,
            now_ms: self.now_ms,
            low: LOW.0 * most + LOW.1,
            on_time: STANDING_ON_TIME * self.top,
            dispersion,
            followed: finding == Finding::Followed,
        };
        // Under contention a crowd takes its time whatever is added to it.
        let is_alone = is_flat && self.contention.cap().is_none();
        let free = is_alone.then(|| self.onset.as_trial()).flatten();
        if let Some(free) = free.filter(|free| !self.elasticity.refutes(free)) {
            self.elasticity.climb(&answer, free, free.latency_ms, &mut self.latencies);
            return;
        }
        let is_suspected = is_flat || finding != Finding::Early && self.met_knee.serves_less(dispersion, self.now_ms);
        self.elasticity.complete(&answer, is_suspected, &mut self.latencies);
    }

    /// Did a request that met `met`, itself included, meet a server that idled, without overload?
    fn is_spared(&self, met: f64, law: &LimitLaw) -> bool {
        met <= self.knee && self.demand <= DEMAND_BURST * self.drained(law)
    }

    /// A request ended without an answer after `age_ms`, and `n` are in flight without it; `waited`: it took as long as hardly an
    /// answer does. For the share that `unanswered` gives it was completed. Where that is less than half, its client rather gave up, and
    /// there is no use in an answer that comes later.
    pub fn give_up(&mut self, n: f64, met: f64, age_ms: Millis, waited: bool, law: &LimitLaw) {
        // An end right after the beginning took nothing of the route.
        if age_ms < AT_ONCE * self.baseline_ms {
            return;
        }
        let share = self.unanswered.give_up(self.is_spared(met, law));
        let is_late = age_ms > 2.0 * self.baseline_ms && age_ms < self.patience_ms;
        if waited && is_late && self.throughput.most > 0.0 {
            let impatience = larger(1.0 - 2.0 * f64::from(share), 0.0);
            self.patience_ms += PATIENCE_GAIN * impatience * (age_ms - self.patience_ms);
        }
        if self.unanswered.completes(share) {
            self.complete(n, met, age_ms, false, law);
        }
    }

    /// The answers that so many requests would have by nature, at most.
    #[must_use]
    pub fn expected_answers(&self, requests: u32, unanswered: u32) -> f64 {
        f64::from(requests) * f64::from(self.unanswered.answered_share(unanswered))
    }

    /// The limits, from what is known at the end of a window.
    fn derive(&mut self, n: f64, law: &LimitLaw) {
        let is_standing = self.is_standing(law);
        let deadline_ms = self.patience_ms.min(law.deadline_ms);
        let mut reading = self.latencies.read(is_standing, deadline_ms);
        let answers = KNOWN_AFTER * (1.0 - self.optimism);
        let backlog = n - self.backlog.admitted();
        reading.queueing |= self.optimism > 0.0 && self.overtaking.proves_queue(backlog, answers, self.now_ms);
        self.known_knee *= (reading.baseline_ms / self.baseline_ms).min(1.0);
        self.baseline_ms = reading.baseline_ms;
        self.span_ms = reading.span_ms;
        self.free_up_to = reading.free_up_to;
        self.backlog.set_span(self.baseline_ms, self.now_ms);
        // A limit that keeps the queue short is no proof that there is none.
        let stays = self.queueing && (!reading.free || self.elasticity.climbs) && is_standing;
        self.queueing = (reading.queueing || stays) && self.throughput.most > 0.0;
        if self.throughput.most <= 0.0 {
            return;
        }
        let knee = (self.throughput.most * self.baseline_ms).max(1.0);
        self.knee = knee;
        self.known_knee = if self.optimism > 0.0 { knee } else { self.known_knee.max(knee) };
        self.bound(deadline_ms);
    }
}
