//! The limit recovers: from overload, from a loss of speed, from contention, from whatever it has been through.

use crate::plant::{
    Patience, Plant, Scenario, Servers, Source, Steps,
    draws::{Bounds, Findings, TIERS, assert_within, counts, drawn, magnitudes, patterns, services_ms, shapes},
    gate::{LimitedRoute, Unguarded},
    play,
};
use atrion::physics::{
    limit::{Limit, LimitLaw, Regime},
    params::RouteParams,
};
use proptest::prelude::*;
use std::collections::VecDeque;

/// Of routes with a history, ms.
const DEADLINE_MS: f64 = 1000.0;

/// A trial, and when the load has gone, ms.
#[derive(Debug)]
struct Recovery {
    name: String,
    scenario: Scenario,
    calm_ms: f64,
}

/// Random traffic over `plant` by steps: (how many services of the plant long, load).
fn traffic(plant: Plant, steps: &[(f64, f64)], seed: u32) -> Scenario {
    let per_ms = plant.capacity_per_ms();
    let mut at_ms = 0.0;
    let mut rates = Vec::new();
    for &(services, load) in steps {
        rates.push((at_ms, load * per_ms));
        at_ms += services / per_ms;
    }
    let sources = vec![Source::Poisson(Steps::new(rates))];
    Scenario { plant, sources, tiers: TIERS, until_ms: at_ms, seed: u64::from(seed) }
}

/// Of the requests that come later than `bound` deadlines and 100 services after the load has gone, the share refused.
fn refused_after(trials: &[Recovery], bound: f64) -> Findings {
    let mut found = Findings::default();
    for Recovery { name, scenario, calm_ms } in trials {
        let plant = &scenario.plant;
        let with = play(scenario, 0.0, &mut LimitedRoute::new(plant.deadline_ms));
        let from_ms = calm_ms + bound * plant.deadline_ms + 100.0 / plant.capacity_per_ms();
        found.add(with.refused_share_from(from_ms), name.clone());
    }
    found
}

/// Overload, then calm.
fn overloads() -> impl Strategy<Value = Recovery> {
    let loads = (magnitudes(1.2, 10.0), 0.1..0.7);
    (counts(2, 200), shapes(), services_ms(), magnitudes(5.0, 100.0), loads, any::<u32>()).prop_map(
        |(servers, shape, service_ms, ratio, (load, after), seed)| {
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            let drained = ratio * servers as f64;
            let lasts = (4.0 * drained).clamp(2000.0, 20_000.0) / load.max(2.0);
            let calm_ms = (1000.0 + lasts) / plant.capacity_per_ms();
            let steps = [(1000.0, 0.5), (lasts, load), (6.0 * drained + 6000.0, after)];
            let name = format!("{} load {load:.2} then {after:.2} seed {seed}", plant.name());
            Recovery { name, scenario: traffic(plant, &steps, seed), calm_ms }
        },
    )
}

/// A loss of speed that makes an overload of the load, and its end.
fn slowdowns() -> impl Strategy<Value = Recovery> {
    (counts(2, 200), shapes(), services_ms(), magnitudes(10.0, 100.0), (0.3..0.7, 0.15..0.5), any::<u32>()).prop_map(
        |(servers, shape, service_ms, ratio, (load, speed), seed)| {
            let mut plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            let drained = ratio * servers as f64;
            let (slow, well) = (2000.0, 2000.0 + 3.0 * drained);
            let per_ms = plant.capacity_per_ms();
            plant.speed = Steps::new(vec![(0.0, 1.0), (slow / per_ms, speed), (well / per_ms, 1.0)]);
            let name = format!("{} load {load:.2} speed {speed:.2} seed {seed}", plant.name());
            let scenario = traffic(plant, &[(well + 6.0 * drained + 6000.0, load)], seed);
            Recovery { name, scenario, calm_ms: well / per_ms }
        },
    )
}

/// Servers whose throughput falls with work in flight, driven beyond what they can do.
fn contentions() -> impl Strategy<Value = Recovery> {
    let loads = (magnitudes(1.3, 5.0), 0.2..0.6);
    (
        magnitudes(20.0, 200.0),
        magnitudes(0.05, 0.5),
        shapes(),
        services_ms(),
        magnitudes(5.0, 50.0),
        loads,
        any::<u32>(),
    )
        .prop_map(|(peak, slope, shape, service_ms, ratio, (load, after), seed)| {
            let servers = Servers::Contended { peak: peak.round(), slope };
            let plant = Plant::new(servers, shape, service_ms, ratio * service_ms);
            let drained = ratio * peak;
            let lasts = 4.0 * drained + 2000.0;
            let calm_ms = (1000.0 + lasts) / plant.capacity_per_ms();
            let steps = [(1000.0, 0.5), (lasts, load), (6.0 * drained + 6000.0, after)];
            let name = format!("{} load {load:.2} then {after:.2} seed {seed}", plant.name());
            Recovery { name, scenario: traffic(plant, &steps, seed), calm_ms }
        })
}

