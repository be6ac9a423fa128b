//! The limit does no harm: where every request would be on time without it, it refuses nothing.

use atrion::engine::{Outcome, PermitId};

use crate::plant::{
    Gate, Plant, Random, Scenario, Servers, Source, Steps,
    draws::{Bounds, Case, Findings, TIERS, assert_within, counts, drawn, magnitudes, patterns, services_ms, shapes},
    gate::{LimitedRoute, Unguarded},
    outcome::Run,
    play,
    traffic::Arrival,
};
use proptest::prelude::*;

/// Requests of a case.
const REQUESTS: f64 = 4000.0;
/// Traffic is calm when without a guard so many are on time.
const CALM: f64 = 0.995;
/// ... and has time to spare when none takes longer than this share of the deadline.
const SPARE: f64 = 0.7;

/// Services over a pool of any size, with any deadline, load and arrivals.
fn pools() -> impl Strategy<Value = Case> {
    (counts(1, 500), shapes(), services_ms(), magnitudes(1.5, 1000.0), 0.05..0.95, patterns(), any::<u32>()).prop_map(
        |(servers, shape, service_ms, ratio, load, pattern, seed)| {
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            Case::new(plant, load, pattern, REQUESTS, seed)
        },
    )
}

/// The same without a queue.
fn free() -> impl Strategy<Value = Case> {
    (shapes(), services_ms(), magnitudes(0.1, 1000.0), magnitudes(0.1, 500.0), patterns(), any::<u32>()).prop_map(
        |(shape, service_ms, ratio, load, pattern, seed)| {
            let plant = Plant::new(Servers::Free, shape, service_ms, ratio * service_ms);
            Case::new(plant, load, pattern, REQUESTS, seed)
        },
    )
}

/// Shares refused in the cases that are calm: steady ones with time to spare and without, then bursts of both kinds.
fn refused_when_calm(cases: &[Case]) -> [Findings; 4] {
    let mut found: [Findings; 4] = Default::default();
    for Case { name, scenario, is_steady } in cases {
        let deadline_ms = scenario.plant.deadline_ms;
        let without = play(scenario, 0.0, &mut Unguarded);
        if without.on_time() < CALM {
            continue;
        }
        let with = play(scenario, 0.0, &mut LimitedRoute::new(deadline_ms));
        let longest = without.longest_ms() / deadline_ms;
        let kind = 2 * usize::from(!is_steady) + usize::from(longest > SPARE);
        found[kind].add(with.refused_share_from(0.0), format!("longest {longest:.2} D, {name}"));
    }
    found
}

#[test]
fn a_pool_that_is_calm_refuses_nothing() {
    let [spare, tight, burst_spare, burst_tight] = refused_when_calm(&drawn(&pools(), 1500, 1));
    assert_within([
        spare.beyond("steady, time to spare", Bounds { least: 300, figure: 0.0, exceptions: 2, mean: 0.0001 }),
        tight.beyond("steady, just on time", Bounds { least: 40, figure: 0.001, exceptions: 3, mean: 0.0005 }),
        burst_spare.beyond("bursts, time to spare", Bounds { least: 300, figure: 0.0, exceptions: 10, mean: 0.003 }),
        burst_tight.beyond("bursts, just on time", Bounds { least: 80, figure: 0.001, exceptions: 55, mean: 0.03 }),
    ]);
}

#[test]
fn a_free_dependency_that_is_calm_refuses_nothing() {
    let [spare, tight, burst_spare, burst_tight] = refused_when_calm(&drawn(&free(), 1500, 2));
    assert_within([
        spare.beyond("steady, time to spare", Bounds::all(200, 0.0)),
        tight.beyond("steady, just on time", Bounds::all(30, 0.001)),
        burst_spare.beyond("bursts, time to spare", Bounds { least: 300, figure: 0.0, exceptions: 3, mean: 0.0002 }),
        burst_tight.beyond("bursts, just on time", Bounds { least: 50, figure: 0.001, exceptions: 1, mean: 0.0012 }),
    ]);
}

/// A route whose host calls that share of its answers no evidence.
struct Ignoring {
    route: LimitedRoute,
    share: f64,
    random: Random,
}

impl Gate for Ignoring {
    fn ask(&mut self, arrival: &Arrival, now_ms: f64) -> Option<PermitId> {
        self.route.ask(arrival, now_ms)
    }

    fn done(&mut self, permit: PermitId, outcome: Outcome, now_ms: f64) {
        let is_ignored = outcome == Outcome::Success && self.random.uniform() < self.share;
        self.route.done(permit, if is_ignored { Outcome::Ignored } else { outcome }, now_ms);
    }
}

