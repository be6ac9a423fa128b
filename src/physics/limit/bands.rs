//! The limits that follow from what is known of a route: H of a burst, S of a standing overload, the top tier's reach, the bands in
//! which requests are refused between them, and the places for those that can wait.

use super::{Limit, LimitLaw, Thresholds, latency::QUEUE_RATIO};
use crate::{
    physics::math::{larger, smaller, whole},
    units::Millis,
};

/// τ: the wait of the standing limit, as a share of the deadline.
const STANDING_WAIT: f64 = 0.32;
/// The standing limit is no more than this many knees: a queue that is longer keeps no server busier.
const LONGEST_QUEUE: f64 = 20.0;
/// The standing limit over the knee.
const STANDING_KNEES: f64 = 1.5;
/// ... and of what is on time, so that the top tier finds room above it.
pub(super) const STANDING_ON_TIME: f64 = 0.75;
/// ... but no less than so many knees: services that are late by themselves are no reason to let servers idle. In proportion less below
/// this many servers, whose knee owes too much to chance.
const BUSY_KNEES: f64 = 1.07;
pub(super) const FEWEST_SERVERS: f64 = 8.0;
/// Shares of late answers up to which that holds in full, and from which it does not: b may be a queue that passes for the service.
const BUSY_LATE: (f64, f64) = (0.3, 0.5);
/// m: e^(−2·1.5), one twentieth, of what chance takes from the work in flight of a route that is overloaded to ρ reaches below the knee.
const CHANCE: f64 = 1.5;
/// The least of ρ − 1: less is not known.
const LEAST_EXCESS: f64 = 0.2;
/// n* counts from so many on: the fewer there are, the less the knee follows its limit, and the more n* owes to chance.
const LEAST_MET: f64 = 16.0;
/// The standing limit is no less than this share of n*, and so much of n* more for chance.
const MET_SHARE: f64 = 0.9;
const MET_CHANCE: f64 = 0.18;
/// Shedding starts this far above the knee: services vary, and a server that idles is goodput lost.
const KNEE_MARGIN: f64 = 1.15;
/// Shares of the standing limit at which shedding starts, at least and at most.
const STANDING_START: (f64, f64) = (0.62, 0.85);
/// ... and of the cap of an experiment at which it does, at least.
const CAPPED_START: f64 = 0.5;
/// In a burst, shedding starts, and the route is full, by these shares of H − 2k below H.
const BURST_START: f64 = 0.3;
const BURST_FULL: f64 = 0.15;
/// ... and by this many at least: the request itself is in flight as well.
const BURST_OWN: f64 = 1.0;
/// V may be a burst up to this share of μ·D, and is standing overload this much beyond.
pub(super) const DEMAND_BURST: f64 = 0.85;
const DEMAND_REACH: f64 = 0.3;
/// The most that V becomes, as a share of μ·D.
pub(super) const DEMAND_MOST: f64 = DEMAND_BURST + 1.5 * DEMAND_REACH;
/// Share of the deadline that a predicted latency may take while no queue is proven, and the certainty of its backlog.
const UNPROVEN_SHARE: f64 = 0.7;
const BACKLOG_DEVIATIONS: f64 = 2.0;
/// A rate below this share of M is one that fell.
const SLOWS: f64 = 0.5;
/// The reach of the top tier, as a share of what is on time: where it overloads the route by itself, and where it does
/// not; and the share of μ·D that its own V must reach for that.
const TOP_REACH: (f64, f64) = (0.6, 0.9);
const TOP_DEMAND: f64 = 0.5;
/// ... beyond the requests that chance alone piles up.
const TOP_CHANCE: f64 = 4.0;
/// The addition of the top tier to the cap of an experiment, at most.
const TOP_CAPS: f64 = 2.0;
const TOP_CAP_OWN: f64 = 10.0;
/// So many times the cap is added to it as the backlog that would stand is drained.
const RELIEVED: f64 = 2.0;
/// Places for requests that can wait: so much more than servers, in parts of them or of one, rounded down. A server that is
/// overlooked is lost where there are many; where there are few, one too many costs the order of tiers.
const PLACES_MARGIN: f64 = 1.1;
const PLACES_ROUNDING: f64 = 0.3;
/// The multiples of q, beyond b, that must still fit into the deadline of what waits below the top tier.
const SERVICE_EXCESS: f64 = 1.5;
/// The multiple of b at which what answers took that met an idle server makes b and the number of servers void.
const STALE_RATIO: f64 = 2.0;
/// Shares of the deadline after which one that waits in what may be a burst is admitted further, and until shedding would start.
const DOUBT: (f64, f64) = (0.05, 0.25);
/// The longest wait for a place under standing overload, as a share of the deadline.
const WAIT_SHARE: f64 = 0.4;