/// A dependency that turns slow and wrong, and its end. With it, the time that one of its slow answers takes, ms.
fn zombies() -> impl Strategy<Value = (Recovery, f64)> {
    let servers = prop_oneof![counts(2, 200).prop_map(Servers::Pool), Just(Servers::Free)];
    let zombie = (magnitudes(2.0, 100.0), 0.0..0.6, magnitudes(1000.0, 60_000.0));
    let loads = (0.1..0.8, magnitudes(1.0, 100.0));
    (servers, shapes(), magnitudes(2.0, 500.0), magnitudes(3.0, 100.0), loads, zombie, any::<u32>()).prop_map(
        |(servers, shape, service_ms, ratio, (load, in_flight), (factor, wrong, lasts_ms), seed)| {
            let mut plant = Plant::new(servers, shape, service_ms, ratio * service_ms);
            let load = if servers == Servers::Free { in_flight } else { load };
            let per_ms = load * plant.capacity_per_ms();
            let slow_ms = factor * service_ms;
            let turns_ms = (1000.0 / per_ms).max(3.0 * plant.deadline_ms);
            let calm_ms = turns_ms + lasts_ms.min(30_000.0 / per_ms).max(2.0 * plant.deadline_ms);
            let after_ms = (3000.0 / per_ms).max(20.0 * plant.deadline_ms).max(10.0 * slow_ms).min(60_000.0 / per_ms);
            plant.speed = Steps::new(vec![(0.0, 1.0), (turns_ms, 1.0 / factor), (calm_ms, 1.0)]);
            plant.failing = Steps::new(vec![(0.0, 0.0), (turns_ms, wrong), (calm_ms, 0.0)]);
            let lasts_ms = calm_ms - turns_ms;
            let name = format!(
                "{} load {load:.2} {factor:.1} times slower and {wrong:.2} wrong for {lasts_ms:.0} ms seed {seed}",
                plant.name()
            );
            let sources = vec![Source::Poisson(Steps::constant(per_ms))];
            let scenario =
                Scenario { plant, sources, tiers: TIERS, until_ms: calm_ms + after_ms, seed: u64::from(seed) };
            (Recovery { name, scenario, calm_ms }, slow_ms)
        },
    )
}

/// The history of a route: plants of another kind behind the same name.
fn histories() -> impl Strategy<Value = Vec<(Servers, f64, Scenario)>> {
    let servers = prop_oneof![
        3 => counts(1, 300).prop_map(Servers::Pool),
        1 => Just(Servers::Free),
        1 => (magnitudes(2.0, 100.0), 0.0..1.0).prop_map(|(peak, slope)| Servers::Contended { peak, slope }),
    ];
    let kind = (servers, shapes(), magnitudes(0.002, 3.0), magnitudes(0.2, 8.0), patterns());
    let faults = (prop_oneof![2 => Just(0.0), 1 => 0.0..0.3], prop::option::of((0.05..3.0, any::<bool>())));
    let one =
        (kind, faults, any::<u32>()).prop_map(|((servers, shape, share, load, pattern), (failing, patience), seed)| {
            let mut plant = Plant::new(servers, shape, share * DEADLINE_MS, DEADLINE_MS);
            plant.failing = Steps::constant(failing);
            plant.patience = patience.map(|(share, cancels)| Patience { after_ms: share * DEADLINE_MS, cancels });
            let scenario = pattern.scenario(plant, load, 1500.0, u64::from(seed));
            (servers, load, scenario)
        });
    prop::collection::vec(one, 1..5)
}

#[test]
fn once_the_load_has_gone_nothing_is_refused() {
    let found = refused_after(&drawn(&overloads(), 200, 6), 2.0);
    assert_within([
        found.beyond("refused after overload", Bounds { least: 200, figure: 0.0, exceptions: 5, mean: 0.0002 })
    ]);
}

#[test]
fn a_route_that_is_as_fast_as_before_refuses_nothing() {
    let found = refused_after(&drawn(&slowdowns(), 600, 7), 2.0);
    assert_within([
        found.beyond("refused after a loss of speed", Bounds { least: 600, figure: 0.0, exceptions: 33, mean: 0.0007 })
    ]);
}

/// Refusals afterwards, as the time that they take; 1 is a slow answer that was admitted last, and a deadline.
#[test]
fn a_dependency_that_was_slow_and_wrong_is_asked_again_soon() {
    let mut found = [Findings::default(), Findings::default()];
    for (Recovery { name, scenario, calm_ms }, slow_ms) in drawn(&zombies(), 400, 10) {
        let Scenario { plant, until_ms, .. } = &scenario;
        let with = play(&scenario, 0.0, &mut LimitedRoute::new(plant.deadline_ms));
        let refused_ms = with.refused_share_from(calm_ms) * (until_ms - calm_ms);
        let is_free = plant.servers == Servers::Free;
        found[usize::from(is_free)].add(refused_ms / (slow_ms + plant.deadline_ms), name);
    }
    let [pool, free] = found;
    assert_within([
        pool.beyond("refused after a pool was slow", Bounds { least: 150, figure: 3.0, exceptions: 17, mean: 1.1 }),
        free.beyond("refused after a free one was slow", Bounds { least: 150, figure: 3.0, exceptions: 18, mean: 0.8 }),
    ]);
}