/// Shares refused in those cases that are calm with `SPARE`, where each has its share of answers ignored: steady, then bursts.
fn refused_when_ignored(cases: &[(Case, f64)]) -> [Findings; 2] {
    let mut found: [Findings; 2] = Default::default();
    for (Case { name, scenario, is_steady }, share) in cases {
        let deadline_ms = scenario.plant.deadline_ms;
        let without = play(scenario, 0.0, &mut Unguarded);
        if without.on_time() < CALM || without.longest_ms() > SPARE * deadline_ms {
            continue;
        }
        let route = LimitedRoute::new(deadline_ms);
        let mut gate = Ignoring { route, share: *share, random: Random::new(scenario.seed, 77) };
        let refused = play(scenario, 0.0, &mut gate).refused_share_from(0.0);
        found[usize::from(!is_steady)].add(refused, format!("ignored {share:.2}, {name}"));
    }
    found
}

#[test]
fn answers_that_are_no_evidence_are_no_loss_of_capacity() {
    let [steady, bursts] = refused_when_ignored(&drawn(&(pools(), 0.05..0.6), 1000, 14));
    assert_within([
        steady.beyond("half ignored, steady", Bounds { least: 150, figure: 0.01, exceptions: 2, mean: 0.0005 }),
        bursts.beyond("half ignored, bursts", Bounds { least: 150, figure: 0.01, exceptions: 14, mean: 0.005 }),
    ]);
    let [steady, bursts] = refused_when_ignored(&drawn(&(pools(), 0.6..0.95), 1000, 15));
    assert_within([
        steady.beyond("most ignored, steady", Bounds { least: 150, figure: 0.05, exceptions: 4, mean: 0.002 }),
        bursts.beyond("most ignored, bursts", Bounds { least: 150, figure: 0.05, exceptions: 32, mean: 0.025 }),
    ]);
}

/// Random traffic to a free dependency: `load` in flight, and from half of the time on so many times as many requests,
/// at `speed` times the speed.
fn changing(mut plant: Plant, load: f64, arrivals: f64, speed: f64, seed: u32) -> Scenario {
    let per_ms = load * plant.capacity_per_ms();
    let change_ms = (REQUESTS / per_ms).max(20.0 * plant.service_ms);
    let until_ms = change_ms + (REQUESTS / (arrivals * per_ms)).max(20.0 * plant.service_ms / speed);
    plant.speed = Steps::new(vec![(0.0, 1.0), (change_ms, speed)]);
    let rates = Steps::new(vec![(0.0, per_ms), (change_ms, arrivals * per_ms)]);
    Scenario { plant, sources: vec![Source::Poisson(rates)], tiers: TIERS, until_ms, seed: u64::from(seed) }
}

fn guarded(scenario: &Scenario) -> Run {
    play(scenario, 0.0, &mut LimitedRoute::new(scenario.plant.deadline_ms))
}

#[test]
fn a_service_that_is_slow_by_nature_is_not_refused_for_it() {
    let slow = (shapes(), services_ms(), 0.1..0.9, magnitudes(0.5, 300.0), any::<u32>());
    let mut found = Findings::default();
    for (shape, service_ms, ratio, load, seed) in drawn(&slow, 200, 10) {
        let scenario = changing(Plant::new(Servers::Free, shape, service_ms, ratio * service_ms), load, 1.0, 1.0, seed);
        let name = format!("{shape:?} s {service_ms:.4} ms D/s {ratio:.2} load {load:.1} seed {seed}");
        found.add(guarded(&scenario).refused_share_from(0.0), name);
    }
    assert_within([found.beyond("slow by nature", Bounds { least: 200, figure: 0.001, exceptions: 24, mean: 0.025 })]);
}

#[test]
fn more_requests_to_a_free_dependency_are_not_refused() {
    let grown = (shapes(), services_ms(), magnitudes(2.0, 100.0), magnitudes(0.2, 10.0), 2.0..50.0, any::<u32>());
    let mut found = Findings::default();
    for (shape, service_ms, ratio, load, times, seed) in drawn(&grown, 200, 11) {
        let plant = Plant::new(Servers::Free, shape, service_ms, ratio * service_ms);
        let name = format!("{shape:?} s {service_ms:.4} ms D/s {ratio:.2} load {load:.2} times {times:.1} seed {seed}");
        found.add(guarded(&changing(plant, load, times, 1.0, seed)).refused_share_from(0.0), name);
    }
    assert_within([found.beyond("arrivals grow", Bounds { least: 200, figure: 0.001, exceptions: 2, mean: 0.0005 })]);
}