impl Limit {
    /// H, S and the top tier's reach, from what is known at the end of a window.
    pub(super) fn bound(&mut self, deadline_ms: Millis) {
        let knee = self.knee;
        let rate = self.throughput.rate_at_most;
        let on_time = rate * (deadline_ms - self.excess_ms).max(0.0);
        // A rate that it once had it may have again: V tells a burst from an overload by what it does now.
        self.burst = (rate.max(self.throughput.most) * deadline_ms).max(knee + 1.0).max(1.1 * self.edge);
        let wait = (STANDING_WAIT * rate * deadline_ms).min(LONGEST_QUEUE * knee);
        let knee = self.standing_knee();
        let busy = (STANDING_KNEES * knee).max(knee + self.chance()) + 1.0;
        let trusted = smaller(larger(BUSY_LATE.1 - self.late_share, 0.0) / (BUSY_LATE.1 - BUSY_LATE.0), 1.0);
        let least_busy = BUSY_KNEES * smaller(knee / FEWEST_SERVERS, 1.0) * trusted * knee;
        let standing =
            wait.max(busy.min((STANDING_ON_TIME * on_time).max(least_busy))).max(self.least().0).min(self.burst);
        self.standing = (standing * self.lateness.factor).max(1.0);
        if self.elasticity.raised > 0.0 {
            self.standing = self.standing.max(self.elasticity.raised);
            self.burst = self.burst.max(self.standing);
        }
        self.top = on_time;
    }

    /// The bands with `n` in flight: where shedding starts, where the route is full, and how far the top tier reaches.
    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn thresholds(&self, n: f64, law: &LimitLaw) -> Thresholds {
        let (mut start, mut full, mut top) = if self.queueing { self.proven(law) } else { self.unproven(n, law) };
        if let Some(cap) = self.cap(law) {
            start = start.min(self.capped_start(cap));
            full = full.min(cap);
            top = top.min(TOP_CAPS * cap + TOP_CAP_OWN);
        }
        if n < self.probe.room {
            start = larger(start, self.probe.room);
            full = larger(full, start);
        }
        let full = smaller(larger(full, law.min), law.max);
        Thresholds { start: smaller(start, full), full, top: smaller(larger(top, full), larger(law.max, full)) }
    }

    fn unproven(&self, n: f64, law: &LimitLaw) -> (f64, f64, f64) {
        let admitted = self.backlog.admitted();
        let backlog = n - admitted;
        // The root is asked only where it may matter.
        let is_short = backlog <= BACKLOG_DEVIATIONS || backlog <= BACKLOG_DEVIATIONS * (n.sqrt() + 1.0);
        if !self.backlog.is_known() || is_short {
            return (f64::INFINITY, f64::INFINITY, f64::INFINITY);
        }
        let rate = self.backlog.rate().max(self.throughput.most);
        let wait_ms = (UNPROVEN_SHARE * law.deadline_ms - self.baseline_ms).max(0.5 * self.baseline_ms);
        // Work that slows the route down is not free, however little the first answers took.
        let slows = self.backlog.rate() < SLOWS * self.throughput.most;
        let free = if slows { self.free_up_to.min(2.0 * self.knee) } else { self.free_up_to };
        let full = (rate * wait_ms + admitted).max(2.0 * free + self.optimism * law.initial).max(self.burst);
        ((1.0 - BURST_START) * full, full, full)
    }

    fn proven(&self, law: &LimitLaw) -> (f64, f64, f64) {
        let drained = self.drained(law);
        let burst = self.burstiness(law);
        let (low, high) = STANDING_START;
        let wanted = larger(KNEE_MARGIN * self.standing_knee() + 1.0 + self.chance(), self.least().1);
        let low = if self.elasticity.raised > 0.0 { high } else { low };
        let standing_start = smaller(larger(wanted, low * self.standing), high * self.standing);
        let queue = larger(self.burst - 2.0 * self.knee, 0.0);
        let start = burst * (self.burst - larger(BURST_START * queue, BURST_OWN)) + (1.0 - burst) * standing_start;
        let burst_full = self.burst - larger(BURST_FULL * queue, BURST_OWN);
        let full = burst * burst_full + (1.0 - burst) * self.standing;
        // The top tier's part of a burst like those before, as far as it has not come yet: a burst comes in any order.
        let kept = burst * larger(self.top_burst - TOP_CHANCE - self.top_demand, 0.0);
        let (start, full) = (larger(start - kept, standing_start), larger(full - kept, self.standing));
        let alone = smaller(larger(self.top_standing - TOP_CHANCE, 0.0) / (TOP_DEMAND * drained), 1.0);
        let reach = TOP_REACH.1 - (TOP_REACH.1 - TOP_REACH.0) * alone;
        // A resource that others share as well: n says little of what is on time, and what was on time says more. What the top
        // tier has in a burst is on time as well.
        let top = larger(self.top * reach, larger(self.edge + 1.0, burst_full) * (1.0 - alone));
        (start, full, top)
    }

