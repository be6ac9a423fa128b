//! A route's closed loop: it counts, measures, and brings the laws together. Made when a route is first asked for a permit.

use super::{
    permits::{PermitId, Permits, Thread},
    table::Slot,
};
use crate::{
    physics::{
        cluster::Share,
        fault::{Change, Fault},
        histogram::Histogram,
        law::Law,
        limit::{Limit, Regime},
        mode::Mode,
        pressure::Sample,
        resistance::bootstrap_resistance,
        retry::retry_after_ms,
        tick::{Order, RouteState, Tick},
        voltage::{TIERS, Thresholds, Tier, place_resistance, process_resistance},
    },
    units::{MAX_RESISTANCE, Millis, Ohms, Volts},
};

/// A window that saw too little is extended, up to this many.
const LONGEST_WINDOW: f64 = 10.0;
/// Below this success ratio a route's answers tell nothing of its capacity.
const TELLING_SUCCESS: f64 = 0.3;
/// Completions from which a window tells something.
const WINDOW_SAMPLES: f64 = 10.0;
/// A request that is given up after this share of the deadline had been waited for.
const CUT_OFF_SHARE: f64 = 0.25;
/// A route that was asked so often without an answer, for so many deadlines or service times, has fallen silent.
const SILENT_REQUESTS: u32 = 8;
const SILENT_DEADLINES: f64 = 2.0;
const SILENT_SERVICES: f64 = 3.0;
/// A refused client comes back up to this many times later when everybody is refused.
const CROWD_PATIENCE: f64 = 9.0;

/// How hard a request pushes.
#[derive(Debug, Clone, Copy)]
pub enum Push {
    /// A tier, and the key's place in it, [0, 1); None draws one.
    Tier(Tier, Option<f64>),
    /// A voltage of the caller's.
    Voltage(Volts),
}

/// A request for a permit.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// How hard it pushes.
    pub push: Push,
    /// Occupancy of the process: its queue, its memory, whatever else it is short of; 1 is a full house.
    pub process_occupancy: f64,
    /// Where the queue in front of the process puts it on the bands of the tiers; 0: nowhere.
    pub queue_place: f64,
    /// How long it has waited for a place already, ms; negative: it cannot wait; infinite: it no longer does.
    pub waited_ms: Millis,
}

/// What R is made of: what remains of it without `own` is the larger of what the queue and what the occupancies add.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Of the route alone, its faults included, were it and the process empty, Ω.
    pub own: Ohms,
    /// What the queue in front of the process adds, Ω.
    pub queue: Ohms,
    /// Occupancy of the route, 1 is a full house; 0 where it is no resistance, but a reason to wait.
    pub occupancy: f64,
}

impl Default for Ask {
    fn default() -> Self {
        Self { push: Push::Tier(Tier::Normal, None), process_occupancy: 0.0, queue_place: 0.0, waited_ms: -1.0 }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Success,
    /// The route failed it.
    Failure,
    /// It says nothing of the route: the client hung up.
    Ignored,
    /// Nobody ever said: the permit was lost.
    Reclaimed,
}

/// What a request needs to know that lacks nothing but a place.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// How long from now it may wait and make its deadline, ms; 0 or less: no longer.
    pub may_wait_ms: Millis,
    /// μ, completions a ms; 0 when it is not known.
    pub rate_per_ms: f64,
}

/// The answer to an ask.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The permit; None: refused.
    pub permit: Option<PermitId>,
    /// R at that moment, Ω.
    pub resistance: Ohms,
    /// V it was decided with.
    pub voltage: Volts,
    /// When a refused request should come back, ms.
    pub retry_after_ms: Millis,
    /// The tier, or that of the voltage.
    pub tier: Tier,
    /// What R is made of.
    pub terms: Terms,
    /// Neither admitted nor refused: it may wait for a place.
    pub wait: Option<Wait>,
    /// The tick that was due, if one was.
    pub tick: Option<Tick>,
}

