//! A route's closed loop: it counts, measures, and brings the laws together. Made when a route is first asked for a permit.

use super::{
    house::{House, Load},
    permits::{Mark, Permit, PermitId, Permits, Thread},
    table::Slot,
};
use crate::{
    physics::{
        blame::Classes,
        cluster::Share,
        fairness::{self, Tally},
        fault::{Change, Fault},
        histogram::Histogram,
        law::Law,
        limit::Regime,
        math::{larger, smaller},
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
/// A request that is given up after this share of the deadline, or so many service times, had been waited for.
const CUT_OFF_SHARE: f64 = 0.25;
const CUT_OFF_SERVICES: f64 = 4.0;
/// A route that was asked so often without an answer, for so many deadlines or service times, has fallen silent.
const SILENT_REQUESTS: u32 = 8;
const SILENT_DEADLINES: f64 = 2.0;
const SILENT_SERVICES: f64 = 3.0;
/// A refused client comes back up to this many times later when everybody is refused.
const CROWD_PATIENCE: f64 = 9.0;

/// How hard a request pushes.
#[derive(Debug, Clone, Copy)]
pub enum Push {
    /// A tier, and the level in its band, [0, 1); None: the key's, or a drawn one.
    Tier(Tier, Option<f64>),
    /// A voltage of the caller's.
    Voltage(Volts),
}

/// A request's key, by a secret hash of it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The hash, below 2⁵³.
    pub hash: u64,
    /// What its equal share counts, > 0.
    pub weight: f64,
    /// The hash of the class that its failures are blamed on.
    pub class: Option<u64>,
}

/// A request for a permit.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// How hard it pushes.
    pub push: Push,
    /// Whose it is.
    pub key: Option<Key>,
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
    /// Of a refusal, the occupancy of the route, 1 is a full house; 0 where it is no resistance, but a reason to wait.
    pub occupancy: f64,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            push: Push::Tier(Tier::Normal, None),
            key: None,
            process_occupancy: 0.0,
            queue_place: 0.0,
            waited_ms: -1.0,
        }
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
    /// It goes on outside the budget of requests, and is concluded later.
    Detached,
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
    /// The breaker of its class is open.
    pub by_class: bool,
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

/// See the module. Laid out as written: what every request reads comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Guard {
    /// Tells this tenant of the slot from the one before.
    birth: u32,
    /// What is under way on the route.
    load: Load,
    fault: Fault,
    /// What the keys hold, and what is blamed on their classes; made when they are first needed.
    tally: Option<Box<Tally>>,
    classes: Option<Box<Classes>>,
    /// Of the present window: completions, their latencies, those that failed, and requests refused.
    count: f64,
    latency_sum_ms: Millis,
    window_failures: f64,
    refused: f64,
    /// Requests given up unanswered since the last answer.
    cut_off: u32,
    window_started_ms: Millis,
    /// Since when nothing was answered though something was asked.
    completed_ms: Millis,
    /// When the last permit came back.
    ended_ms: Millis,
    /// Was anything ever answered?
    answered: bool,
    shed_share: f64,
    offered: f64,
    telling: bool,
    /// The mode as the last tick told it: a breaker opens and closes between ticks.
    told: Mode,
    thread: Thread,
    random: u64,
    counts: Counts,
    latency: Histogram,
}