#[test]
fn a_free_dependency_that_has_slowed_is_not_refused_for_long() {
    let slowed = (shapes(), services_ms(), magnitudes(5.0, 100.0), magnitudes(0.5, 50.0), 0.1..0.7, any::<u32>());
    let mut found = Findings::default();
    for (shape, service_ms, ratio, load, speed, seed) in drawn(&slowed, 200, 12) {
        let plant = Plant::new(Servers::Free, shape, service_ms, ratio * service_ms / speed);
        let name = format!("{shape:?} s {service_ms:.4} ms D/s {ratio:.2} load {load:.2} speed {speed:.2} seed {seed}");
        found.add(guarded(&changing(plant, load, 1.0, speed, seed)).refused_share_from(0.0), name);
    }
    assert_within([found.beyond("latency grows", Bounds { least: 200, figure: 0.02, exceptions: 2, mean: 0.001 })]);
}

/// Shares refused of a free dependency that slows down to just on time, in so many steps, with so many times as many requests from then on:
/// in all the time since, and when that is long ago.
fn refused_when_slower(arrivals: impl Strategy<Value = f64>, levels: u32, seed: u64) -> [Findings; 2] {
    let slowed =
        (shapes(), services_ms(), magnitudes(1.1, 5.0), magnitudes(0.5, 50.0), 0.1..0.7, arrivals, any::<u32>());
    let [mut found, mut lasting] = <[Findings; 2]>::default();
    for (shape, service_ms, ratio, load, speed, times, seed) in drawn(&slowed, 300, seed) {
        let plant = Plant::new(Servers::Free, shape, service_ms, ratio * service_ms / speed);
        let name = format!(
            "{shape:?} s {service_ms:.4} ms D/s {ratio:.2} load {load:.2} speed {speed:.2} times {times:.2} seed {seed}"
        );
        let mut scenario = changing(plant.clone(), load, times, speed, seed);
        let change_ms = changing(plant, load, 1.0, 1.0, seed).until_ms / 2.0;
        let since_ms = scenario.until_ms - change_ms;
        let step = |level: u32| f64::from(level) / f64::from(levels);
        let slower = (0..levels).map(|i| (change_ms + 0.5 * step(i) * since_ms, 1.0 + (speed - 1.0) * step(i + 1)));
        scenario.plant.speed = Steps::new(std::iter::once((0.0, 1.0)).chain(slower).collect());
        scenario.until_ms += 4.0 * since_ms;
        let with = guarded(&scenario);
        found.add(with.refused_share_from(change_ms), name.clone());
        lasting.add(with.refused_share_from(change_ms + 2.5 * since_ms), name);
    }
    [found, lasting]
}

/// Answers that take much of the deadline are filed as a queue at first, and the limit makes that true: what it lets in is what is completed.
#[test]
fn a_free_dependency_that_slows_down_to_just_on_time_is_let_in_again() {
    let [found, lasting] = refused_when_slower(Just(1.0), 1, 16);
    assert_within([
        found.beyond("slower, just on time", Bounds { least: 300, figure: 0.3, exceptions: 4, mean: 0.015 }),
        lasting.beyond("slower for long, just on time", Bounds { least: 300, figure: 0.1, exceptions: 8, mean: 0.01 }),
    ]);
}

/// By its completions that is an overload. Only what answers took while work in flight rose says that there is no queue, and where few are
/// in flight those are too few to say so: what is left.
#[test]
fn a_free_dependency_that_slows_down_as_the_load_rises_is_let_in_again() {
    let [found, lasting] = refused_when_slower(1.2..5.0, 1, 26);
    assert_within([
        found.beyond("slower under more load", Bounds { least: 300, figure: 0.3, exceptions: 24, mean: 0.053 }),
        lasting
            .beyond("slower for long under more load", Bounds { least: 300, figure: 0.1, exceptions: 29, mean: 0.047 }),
    ]);
}

/// Then latency and work in flight rise together, as in a queue.
#[test]
fn a_free_dependency_that_slows_down_little_by_little_is_let_in_again() {
    let [found, lasting] = refused_when_slower(Just(1.0), 20, 27);
    assert_within([
        found.beyond("slower by and by", Bounds { least: 300, figure: 0.3, exceptions: 3, mean: 0.0105 }),
        lasting.beyond("slower for long by and by", Bounds { least: 300, figure: 0.1, exceptions: 7, mean: 0.0085 }),
    ]);
}

#[test]
fn the_same_scenario_is_decided_the_same_to_the_last_bit() {
    for Case { scenario, .. } in drawn(&pools(), 30, 13).iter().chain(&drawn(&free(), 30, 13)) {
        let (first, second) = (guarded(scenario), guarded(scenario));
        assert!(first.requests.len() > 100);
        for (a, b) in first.requests.iter().zip(&second.requests) {
            assert_eq!((a.at_ms.to_bits(), a.tier, a.end), (b.at_ms.to_bits(), b.tier, b.end));
            assert_eq!(a.took_ms.to_bits(), b.took_ms.to_bits());
        }
        assert_eq!(first.requests.len(), second.requests.len());
    }
}