/// Totals since the route was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Requests admitted.
    pub admitted: u64,
    /// Requests shed, by tier.
    pub shed_by_tier: [u64; TIERS],
    /// Requests that failed.
    pub failures: u64,
    /// Permits nobody released.
    pub reclaimed: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Guard {
    /// Tells this tenant of the slot from the one before.
    birth: u32,
    in_flight: u32,
    leases: u32,
    limit: Limit,
    fault: Fault,
    /// Of the present window: completions, their latencies, those that failed, and requests refused.
    count: f64,
    latency_sum_ms: Millis,
    window_failures: f64,
    refused: f64,
    /// Requests given up unanswered since the last answer.
    cut_off: u32,
    window_started_ms: Millis,
    completed_ms: Millis,
    shed_share: f64,
    offered: f64,
    telling: bool,
    /// The mode as the last tick told it: a breaker opens and closes between ticks.
    told: Mode,
    latency: Histogram,
    thread: Thread,
    random: u64,
    counts: Counts,
}

/// What a guard tells of itself.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Requests admitted and not yet released, leases included.
    pub in_flight: u32,
    /// L.
    pub limit: f64,
    /// R for a request that came now, Ω.
    pub resistance: Ohms,
    /// What faults and traumas add to it, Ω.
    pub scar: Ohms,
    /// Totals.
    pub counts: Counts,
    /// Median latency, ms.
    pub p50_ms: Option<Millis>,
    /// 99th percentile, ms.
    pub p99_ms: Option<Millis>,
    /// b, ms.
    pub baseline_ms: Millis,
    /// μ, completions a second.
    pub rate_per_s: f64,
    /// a.
    pub success: f64,
    /// What is known of latency and load.
    pub regime: Regime,
}

impl Guard {
    /// The guard of a route nobody has asked for before. Of a route that several nodes have closed, as far as was inherited, the
    /// breaker is open: it is probed, and heals by what it measures, where a scar would only fade.
    pub fn new(birth: u32, state: &mut RouteState, law: &Law, now_ms: Millis) -> Self {
        let mut fault = Fault::default();
        if state.mode == Mode::Bootstrap && state.recovery_started_ms > 0.0 {
            state.scar = 0.0;
            state.resistance = bootstrap_resistance(law);
            state.mode = Mode::CircuitBreaker;
            state.recovery_started_ms = now_ms;
            fault.open();
        }
        Self {
            birth,
            in_flight: 0,
            leases: 0,
            limit: Limit::new(&law.limit, now_ms),
            fault,
            count: 0.0,
            latency_sum_ms: 0.0,
            window_failures: 0.0,
            refused: 0.0,
            cut_off: 0,
            window_started_ms: now_ms,
            completed_ms: now_ms,
            shed_share: 0.0,
            offered: 0.0,
            telling: false,
            told: Mode::Bootstrap,
            latency: Histogram::default(),
            thread: Thread::default(),
            random: u64::from(birth),
            counts: Counts::default(),
        }
    }

    /// Which tenant of its slot this is.
    pub fn birth(&self) -> u32 {
        self.birth
    }

    /// Is anything in flight?
    pub fn is_busy(&self) -> bool {
        self.in_flight + self.leases > 0
    }

    /// Voids what is out: the route is gone.
    pub fn close(&mut self, permits: &mut Permits) {
        permits.clear(&mut self.thread);
    }

    /// A lease takes its place among the work in flight, or gives it back.
    pub fn lease(&mut self, taken: bool) {
        self.leases = if taken { self.leases + 1 } else { self.leases.saturating_sub(1) };
    }

    /// Requests and leases under way.
    fn under_way(&self) -> f64 {
        f64::from(self.in_flight + self.leases)
    }

    /// The load that a newcomer meets: itself counts half, since a service under way is on average half done.
    fn load(&self, now_ms: Millis) -> f64 {
        let n = self.under_way();
        if n > 0.0 { self.limit.load(n, now_ms) + 0.5 } else { 0.0 }
    }

