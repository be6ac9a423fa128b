//! The limiter of a route: its closed loop, which counts, measures, and decides requests for permits.
//!
//! | file | content |
//! |---|---|
//! | `request` | a request for a permit, its result, its outcome |
//! | `cause` | the cause of a refusal |
//! | `capacity` | a limit and the work in flight that counts against it |
//! | `in_flight` | the work in flight, by tier, key and class |
//! | `outcome` | what the end of a request is evidence of |
//! | `window` | the tick at the end of a window |
//! | `retry` | Retry-After |
//! | `stats` | statistics |

mod capacity;
mod cause;
mod in_flight;
mod outcome;
mod request;
mod retry;
mod stats;
mod window;

pub use capacity::{Capacity, Load};
pub use cause::{CAUSES, Cause};
pub use request::{AcquireRequest, AcquireResult, Key, Outcome, Priority, Terms, Wait};
pub use stats::{Counts, Sheds, Stats};

use request::rank;

use super::{
    ids::Slot,
    permits::{Mark, PermitList, Permits},
};
use crate::{
    physics::{
        blame::Classes,
        breaker::{Breaker, Change},
        fairness::{self, Tally},
        histogram::Histogram,
        math::{larger, smaller},
        mode::Mode,
        params::RouteParams,
        peers::Blend,
        resistance::bootstrap_resistance,
        tick::{Override, RouteState},
        voltage::{Thresholds, Tier, place_resistance, process_resistance},
    },
    units::{MAX_RESISTANCE, Millis},
};

/// The deadlines without a completion from which a route counts as silent.
const SILENT_DEADLINES: f64 = 2.0;

/// The closed loop of one route, made when it is first asked for a permit. Laid out as written: what every request reads comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Limiter {
    /// The generation of the slot: distinguishes this route from earlier ones in the same slot.
    generation: u32,
    /// The work in flight on the route.
    load: Load,
    breaker: Breaker,
    /// Permits by key, and breakers by class; allocated on first use.
    tally: Option<Box<Tally>>,
    classes: Option<Box<Classes>>,
    /// The present window: completions, the sum of their latencies, failures, and refused requests.
    count: f64,
    latency_sum_ms: Millis,
    window_failures: f64,
    refused: f64,
    /// Requests given up unanswered since the last completion.
    cut_off: u32,
    window_started_ms: Millis,
    /// The start of the present time without a completion while requests are in flight.
    completed_ms: Millis,
    /// The latest time at which a request was admitted that has completed since.
    overtaken_ms: Millis,
    /// The time the last permit was released.
    ended_ms: Millis,
    /// True when a request ever completed.
    answered: bool,
    shed_share: f64,
    offered: f64,
    /// True when a window had enough completions to leave BOOTSTRAP.
    is_measured: bool,
    /// The mode that the last tick reported: a breaker opens and closes between ticks.
    reported_mode: Mode,
    list: PermitList,
    random: u64,
    counts: Counts,
    /// Requests shed, by tier and cause; allocated on first use.
    sheds: Option<Box<Sheds>>,
    latency: Histogram,
}

image! { Limiter {
    generation, load, breaker, tally, classes, count, latency_sum_ms, window_failures, refused, cut_off,
    window_started_ms, completed_ms, overtaken_ms, ended_ms, answered, shed_share, offered, is_measured, reported_mode, list,
    random, counts, sheds, latency,
} }

impl Limiter {
    /// A limiter without measurements. Where the inherited state says that several nodes refuse the route, its breaker starts
    /// open: it is probed, and closes by what it measures, where a scar would only fade.
    pub fn new(generation: u32, state: &mut RouteState, params: &RouteParams, now_ms: Millis) -> Self {
        let mut breaker = Breaker::default();
        if state.mode == Mode::Bootstrap && state.recovery_started_ms > 0.0 {
            state.scar = 0.0;
            state.resistance = bootstrap_resistance(params);
            state.mode = Mode::CircuitBreaker;
            state.recovery_started_ms = now_ms;
            breaker.open();
        }
        Self {
            generation,
            load: Load::default(),
            breaker,
            tally: None,
            classes: None,
            count: 0.0,
            latency_sum_ms: 0.0,
            window_failures: 0.0,
            refused: 0.0,
            cut_off: 0,
            window_started_ms: now_ms,
            completed_ms: now_ms,
            overtaken_ms: f64::NEG_INFINITY,
            ended_ms: now_ms,
            answered: false,
            shed_share: 0.0,
            offered: 0.0,
            is_measured: false,
            reported_mode: Mode::Bootstrap,
            latency: Histogram::default(),
            list: PermitList::default(),
            random: u64::from(generation),
            counts: Counts::default(),
            sheds: None,
        }
    }