    /// The most that may be in flight during an experiment, or a hold before it. Once contention is confirmed, up to three times as much as
    /// the backlog that would stand is drained: a calm load that meets the cap by chance is refused for nothing.
    fn cap(&self, law: &LimitLaw) -> Option<f64> {
        let cap = self.contention.cap()?;
        let drained = 1.0 - smaller(self.demand / (self.drained(law) * DEMAND_MOST), 1.0);
        Some(if self.contention.is_confirmed() { cap * (1.0 + RELIEVED * drained) } else { cap })
    }

    /// The point at which shedding starts while an experiment caps what is in flight.
    fn capped_start(&self, cap: f64) -> f64 {
        smaller(larger(KNEE_MARGIN * self.knee + 1.0, CAPPED_START * cap), STANDING_START.1 * cap)
    }

    /// The number in flight that keeps every server busy, whole: one more than there are servers waits where none can pass it. A route
    /// that has slowed has as many servers as before.
    pub(super) fn busy_places(&self) -> f64 {
        let servers = (self.throughput.rate_at_most * self.baseline_ms).max(self.known_knee);
        whole(larger(servers + PLACES_ROUNDING, PLACES_MARGIN * servers))
    }

    /// Up to how many in flight one is admitted that can wait and has waited for `waited_ms`, with `n` in flight: as many as keep
    /// every server busy, so that the queue is where the most important goes first. As many as are admitted without waiting
    /// where that is not known any more, and in what may be a burst for the top tier; until shedding would start, in what may be
    /// a burst, for one that has waited long.
    #[must_use]
    pub fn places(&self, n: f64, waited_ms: Millis, top: bool, law: &LimitLaw) -> f64 {
        let places = if self.queueing {
            let (start, full, _) = self.proven(law);
            let busy = self.latencies.explored(self.busy_places().min(self.standing));
            let doubt = ((waited_ms / law.deadline_ms - DOUBT.0) / (DOUBT.1 - DOUBT.0)).clamp(0.0, 1.0);
            let (reach, share) = if self.placed_ms > STALE_RATIO * self.baseline_ms {
                (full, 1.0)
            } else {
                let (reach, share) = if top { (full, 1.0) } else { (start, doubt) };
                (reach, share * self.burstiness(law))
            };
            busy + share * (reach - busy).max(0.0)
        } else {
            self.unproven(n, law).1
        };
        self.cap(law)
            .map_or(places, |cap| places.min(self.capped_start(cap)))
            .max(law.min.max(self.probe.room))
            .min(law.max)
    }

    /// The time that a request may wait for a place and still be answered in time, ms: in a burst, as long as without the room. One of
    /// the top tier waits for as long as an ordinary service would still be on time: it takes nothing from a more important one.
    #[must_use]
    pub fn may_wait_ms(&self, top: bool, law: &LimitLaw) -> Millis {
        let deadline_ms = self.patience_ms.min(law.deadline_ms);
        let left_ms = (deadline_ms - self.baseline_ms.max(self.placed_ms)).max(0.0);
        if top || !self.queueing {
            return left_ms;
        }
        let standing = 1.0 - self.burstiness(law);
        let left_ms = (left_ms - standing * SERVICE_EXCESS * self.excess_ms).max(0.0);
        left_ms - standing * (left_ms - WAIT_SHARE * deadline_ms).max(0.0)
    }

    /// 1 while what was offered may be a burst that the deadline drains, 0 under standing overload.
    fn burstiness(&self, law: &LimitLaw) -> f64 {
        smaller(larger(1.0 - (self.demand / self.drained(law) - DEMAND_BURST) / DEMAND_REACH, 0.0), 1.0)
    }

    /// m: chance lets the work in flight of a route that is overloaded to ρ vary by (1 + dispersion) ÷ 2(ρ − 1) on average below where
    /// requests are refused (a walk with a drift, between arrivals as they come and completions that vary by the dispersion).
    fn chance(&self) -> f64 {
        if self.met_knee.overload == 0.0 {
            return 0.0;
        }
        CHANCE * (1.0 + self.throughput.dispersion) / larger(self.met_knee.overload - 1.0, LEAST_EXCESS)
    }

    /// The knee of the standing limit: what was met, where b makes more of it.
    fn standing_knee(&self) -> f64 {
        if self.met_knee.at > 0.0 { smaller(self.knee, self.met_knee.at) } else { self.knee }
    }

    /// The least that the standing limit may be, and the least at which it may shed: it was worth that much, with no queue at it.
    fn least(&self) -> (f64, f64) {
        if self.optimism > 0.0 || self.met_knee.at < LEAST_MET {
            return (0.0, 0.0);
        }
        let met = smaller(self.met_knee.at, QUEUE_RATIO * self.met_knee.rate * self.baseline_ms);
        (MET_SHARE * met + smaller(self.chance(), MET_CHANCE * met), met)
    }
}