    /// R for a request that meets `load`, Ω.
    fn resistance(&self, state: &RouteState, thresholds: &Thresholds, load: f64, ask: &Ask) -> Ohms {
        let crowd = thresholds
            .resistance(load)
            .max(process_resistance(ask.process_occupancy))
            .max(place_resistance(ask.queue_place));
        let total = state.resistance + self.fault.resistance() + crowd;
        total.min(MAX_RESISTANCE)
    }

    /// The full house, as it is now.
    fn full(&self, law: &Law) -> f64 {
        self.limit.thresholds(self.under_way(), &law.limit).full
    }

    /// The next of a fixed sequence of numbers in [0, 1) (Steele, Lea and Flood, "SplitMix", 2014).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A request asks for a permit.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "one call: what it takes lives in four places of the table")]
    pub fn acquire(
        &mut self,
        slot: Slot,
        state: &mut RouteState,
        others: Option<&Share>,
        permits: &mut Permits,
        law: &Law,
        ask: &Ask,
        admit_all: bool,
        now_ms: Millis,
    ) -> Answer {
        let tick = self.tick_if_due(state, others, permits, law, now_ms);
        let base = law.base_resistance;
        let (tier, level, voltage) = match ask.push {
            Push::Tier(tier, level) => {
                let level = level.unwrap_or_else(|| self.draw());
                (tier, level, tier.voltage(level, base))
            }
            Push::Voltage(voltage) => (Tier::of_voltage(voltage, base), self.draw(), voltage),
        };
        let n = self.under_way();
        self.limit.pass(n, now_ms);
        if ask.waited_ms <= 0.0 {
            self.limit.offer(n, tier == Tier::Critical, &law.limit);
            self.offered += 1.0;
        }
        let load = self.load(now_ms);
        let thresholds = self.limit.thresholds(n, &law.limit);
        // Its own route's occupancy is no resistance to a request that can wait: what it may lack is a place.
        let can_wait = ask.waited_ms >= 0.0 && ask.waited_ms < f64::INFINITY;
        let house = if can_wait { 0.0 } else { thresholds.resistance(load) };
        let queue = place_resistance(ask.queue_place);
        let own = state.resistance + self.fault.resistance();
        let crowd = house.max(process_resistance(ask.process_occupancy)).max(queue);
        let terms = Terms { own, queue, occupancy: if can_wait { 0.0 } else { load / thresholds.full } };
        let resistance = (own + crowd).min(MAX_RESISTANCE);

        let flows = !self.fault.is_open() && voltage > resistance;
        let throttled = voltage > resistance - self.fault.resistance();
        let mut wait = None;
        let admitted = match state.order {
            Order::None if flows && can_wait && !admit_all => {
                wait = self.wait_for_place(ask.waited_ms, law);
                wait.is_none()
            }
            Order::None if ask.waited_ms == f64::INFINITY => false,
            Order::None => flows || self.probes(state, others, law, throttled, now_ms),
            Order::Open => false,
            Order::Closed => true,
        };
        let is_refused = !admitted && wait.is_none();
        if is_refused {
            self.counts.shed_by_tier[tier as usize] += 1;
            self.refused += 1.0;
        }
        let permit = if admitted || admit_all { self.admit(slot, permits, now_ms) } else { None };
        let retry_after_ms = if is_refused {
            self.retry_after_ms(state, others, law, voltage, load, now_ms) * (1.0 + level)
        } else {
            0.0
        };
        Answer { permit, resistance, voltage, retry_after_ms, tier, terms, wait, tick }
    }

    /// How long a request that has waited for `waited_ms` may still wait; None when there is a place for it now.
    fn wait_for_place(&self, waited_ms: Millis, law: &Law) -> Option<Wait> {
        if self.under_way() < self.limit.places(self.under_way(), &law.limit) {
            return None;
        }
        let may_wait_ms = self.limit.may_wait_ms(&law.limit) - waited_ms;
        Some(Wait { may_wait_ms, rate_per_ms: self.limit.rate() })
    }

    #[inline]
    fn admit(&mut self, slot: Slot, permits: &mut Permits, now_ms: Millis) -> Option<PermitId> {
        if self.in_flight == 0 {
            self.completed_ms = now_ms;
        }
        let permit = permits.grant(&mut self.thread, slot, self.birth, now_ms, self.in_flight + 1)?;
        self.in_flight += 1;
        self.counts.admitted += 1;
        self.limit.admit(self.under_way(), now_ms);
        Some(permit)
    }