    /// The generation of its slot.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns whether any work is in flight.
    pub fn is_busy(&self) -> bool {
        self.load.under_way() > 0.0
    }

    /// The work in flight on the route.
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// The event loop was blocked in that time, ms: nothing could complete in it, which is no silence of the route.
    #[cfg(not(target_family = "wasm"))]
    pub fn blocked(&mut self, since_ms: Millis, until_ms: Millis) {
        if self.is_busy() {
            self.completed_ms += (until_ms - since_ms.max(self.completed_ms)).max(0.0);
        }
    }

    /// Returns whether its permits are a list of `permits` that none was `seen` in before.
    #[cfg(not(target_family = "wasm"))]
    pub fn has_list_in(&self, permits: &Permits, slot: Slot, seen: &mut [bool]) -> bool {
        permits.is_list(self.list, slot, self.generation, seen)
    }

    /// Voids all permits of the route, which is removed.
    pub fn close(&mut self, permits: &mut Permits) {
        permits.clear(&mut self.list);
    }

    /// Counts a lease as work in flight, or no longer.
    pub fn lease(&mut self, capacity: &mut Capacity, taken: bool) {
        if taken || self.load.leases > 0 {
            self.load.lease(taken);
            capacity.load.lease(taken);
        }
    }

    /// The next of a fixed sequence of numbers in [0, 1) (Steele, Lea and Flood, "SplitMix", 2014).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Decides a request for a permit.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline)]
    #[allow(
        clippy::too_many_lines,
        reason = "one decision: its terms follow each other, and most of them are used to its end"
    )]
    #[allow(clippy::too_many_arguments, reason = "one call: what it takes lives in four places of the table")]
    pub fn acquire(
        &mut self,
        slot: Slot,
        state: &mut RouteState,
        peers: Option<&Blend>,
        capacity: &mut Capacity,
        permits: &mut Permits,
        params: &RouteParams,
        request: &AcquireRequest,
        admit_all: bool,
        now_ms: Millis,
    ) -> AcquireResult {
        let tick = self.tick_if_due(state, peers, capacity, permits, params, now_ms);
        let base = params.base_resistance;
        let (mut is_over, mut key_at) = (false, fairness::NO_KEY);
        let (tier, voltage, level) = match (request.priority, request.key) {
            (Priority::Tier(tier, Some(level)), _) => (tier, tier.voltage(level, base), level),
            (Priority::Tier(tier, None), None) => {
                let level = self.draw();
                (tier, tier.voltage(level, base), level)
            }
            (Priority::Voltage(voltage), None) => (Tier::of_voltage(voltage, base), voltage, self.draw()),
            (priority, Some(key)) => {
                if let Some(tally) = &self.tally {
                    key_at = tally.find(key.hash);
                    is_over = tally.is_over(key_at, key.weight);
                }
                rank(priority, &key, is_over, base, now_ms)
            }
        };
        let n = capacity.load.under_way();
        capacity.limit.pass(n, now_ms);
        if request.waited_ms <= 0.0 {
            capacity.limit.offer(n, tier == Tier::Critical, &params.limit);
            self.offered += 1.0;
        }
        if now_ms - self.completed_ms > SILENT_DEADLINES * params.limit.deadline_ms
            && self.is_silent(capacity, permits, params, now_ms)
        {
            let change = self.breaker.open();
            Self::apply(change, state, now_ms);
        }
        // The arriving request counts half, since a service in progress is on average half done.
        let load = if n > 0.0 { capacity.limit.load(n, now_ms) + 0.5 } else { 0.0 };
        // The occupancy of its own route is no resistance to a request that can wait: it may lack only a place. Nor is it to a
        // tier or a lane that holds less than what is reserved for it.
        let can_wait = request.waited_ms >= 0.0 && request.waited_ms < f64::INFINITY;
        let is_idle = !is_over && !can_wait && capacity.is_idle(params);
        let thresholds = if is_idle { Thresholds::IDLE } else { capacity.limit.thresholds(n, &params.limit) };
        // For one that can wait it is a share of what is in flight, which is all that there are places for: the limit, which is not
        // filled then, may be several times as many.
        let full = if can_wait { 0.0 } else { thresholds.full };
        let mut mark = Mark::of_tier(tier as u8).in_lane(request.key.map_or(0, |key| key.lane));
        let has_place = params.reserves() && capacity.has_reserve(mark, params, full);
        let met = if is_over { load + fairness::room_for_others(n) } else { load };
        let occupied = if is_idle { 0.0 } else { thresholds.resistance(met) };
        let crowd = if can_wait || has_place { 0.0 } else { occupied };
        let queue = place_resistance(request.queue_place);
        let class = request.key.and_then(|key| key.class).map(|class| self.class(class, now_ms));
        let (mut blamed, mut by_class) = (0.0, false);
        if let Some(breaker) = class.and_then(|class| self.classes.as_mut()?.breaker(class)) {
            (blamed, by_class) = (breaker.resistance(), breaker.is_open());
        }
        let faults = self.breaker.resistance() + blamed;
        let own = state.resistance + faults;
        let process = process_resistance(request.process_occupancy);
        let terms = Terms { own: state.parts(peers, params), faults, occupancy: crowd, queue, process };
        let crowd = larger(larger(crowd, process), queue);
        let resistance = smaller(own + crowd, MAX_RESISTANCE);

        let flows = !self.breaker.is_open() && !by_class && voltage > resistance;
        let throttled = voltage > resistance - faults;
        let mut wait = None;
        let admitted = match state.manual {
            Override::None if flows && can_wait && !admit_all => {
                // With a queue before the servers already, the top tier gains nothing by waiting in front of it.
                let joins = request.waited_ms == 0.0
                    && tier == Tier::Critical
                    && load >= thresholds.start
                    && voltage > own + occupied;
                let takes_place = has_place || joins;
                wait = if takes_place { None } else { capacity.wait(tier, request.waited_ms, &thresholds, params) };
                wait.is_none()
            }
            Override::None if request.waited_ms == f64::INFINITY => false,
            Override::None if flows => true,
            Override::None if !self.breaker.is_open() && throttled && (by_class || blamed > 0.0) => class
                .and_then(|class| self.classes.as_mut()?.breaker(class))
                .is_some_and(|breaker| breaker.probe(now_ms, params.min_delta_t_ms, 0)),
            Override::None => self.probes(peers, params, throttled, now_ms),
            Override::Open => false,
            Override::Closed => true,
        };
        let is_refused = !admitted && wait.is_none();
        let cause = if is_refused { self.cause(request, state, &terms, voltage, by_class) } else { Cause::None };
        if is_refused {
            self.counts.shed_by_tier[tier as usize] += 1;
            self.sheds.get_or_insert_default()[tier as usize][cause as usize] += 1;
            self.refused += 1.0;
        }
        let permit = if admitted || admit_all {
            if let Some(key) = &request.key {
                mark.key = self.tally.get_or_insert_default().take(key_at, key.hash, key.weight);
                if let (Some(class), Some(classes)) = (class, &mut self.classes) {
                    mark.class = class;
                    classes.hold(class, 1);
                }
            }
            let permit = self.admit(slot, capacity, permits, mark, params, now_ms);
            self.counts.admitted_by_tier[tier as usize] += u64::from(permit.is_some());
            permit
        } else {
            None
        };
        let retry_after_ms = if is_refused {
            let class = class.filter(|_| by_class);
            self.retry_after_ms(state, peers, capacity, params, voltage, load, class, now_ms) * (1.0 + level)
        } else {
            0.0
        };
        AcquireResult { permit, resistance, voltage, retry_after_ms, tier, terms, wait, cause, tick }
    }

    /// Returns whether a request that does not flow is admitted as a probe. `throttled`: it would flow but for the breaker. Such a route
    /// is probed even before its breaker opens: a success ratio changes by outcomes alone, and where every request is refused
    /// there would never be another.
    fn probes(&mut self, peers: Option<&Blend>, params: &RouteParams, throttled: bool, now_ms: Millis) -> bool {
        if !self.breaker.is_open() && !throttled {
            return false;
        }
        self.breaker.probe(now_ms, params.min_delta_t_ms, witnesses(peers))
    }

    /// Sets the mode that follows from a change of the breaker.
    fn apply(change: Change, state: &mut RouteState, now_ms: Millis) {
        match change {
            Change::None => {}
            Change::Opened => {
                state.mode = Mode::CircuitBreaker;
                state.recovery_started_ms = now_ms;
            }
            Change::Closed => state.mode = Mode::Operational,
        }
    }
}

/// The number of peers that take turns with this node at probing.
fn witnesses(peers: Option<&Blend>) -> u32 {
    peers.map_or(0, |blend| blend.witnesses)
}