/// Asks at `now_ms` with `n` in flight, and admits where shedding has not begun.
fn is_admitted(limit: &mut Limit, n: usize, now_ms: f64, law: &LimitLaw) -> bool {
    limit.pass(n as f64, now_ms);
    limit.offer(n as f64, false, law);
    let admitted = n == 0 || limit.load(n as f64, now_ms) + 0.5 <= limit.thresholds(n as f64, law).start;
    if admitted {
        limit.admit(n as f64 + 1.0, now_ms);
    }
    admitted
}

proptest! {
    /// A dependency that is overloaded, then answers nothing, then only what is asked from now on.
    #[test]
    fn a_limit_whose_places_never_come_back_is_probed(servers in 1_usize..100, service_ms in 0.1..1000.0_f64, ratio in 4.0..100.0_f64) {
        let deadline_ms = ratio * service_ms;
        let law = LimitLaw { deadline_ms, ..RouteParams::default().limit };
        let (mut limit, mut now_ms) = (Limit::new(&law, 0.0), 0.0);
        let mut queue = VecDeque::new();
        for turn in 0..400 * servers.max(10) {
            now_ms += service_ms / servers as f64;
            for _ in 0..2 {
                if is_admitted(&mut limit, queue.len(), now_ms, &law) {
                    queue.push_back((now_ms, queue.len() as f64 + 1.0));
                }
            }
            if turn >= servers && let Some((since_ms, met)) = queue.pop_front() {
                limit.complete(queue.len() as f64, met, now_ms - since_ms, true, &law);
            }
        }
        prop_assert_eq!(limit.regime(), Regime::Queueing);
        let hung = queue.len();
        let (mut n, mut full) = (hung, hung as f64);
        for _ in 0..1000 * 8 {
            now_ms += deadline_ms / 8.0;
            n += usize::from(is_admitted(&mut limit, n, now_ms, &law));
            full = full.max(limit.thresholds(n as f64 + 1.0, &law).full);
        }
        prop_assert!(n > hung, "shut for a thousand deadlines with {hung} in flight");
        let most = (full.powi(3) + 1000.0 * full.powi(2)).cbrt() + 2.0;
        prop_assert!((n as f64) < most, "{n} in flight after a thousand deadlines at a limit of {full}");
        let mut asked = 0;
        while limit.regime() == Regime::Queueing && asked < 200_000 {
            asked += 1;
            now_ms += deadline_ms / 8.0;
            if is_admitted(&mut limit, n, now_ms, &law) {
                limit.pass(n as f64 + 1.0, now_ms + service_ms);
                limit.complete(n as f64, n as f64 + 1.0, service_ms, true, &law);
            }
        }
        prop_assert!(asked < 200_000, "still held to queue, with {n} in flight");
    }
}

#[test]
fn contention_ends_with_its_load() {
    let found = refused_after(&drawn(&contentions(), 150, 8), 2.0);
    assert_within([
        found.beyond("refused after contention", Bounds { least: 150, figure: 0.0, exceptions: 12, mean: 0.03 })
    ]);
}

#[test]
fn a_calm_route_comes_to_refuse_nothing_after_every_history() {
    let calm = (counts(2, 200), shapes(), magnitudes(5.0, 100.0), 0.1..0.7, any::<u32>());
    let mut found = Findings::default();
    for (history, (servers, shape, ratio, load, seed)) in drawn(&(histories(), calm), 200, 9) {
        let mut gate = LimitedRoute::new(DEADLINE_MS);
        let mut now_ms = 0.0;
        for (_, _, past) in &history {
            now_ms += play(past, now_ms, &mut gate).ended_ms;
        }
        let plant = Plant::new(Servers::Pool(servers), shape, DEADLINE_MS / ratio, DEADLINE_MS);
        let drained = ratio * servers as f64;
        let calm = traffic(plant, &[(8.0 * drained + 8000.0, load)], seed);
        if play(&calm, 0.0, &mut Unguarded).on_time() < 1.0 {
            continue;
        }
        let from_ms = 3.0 * DEADLINE_MS + 1000.0 / calm.plant.capacity_per_ms();
        let with = play(&calm, now_ms, &mut gate);
        let before: Vec<_> = history
            .iter()
            .map(|(servers, load, past)| {
                let Plant { shape, service_ms, failing, patience, .. } = &past.plant;
                let (failing, _) = failing.at(0.0);
                format!("{servers:?} {shape:?} s {service_ms:.1} load {load:.2} failing {failing:.2} {patience:?}")
            })
            .collect();
        found.add(
            with.refused_share_from(from_ms),
            format!("Pool({servers}) {shape:?} D/s {ratio:.1} load {load:.2} seed {seed} after {}", before.join(", ")),
        );
    }
    assert_within([
        found.beyond("refused after a random history", Bounds { least: 100, figure: 0.0, exceptions: 14, mean: 0.02 })
    ]);
}