    /// May a request that does not flow be admitted as a probe? `throttled`: nothing but faults stands in its way. Such a
    /// route is probed even before its breaker opens: a success ratio changes by outcomes alone, and where everybody is
    /// refused there would never be another.
    fn probes(
        &mut self,
        state: &mut RouteState,
        others: Option<&Share>,
        law: &Law,
        throttled: bool,
        now_ms: Millis,
    ) -> bool {
        if !self.fault.is_open() {
            if self.is_silent(law, now_ms) {
                let change = self.fault.open();
                Self::apply(change, state, now_ms);
            } else if !throttled {
                return false;
            }
        }
        self.fault.probe(now_ms, law.min_delta_t_ms, witnesses(others))
    }

    /// Has the route answered nothing for so long, while it was asked, that it can't be waited for?
    fn is_silent(&self, law: &Law, now_ms: Millis) -> bool {
        let patience_ms = (SILENT_DEADLINES * law.limit.deadline_ms).max(SILENT_SERVICES * self.limit.baseline_ms());
        let asked = self.in_flight + self.cut_off;
        asked >= SILENT_REQUESTS && now_ms - self.completed_ms > patience_ms
    }

    /// A permit comes back.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "as for `acquire`")]
    pub fn release(
        &mut self,
        id: PermitId,
        outcome: Outcome,
        state: &mut RouteState,
        others: Option<&Share>,
        permits: &mut Permits,
        law: &Law,
        now_ms: Millis,
    ) -> Option<Tick> {
        let permit = permits.take(id, &mut self.thread)?;
        self.limit.pass(self.under_way(), now_ms);
        self.in_flight -= 1;
        self.counts.reclaimed += u64::from(outcome == Outcome::Reclaimed);
        let latency_ms = (now_ms - permit.admitted_ms).max(0.0);
        if matches!(outcome, Outcome::Success | Outcome::Failure) {
            let succeeded = outcome == Outcome::Success;
            self.completed_ms = now_ms;
            self.cut_off = 0;
            self.count += 1.0;
            self.latency_sum_ms += latency_ms;
            self.latency.record(latency_ms);
            if !succeeded {
                self.counts.failures += 1;
                self.window_failures += 1.0;
            }
            // Answers of a route that mostly fails tell nothing of its capacity.
            if self.fault.success() > TELLING_SUCCESS && !self.fault.is_open() {
                self.limit.complete(self.under_way(), f64::from(permit.in_flight), latency_ms, succeeded, &law.limit);
            }
            let change = self.fault.observe(succeeded, others.map_or(0.0, |share| share.belief.into()));
            Self::apply(change, state, now_ms);
        } else {
            self.cut_off(latency_ms, f64::from(permit.in_flight), law);
        }
        self.tick_if_due(state, others, permits, law, now_ms)
    }

    /// A request was given up unanswered at the age of `age_ms`: the route took at least so long.
    fn cut_off(&mut self, age_ms: Millis, met: f64, law: &Law) {
        if age_ms >= law.limit.deadline_ms {
            self.latency.record(age_ms);
            self.limit.complete(self.under_way(), met, age_ms, true, &law.limit);
        } else {
            self.limit.abandon(age_ms);
        }
        if age_ms >= CUT_OFF_SHARE * law.limit.deadline_ms {
            self.cut_off += 1;
        }
    }

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

    #[inline]
    fn tick_if_due(
        &mut self,
        state: &mut RouteState,
        others: Option<&Share>,
        permits: &mut Permits,
        law: &Law,
        now_ms: Millis,
    ) -> Option<Tick> {
        let elapsed_ms = now_ms - self.window_started_ms;
        let due = elapsed_ms >= law.min_delta_t_ms
            && (self.count >= WINDOW_SAMPLES || elapsed_ms >= law.min_delta_t_ms * LONGEST_WINDOW);
        due.then(|| self.tick(state, others, permits, law, now_ms))
    }

