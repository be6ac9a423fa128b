//! The law of the queue in front of the process, against an event loop in virtual time: first come, first served.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::collections::VecDeque;

use atrion::physics::{
    queue::Queue,
    voltage::{Tier, place_resistance},
};
use proptest::prelude::*;

const TIERS: [(Tier, f64); 5] =
    [(Tier::Bulk, 0.1), (Tier::Low, 0.3), (Tier::Normal, 0.7), (Tier::High, 0.9), (Tier::Critical, 1.0)];
const BASE: f64 = 10.0;

/// Numbers in [0, 1), the same ones for the same seed.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.next()).ln()
    }

    /// The usual mix: critical 10 %, high 20 %, normal 40 %, low 20 %, bulk 10 %.
    fn tier(&mut self) -> Tier {
        let at = self.next();
        TIERS.iter().find(|(_, to)| at < *to).map_or(Tier::Critical, |(tier, _)| *tier)
    }
}

#[derive(Debug, Clone, Copy)]
enum Service {
    Constant,
    Exponential,
    Bimodal,
}

impl Service {
    fn draw(self, mean_ms: f64, draws: &mut Draws) -> f64 {
        mean_ms
            * match self {
                Service::Constant => 1.0,
                Service::Exponential => draws.exponential(),
                Service::Bimodal => [0.5, 5.5][usize::from(draws.next() >= 0.9)],
            }
    }
}

fn services() -> impl Strategy<Value = Service> {
    prop_oneof![Just(Service::Constant), Just(Service::Exponential), Just(Service::Bimodal)]
}

#[derive(Default)]
struct Told {
    asked: f64,
    critical: f64,
    critical_good: f64,
    good: f64,
    refused: f64,
    late: f64,
    work_ms: f64,
    oldest_ms: f64,
}

/// One event loop, and the law before it.
struct Loop {
    queue: Queue,
    now_ms: f64,
    deadline_ms: f64,
    service: Service,
    service_ms: f64,
    refusal_ms: f64,
    draws: Draws,
}

impl Loop {
    fn new(service: Service, service_ms: f64, refusal_ms: f64, deadline_ms: f64, seed: u64) -> Self {
        let draws = Draws(seed);
        Self { queue: Queue::default(), now_ms: 1e6, deadline_ms, service, service_ms, refusal_ms, draws }
    }

    /// Handles one that came then; whether it was admitted.
    fn handle(&mut self, tier: Tier, came_ms: f64, told: &mut Told) -> bool {
        let age_ms = (self.now_ms - came_ms).max(1e-3);
        let x = self.queue.place(age_ms, self.deadline_ms, self.now_ms);
        let admitted = tier.voltage(self.draws.next(), BASE) > BASE + place_resistance(x);
        self.queue.answered(admitted);
        let took_ms = if admitted { self.service.draw(self.service_ms, &mut self.draws) } else { self.refusal_ms };
        self.now_ms += took_ms;
        let good = admitted && self.now_ms - came_ms <= self.deadline_ms;
        told.asked += 1.0;
        told.oldest_ms = told.oldest_ms.max(age_ms);
        told.refused += f64::from(u8::from(!admitted));
        told.late += f64::from(u8::from(admitted && !good));
        told.good += f64::from(u8::from(good));
        if tier == Tier::Critical {
            told.critical += 1.0;
            told.critical_good += f64::from(u8::from(good));
        }
        if admitted {
            told.work_ms += took_ms;
        }
        admitted
    }

    /// Arrivals that come whatever the answers are: `next` gives the time from one to the next, ms, undefined at the end.
    fn open(&mut self, mut next: impl FnMut(&mut Draws) -> Option<f64>, scored_from_ms: f64) -> Told {
        let start_ms = self.now_ms;
        let (mut before, mut told) = (Told::default(), Told::default());
        let mut came_ms = start_ms;
        while let Some(step_ms) = next(&mut self.draws) {
            came_ms += step_ms;
            self.now_ms = self.now_ms.max(came_ms);
            let tier = self.draws.tier();
            let to = if came_ms - start_ms < scored_from_ms { &mut before } else { &mut told };
            self.handle(tier, came_ms, to);
        }
        told
    }