/// What a guard tells of itself.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Requests admitted and not yet released, leases included.
    pub in_flight: u32,
    /// Classes of keys whose breaker is open.
    pub open_classes: u32,
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
            load: Load::default(),
            fault,
            tally: None,
            classes: None,
            count: 0.0,
            latency_sum_ms: 0.0,
            window_failures: 0.0,
            refused: 0.0,
            cut_off: 0,
            window_started_ms: now_ms,
            completed_ms: now_ms,
            ended_ms: now_ms,
            answered: false,
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
        self.load.under_way() > 0.0
    }

    /// What is under way on the route.
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Voids what is out: the route is gone.
    pub fn close(&mut self, permits: &mut Permits) {
        permits.clear(&mut self.thread);
    }

    /// A lease takes its place among the work in flight, or gives it back.
    pub fn lease(&mut self, house: &mut House, taken: bool) {
        if taken || self.load.leases > 0 {
            self.load.lease(taken);
            house.load.lease(taken);
        }
    }

    /// R for a request that meets `load`, Ω.
    fn resistance(&self, state: &RouteState, thresholds: &Thresholds, load: f64) -> Ohms {
        let total = state.resistance + self.fault.resistance() + thresholds.resistance(load);
        total.min(MAX_RESISTANCE)
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
        house: &mut House,
        permits: &mut Permits,
        law: &Law,
        ask: &Ask,
        admit_all: bool,
        now_ms: Millis,
    ) -> Answer {
        let tick = self.tick_if_due(state, others, house, permits, law, now_ms);
        let base = law.base_resistance;
        let (mut is_over, mut key_at) = (false, fairness::NO_KEY);
        let (tier, voltage, level) = match (ask.push, ask.key) {
            (Push::Tier(tier, Some(level)), _) => (tier, tier.voltage(level, base), level),
            (Push::Tier(tier, None), None) => {
                let level = self.draw();
                (tier, tier.voltage(level, base), level)
            }
            (Push::Voltage(voltage), None) => (Tier::of_voltage(voltage, base), voltage, self.draw()),
            (push, Some(key)) => {
                if let Some(tally) = &self.tally {
                    key_at = tally.find(key.hash);
                    is_over = tally.is_over(key_at, key.weight);
                }
                rank(push, &key, is_over, base, now_ms)
            }
        };
        let n = house.load.under_way();
        house.limit.pass(n, now_ms);
        if ask.waited_ms <= 0.0 {
            house.limit.offer(n, tier == Tier::Critical, &law.limit);
            self.offered += 1.0;
        }
        if now_ms - self.completed_ms > SILENT_DEADLINES * law.limit.deadline_ms && self.is_silent(house, law, now_ms) {
            let change = self.fault.open();
            Self::apply(change, state, now_ms);
        }
        // A newcomer itself counts half, since a service under way is on average half done.
        let load = if n > 0.0 { house.limit.load(n, now_ms) + 0.5 } else { 0.0 };
        let thresholds = house.limit.thresholds(n, &law.limit);
        // Its own route's occupancy is no resistance to a request that can wait: what it may lack is a place. Nor is it to a
        // tier that holds less than what is reserved for it.
        let can_wait = ask.waited_ms >= 0.0 && ask.waited_ms < f64::INFINITY;
        let has_place = law.reserves() && house.has_reserve(tier, law, thresholds.full);
        let met = if is_over { load + fairness::room_for_others(n) } else { load };
        let crowd = if can_wait || has_place { 0.0 } else { thresholds.resistance(met) };
        let queue = place_resistance(ask.queue_place);
        let class = ask.key.and_then(|key| key.class).map(|class| self.class(class, now_ms));
        let (mut blamed, mut by_class) = (0.0, false);
        if let Some(fault) = class.and_then(|class| self.classes.as_mut()?.fault(class)) {
            (blamed, by_class) = (fault.resistance(), fault.is_open());
        }
        let faults = self.fault.resistance() + blamed;
        let own = state.resistance + faults;
        let crowd = larger(larger(crowd, process_resistance(ask.process_occupancy)), queue);
        let resistance = smaller(own + crowd, MAX_RESISTANCE);

        let flows = !self.fault.is_open() && !by_class && voltage > resistance;
        let throttled = voltage > resistance - faults;
        let mut wait = None;
        let admitted = match state.order {
            Order::None if flows && can_wait && !admit_all => {
                wait = if has_place { None } else { house.wait(ask.waited_ms, &thresholds, law) };
                wait.is_none()
            }
            Order::None if ask.waited_ms == f64::INFINITY => false,
            Order::None if flows => true,
            Order::None if !self.fault.is_open() && throttled && (by_class || blamed > 0.0) => class
                .and_then(|class| self.classes.as_mut()?.fault(class))
                .is_some_and(|fault| fault.probe(now_ms, law.min_delta_t_ms, 0)),
            Order::None => self.probes(others, law, throttled, now_ms),
            Order::Open => false,
            Order::Closed => true,
        };
        let is_refused = !admitted && wait.is_none();
        let occupancy = if is_refused && !can_wait { met / thresholds.full } else { 0.0 };
        let terms = Terms { own, queue, occupancy };
        if is_refused {
            self.counts.shed_by_tier[tier as usize] += 1;
            self.refused += 1.0;
        }
        let permit = if admitted || admit_all {
            let mut mark = Mark::of_tier(tier as u8);
            if let Some(key) = &ask.key {
                mark.key = self.tally.get_or_insert_default().take(key_at, key.hash, key.weight);
                if let (Some(class), Some(classes)) = (class, &mut self.classes) {
                    mark.class = class;
                    classes.hold(class, 1);
                }
            }
            self.admit(slot, house, permits, mark, law, now_ms)
        } else {
            None
        };
        let retry_after_ms = if is_refused {
            let probe_ms = class
                .filter(|_| by_class)
                .and_then(|class| self.classes.as_mut()?.fault(class))
                .map(|fault| fault.next_probe_ms(now_ms, law.min_delta_t_ms, 0));
            self.retry_after_ms(state, others, house, law, voltage, load, probe_ms, now_ms) * (1.0 + level)
        } else {
            0.0
        };
        by_class &= is_refused && !self.fault.is_open();
        Answer { permit, resistance, voltage, retry_after_ms, tier, terms, wait, by_class, tick }
    }

    /// The number of a class.
    #[inline(never)]
    fn class(&mut self, hash: u64, now_ms: Millis) -> u8 {
        self.classes.get_or_insert_default().find(hash, now_ms)
    }

    #[inline]
    fn admit(
        &mut self,
        slot: Slot,
        house: &mut House,
        permits: &mut Permits,
        mark: Mark,
        law: &Law,
        now_ms: Millis,
    ) -> Option<PermitId> {
        if self.load.in_flight == 0 {
            let is_idle = now_ms - self.ended_ms > SILENT_DEADLINES * law.limit.deadline_ms;
            if is_idle || self.cut_off == 0 {
                self.cut_off = 0;
                self.completed_ms = now_ms;
            }
        }
        let permit = permits.grant(&mut self.thread, slot, self.birth, now_ms, house.load.in_flight + 1, mark);
        if permit.is_none() {
            self.unmark(mark);
            return None;
        }
        self.load.enter(mark);
        house.admit(mark, law);
        self.counts.admitted += 1;
        house.limit.admit(house.load.under_way(), now_ms);
        permit
    }

    /// A permit no longer counts as its key's.
    #[inline]
    fn unmark(&mut self, mark: Mark) {
        if let Some(tally) = &mut self.tally {
            Self::unmark_key(tally, &mut self.classes, mark);
        }
    }

    #[inline(never)]
    fn unmark_key(tally: &mut Tally, classes: &mut Option<Box<Classes>>, mark: Mark) {
        tally.give(mark.key);
        if let Some(classes) = classes {
            classes.hold(mark.class, -1);
        }
    }

    /// A permit is out no longer.
    #[inline]
    fn leave(&mut self, house: &mut House, mark: Mark) {
        self.load.leave(mark);
        house.load.leave(mark);
        self.unmark(mark);
    }

    /// May a request that does not flow be admitted as a probe? `throttled`: nothing but faults stands in its way. Such a
    /// route is probed even before its breaker opens: a success ratio changes by outcomes alone, and where everybody is
    /// refused there would never be another.
    fn probes(&mut self, others: Option<&Share>, law: &Law, throttled: bool, now_ms: Millis) -> bool {
        if !self.fault.is_open() && !throttled {
            return false;
        }
        self.fault.probe(now_ms, law.min_delta_t_ms, witnesses(others))
    }

    /// Has the route answered nothing for so long, while it was asked, that it can't be waited for? Before its first answer,
    /// those who gave up are the evidence: how long it takes is not known.
    #[cold]
    fn is_silent(&self, house: &House, law: &Law, now_ms: Millis) -> bool {
        let patience_ms = (SILENT_DEADLINES * law.limit.deadline_ms).max(SILENT_SERVICES * house.limit.baseline_ms());
        let asked = self.cut_off + if self.answered { self.load.in_flight } else { 0 };
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
        house: &mut House,
        permits: &mut Permits,
        law: &Law,
        now_ms: Millis,
    ) -> Option<Tick> {
        let permit = permits.take(id, &mut self.thread)?;
        house.limit.pass(house.load.under_way(), now_ms);
        self.leave(house, permit.mark);
        self.ended_ms = now_ms;
        self.counts.reclaimed += u64::from(outcome == Outcome::Reclaimed);
        let latency_ms = larger(now_ms - permit.admitted_ms, 0.0);
        if matches!(outcome, Outcome::Success | Outcome::Failure) {
            let succeeded = outcome == Outcome::Success;
            self.completed_ms = now_ms;
            self.cut_off = 0;
            self.answered = true;
            self.count += 1.0;
            self.latency_sum_ms += latency_ms;
            self.latency.record(latency_ms);
            self.counts.failures += u64::from(!succeeded);
            // Answers of a route, or a class, that mostly fails tell nothing of its capacity.
            let tells = |fault: &Fault| fault.success() > TELLING_SUCCESS && !fault.is_open();
            let class = self.classes.as_mut().and_then(|classes| classes.fault(permit.mark.class));
            if tells(&self.fault) && class.is_none_or(|fault| tells(fault)) {
                let n = house.load.under_way();
                house.limit.complete(n, f64::from(permit.in_flight), latency_ms, succeeded, &law.limit);
            }
            self.judge(succeeded, permit.mark, state, others, now_ms);
        } else if outcome != Outcome::Detached {
            self.cut_off(&permit, state, others, house, law, now_ms);
        }
        self.tick_if_due(state, others, house, permits, law, now_ms)
    }

    /// What became of a detached request that was admitted `age_ms` ago. Its length is no sample of the route's latency; that it
    /// was answered, or failed, or given up while nothing was answered, is one of its health.
    pub fn conclude(
        &mut self,
        outcome: Outcome,
        age_ms: Millis,
        state: &mut RouteState,
        others: Option<&Share>,
        now_ms: Millis,
    ) {
        let is_answered = matches!(outcome, Outcome::Success | Outcome::Failure);
        let is_quiet = self.completed_ms <= now_ms - age_ms;
        if is_answered {
            self.completed_ms = now_ms;
            self.cut_off = 0;
            self.counts.failures += u64::from(outcome == Outcome::Failure);
        }
        if is_answered || is_quiet {
            self.judge(outcome == Outcome::Success, Mark::of_tier(0), state, others, now_ms);
        }
    }

    /// An outcome counts for the breaker of its class, and for the route's unless the class explains it.
    #[inline]
    fn judge(&mut self, succeeded: bool, mark: Mark, state: &mut RouteState, others: Option<&Share>, now_ms: Millis) {
        let is_explained = self.classes.as_mut().is_some_and(|classes| classes.observe(mark.class, succeeded));
        if !is_explained {
            self.window_failures += f64::from(u8::from(!succeeded));
            let change = self.fault.observe(succeeded, others.map_or(0.0, |share| share.belief.into()));
            Self::apply(change, state, now_ms);
        }
    }

    /// A request was given up unanswered: the route took at least so long. One that was given up after its deadline, while
    /// nothing was answered, was failed by the route.
    fn cut_off(
        &mut self,
        permit: &Permit,
        state: &mut RouteState,
        others: Option<&Share>,
        house: &mut House,
        law: &Law,
        now_ms: Millis,
    ) {
        let age_ms = (now_ms - permit.admitted_ms).max(0.0);
        let deadline_ms = law.limit.deadline_ms;
        if age_ms >= deadline_ms {
            self.latency.record(age_ms);
            house.limit.complete(house.load.under_way(), f64::from(permit.in_flight), age_ms, true, &law.limit);
            if self.completed_ms <= permit.admitted_ms {
                self.judge(false, permit.mark, state, others, now_ms);
            }
        } else {
            house.limit.abandon(age_ms);
        }
        let services_ms = CUT_OFF_SERVICES * house.limit.baseline_ms();
        if age_ms >= CUT_OFF_SHARE * deadline_ms || services_ms > 0.0 && age_ms >= services_ms {
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
        house: &mut House,
        permits: &mut Permits,
        law: &Law,
        now_ms: Millis,
    ) -> Option<Tick> {
        let elapsed_ms = now_ms - self.window_started_ms;
        let due = elapsed_ms >= law.min_delta_t_ms
            && (self.count >= WINDOW_SAMPLES || elapsed_ms >= law.min_delta_t_ms * LONGEST_WINDOW);
        due.then(|| self.tick(state, others, house, permits, law, now_ms))
    }

    /// A window has passed.
    fn tick(
        &mut self,
        state: &mut RouteState,
        others: Option<&Share>,
        house: &mut House,
        permits: &mut Permits,
        law: &Law,
        now_ms: Millis,
    ) -> Tick {
        while let Some(permit) = permits.take_older(&mut self.thread, now_ms - law.max_duration_ms) {
            house.limit.pass(house.load.under_way(), now_ms);
            self.leave(house, permit.mark);
            self.counts.reclaimed += 1;
            if self.completed_ms <= permit.admitted_ms {
                self.judge(false, permit.mark, state, others, now_ms);
            }
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
        let n = house.load.under_way();
        let sample = Sample {
            latency_ms: if count > 0.0 { self.latency_sum_ms / count } else { f64::NAN },
            error_rate: if count > 0.0 { self.window_failures / count } else { f64::NAN },
            saturation: n / house.limit.thresholds(n, &law.limit).full,
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
    #[allow(clippy::too_many_arguments, reason = "as for `acquire`")]
    fn retry_after_ms(
        &self,
        state: &RouteState,
        others: Option<&Share>,
        house: &House,
        law: &Law,
        voltage: Volts,
        load: f64,
        probe_ms: Option<Millis>,
        now_ms: Millis,
    ) -> Millis {
        let window_ms = law.min_delta_t_ms;
        let wait_ms = if self.fault.is_open() {
            self.fault.next_probe_ms(now_ms, window_ms, witnesses(others))
        } else if let Some(probe_ms) = probe_ms {
            probe_ms
        } else {
            let bearable =
                house.limit.thresholds(house.load.under_way(), &law.limit).bearable(voltage, state.resistance);
            let rate = house.limit.rate();
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
    pub fn stats(&self, state: &RouteState, others: Option<&Share>, house: &House, law: &Law) -> Stats {
        let n = house.load.under_way();
        let thresholds = house.limit.thresholds(n, &law.limit);
        // What the next request meets, unless completions have fallen silent since.
        let next = if n > 0.0 { house.limit.load(n, self.completed_ms) + 0.5 } else { 0.0 };
        Stats {
            in_flight: self.load.in_flight + self.load.leases,
            open_classes: self.classes.as_ref().map_or(0, |classes| classes.open() as u32),
            limit: thresholds.full,
            resistance: self.resistance(state, &thresholds, next),
            scar: state.blended_scar(others) + self.fault.resistance(),
            counts: self.counts,
            p50_ms: self.latency.quantile(0.5),
            p99_ms: self.latency.quantile(0.99),
            baseline_ms: house.limit.baseline_ms(),
            rate_per_s: house.limit.rate() * 1e3,
            success: self.fault.success(),
            regime: house.limit.regime(),
        }
    }
}

/// Tier, voltage and level of a request with a key: one that holds more than its share ranks last in its tier.
#[inline(never)]
fn rank(push: Push, key: &Key, is_over: bool, base: Ohms, now_ms: Millis) -> (Tier, Volts, f64) {
    let level = if is_over { 0.0 } else { fairness::level(key.hash, now_ms) };
    match push {
        Push::Tier(tier, _) => (tier, tier.voltage(level, base), level),
        Push::Voltage(voltage) => {
            let tier = Tier::of_voltage(voltage, base);
            let last = if is_over { tier.voltage(0.0, base) } else { voltage };
            (tier, voltage.min(last), level)
        }
    }
}

fn witnesses(others: Option<&Share>) -> u32 {
    others.map_or(0, |share| share.witnesses)
}