    /// A window has passed.
    fn tick(
        &mut self,
        state: &mut RouteState,
        others: Option<&Share>,
        permits: &mut Permits,
        law: &Law,
        now_ms: Millis,
    ) -> Tick {
        while permits.take_older(&mut self.thread, now_ms - law.max_duration_ms).is_some() {
            self.in_flight -= 1;
            self.counts.reclaimed += 1;
        }
        let count = self.count;
        if self.offered > 0.0 {
            self.shed_share += (self.refused / self.offered - self.shed_share) * 0.5;
        }
        self.telling |= count >= WINDOW_SAMPLES;
        let mode = match self.fault.is_open() {
            true => Mode::CircuitBreaker,
            false if self.telling => Mode::Operational,
            false => Mode::Bootstrap,
        };
        let sample = Sample {
            latency_ms: if count > 0.0 { self.latency_sum_ms / count } else { f64::NAN },
            error_rate: if count > 0.0 { self.window_failures / count } else { f64::NAN },
            saturation: self.under_way() / self.full(law),
        };
        let mut tick = state.drift(others, law, &sample, mode, now_ms);
        tick.mode_before = std::mem::replace(&mut self.told, mode);
        (self.count, self.latency_sum_ms, self.refused) = (0.0, 0.0, 0.0);
        self.window_failures = 0.0;
        self.offered = 0.0;
        self.window_started_ms = now_ms;
        tick
    }

    /// When a refused request should come back: when the house has emptied far enough for its voltage, or the scar has
    /// healed, or the breaker may be probed; later, the larger the share that is refused.
    fn retry_after_ms(
        &self,
        state: &RouteState,
        others: Option<&Share>,
        law: &Law,
        voltage: Volts,
        load: f64,
        now_ms: Millis,
    ) -> Millis {
        let window_ms = law.min_delta_t_ms;
        let wait_ms = if self.fault.is_open() {
            self.fault.next_probe_ms(now_ms, window_ms, witnesses(others))
        } else {
            let bearable = self.limit.thresholds(self.under_way(), &law.limit).bearable(voltage, state.resistance);
            let rate = self.limit.rate();
            let drain_ms = if rate > 0.0 { (load - bearable).max(0.0) / rate } else { 0.0 };
            let heal_ms = if voltage > state.resistance {
                0.0
            } else {
                retry_after_ms(state, state.blended_scar(others), voltage, law).unwrap_or(0.0)
            };
            drain_ms.max(heal_ms)
        };
        wait_ms.max(window_ms) * (1.0 + CROWD_PATIENCE * self.shed_share)
    }

    /// What the route suffers by this node's own measurements, Ω: what it has to tell the others.
    pub fn suffering(&self, state: &RouteState) -> Ohms {
        state.scar + self.fault.suffering()
    }

    /// Requests that asked so far.
    #[cfg(not(target_family = "wasm"))]
    pub fn requests(&self) -> u64 {
        self.counts.admitted + self.counts.shed_by_tier.iter().sum::<u64>()
    }

    /// What there is to tell.
    pub fn stats(&self, state: &RouteState, others: Option<&Share>, law: &Law) -> Stats {
        Stats {
            in_flight: self.in_flight + self.leases,
            limit: self.full(law),
            resistance: self.resistance(
                state,
                &self.limit.thresholds(self.under_way(), &law.limit),
                // What the next request meets, unless completions have fallen silent since.
                self.load(self.completed_ms),
                &Ask::default(),
            ),
            scar: state.blended_scar(others) + self.fault.resistance(),
            counts: self.counts,
            p50_ms: self.latency.quantile(0.5),
            p99_ms: self.latency.quantile(0.99),
            baseline_ms: self.limit.baseline_ms(),
            rate_per_s: self.limit.rate() * 1e3,
            success: self.fault.success(),
            regime: self.limit.regime(),
        }
    }
}

fn witnesses(others: Option<&Share>) -> u32 {
    others.map_or(0, |share| share.witnesses)
}