    /// Clients that ask again as soon as they have an answer.
    fn closed(&mut self, clients: usize, tier: Tier, turns: usize, warm: usize) -> (Told, f64) {
        let mut waiting: VecDeque<f64> = (0..clients).map(|_| self.now_ms).collect();
        let (mut before, mut told) = (Told::default(), Told::default());
        let mut from_ms = self.now_ms;
        for turn in 0..turns {
            if turn == warm {
                from_ms = self.now_ms;
            }
            let came_ms = waiting.pop_front().expect("a client");
            self.handle(tier, came_ms, if turn < warm { &mut before } else { &mut told });
            waiting.push_back(self.now_ms);
        }
        (told, self.now_ms - from_ms)
    }
}

fn poisson(mean_ms: f64, count: usize) -> impl FnMut(&mut Draws) -> Option<f64> {
    let mut left = count;
    move |draws| {
        left = left.checked_sub(1)?;
        Some(mean_ms * draws.exponential())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn clients_that_ask_again_at_once_leave_the_floor_to_work(
        share in 0.02..0.5_f64, refusals in 10.0..100.0_f64, deadline_ms in 50.0..5000.0_f64, seed: u64,
        tier in (0_usize..5).prop_map(|i| TIERS[i].0),
    ) {
        // Refusing every client once takes `share` of A*, a service `refusals` times as long as a refusal.
        let clients = 400;
        let refusal_ms = share * 0.85 * deadline_ms / clients as f64;
        let mut one = Loop::new(Service::Constant, refusals * refusal_ms, refusal_ms, deadline_ms, seed);
        prop_assume!(refusals * refusal_ms < 0.05 * deadline_ms);
        let (told, passed_ms) = one.closed(clients, tier, 30_000, 15_000);
        prop_assert!(told.work_ms >= 0.4 * passed_ms, "{} of the time is work", told.work_ms / passed_ms);
        prop_assert!(told.late <= 0.01 * told.good, "{} late, {} on time", told.late, told.good);
    }

    #[test]
    fn under_any_overload_what_is_admitted_is_on_time_and_the_top_tier_is(
        load in 1.2..6.0_f64, service in services(), cost in 0.0..0.03_f64, per_service in 50.0..300.0_f64, seed: u64,
    ) {
        let (service_ms, deadline_ms) = (200.0 / per_service, 200.0);
        let mut one = Loop::new(service, service_ms, cost * service_ms, deadline_ms, seed);
        let count = 80_000;
        let told = one.open(poisson(service_ms / load, count), 0.25 * count as f64 * service_ms / load);
        // By what the drawn services took, which is not what they take on average.
        let drawn = told.work_ms / (told.good + told.late) / service_ms;
        let ceiling = ((1.0 - load * cost) / (drawn - cost) / load).min(1.0) * told.asked;
        prop_assert!(told.good >= 0.93 * ceiling, "{} of {ceiling}", told.good);
        prop_assert!(told.late <= 0.02 * told.good, "{} late, {} on time", told.late, told.good);
        let top = told.critical_good / told.critical;
        let wanted = if told.asked < 3.0 * ceiling { 0.99 } else { 0.95 };
        prop_assert!(top >= wanted, "{top} of the top tier");
    }

    #[test]
    fn a_burst_that_is_served_in_time_is_not_refused(
        fill in 0.1..0.55_f64, per_service in 20.0..500.0_f64, every in 2.0..10.0_f64, deadline_ms in 20.0..5000.0_f64, seed: u64,
    ) {
        let service_ms = deadline_ms / per_service;
        let size = (fill * per_service) as usize;
        let mut one = Loop::new(Service::Constant, service_ms, 0.0, deadline_ms, seed);
        let mut i = 0;
        let bursts = move |_: &mut Draws| {
            i += 1;
            (i <= 20 * size.max(1)).then(|| if i % size.max(1) == 0 { every * deadline_ms } else { 0.0 })
        };
        let told = one.open(bursts, 0.0);
        prop_assert_eq!(told.refused, 0.0, "the oldest waited for {} of {} ms", told.oldest_ms, deadline_ms);
    }

    #[test]
    fn below_its_capacity_hardly_anything_is_refused(
        load in 0.1..0.8_f64, service in services(), per_service in 50.0..1000.0_f64, seed: u64,
    ) {
        let (service_ms, deadline_ms) = (500.0 / per_service, 500.0);
        let mut one = Loop::new(service, service_ms, 0.02 * service_ms, deadline_ms, seed);
        let told = one.open(poisson(service_ms / load, 20_000), 0.0);
        // A service of a fiftieth of the deadline queues a fifth of it by chance now and then.
        let allowed = if per_service < 150.0 { 0.005 } else { 0.001 };
        prop_assert!(told.refused <= allowed * told.asked, "{} of {}", told.refused, told.asked);
    }

    #[test]
    fn a_pause_at_ordinary_load_refuses_nothing_that_is_on_time(
        pause in 0.05..0.6_f64, load in 0.1..0.7_f64, per_service in 50.0..500.0_f64, seed: u64,
    ) {
        let deadline_ms = 500.0;
        let service_ms = deadline_ms / per_service;
        let mut one = Loop::new(Service::Constant, service_ms, 0.02 * service_ms, deadline_ms, seed);
        let mut refused = 0.0;
        for _ in 0..20 {
            refused += one.open(poisson(service_ms / load, 500), 0.0).refused;
            // Requests that came in the meantime are handled late.
            let from_ms = one.now_ms;
            let (mut told, mut came_ms) = (Told::default(), from_ms);
            one.now_ms += pause * deadline_ms;
            while came_ms < one.now_ms {
                one.handle(Tier::Normal, came_ms, &mut told);
                came_ms += service_ms / load;
            }
            refused += told.refused;
        }
        prop_assert!(refused <= 10.0, "{refused}");
    }

    #[test]
    fn nothing_that_is_told_breaks_it(
        steps in prop::collection::vec((prop_oneof![0.0..1e3, Just(0.0), Just(1e12)], prop_oneof![0.0..1e4, Just(0.0), Just(1e12)], any::<bool>()), 1..200),
        deadline_ms in prop_oneof![1e-3..1e-2, 1.0..1e4, Just(1e9)],
    ) {
        let (mut queue, mut now_ms) = (Queue::default(), 0.0);
        for (step_ms, age_ms, admitted) in steps {
            now_ms += step_ms;
            prop_assert!(queue.place(age_ms, deadline_ms, now_ms).is_finite());
            queue.answered(admitted);
        }
        // After a silence it admits young requests, whatever it learnt.
        prop_assert!(queue.place(1e-4, deadline_ms, now_ms + 2e3) <= 0.0);
    }
}

#[test]
fn ages_that_were_not_measured_do_not_make_a_queue_empty() {
    let (mut queue, mut now_ms) = (Queue::default(), 1e6);
    let mut place = 0.0;
    for _ in 0..500 {
        now_ms += 2.0;
        place = queue.place(300.0, 500.0, now_ms);
        assert_eq!(queue.place(0.0, 500.0, now_ms + 1.0), 0.0, "a call to others is not what waited");
    }
    assert!(place > 1.0, "{place}");
}

#[test]
fn a_second_of_work_is_no_silence() {
    // Two seconds a request, a minute to answer: the gaps are longer than what a silence is.
    let mut one = Loop::new(Service::Constant, 2000.0, 1.0, 60_000.0, 7);
    let told = one.open(poisson(1000.0, 2000), 200_000.0);
    assert!(told.late <= 0.01 * told.good, "{} late, {} on time", told.late, told.good);
    assert!(told.good >= 0.93 * 0.5 * told.asked, "{} of {}", told.good, told.asked);
}
