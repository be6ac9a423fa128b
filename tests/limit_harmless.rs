//! The limit does no harm: where every request would be on time without it, it refuses nothing.

#[path = "common/plant/mod.rs"]
mod plant;

use plant::{
    Guarded, Plant, Servers, Unguarded,
    draws::{Case, Findings, assert_within, counts, drawn, magnitudes, patterns, services_ms, shapes},
    play,
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

/// Shares refused in the cases that are calm: with time to spare, and the others.
fn refused_when_calm(cases: &[Case]) -> (Findings, Findings) {
    let (mut spare, mut tight) = (Findings::default(), Findings::default());
    for Case { name, scenario } in cases {
        let deadline_ms = scenario.plant.deadline_ms;
        let without = play(scenario, 0.0, &mut Unguarded);
        if without.on_time() < CALM {
            continue;
        }
        let with = play(scenario, 0.0, &mut Guarded::new(deadline_ms));
        let longest = without.longest_ms() / deadline_ms;
        let found = if longest <= SPARE { &mut spare } else { &mut tight };
        found.add(with.refused_share_from(0.0), format!("longest {longest:.2} D, {name}"));
    }
    (spare, tight)
}

#[test]
fn a_pool_that_is_calm_refuses_nothing() {
    let (spare, tight) = refused_when_calm(&drawn(&pools(), 1500, 1));
    assert_within([
        spare.beyond("refused, time to spare", 100, 0.0, 0.0),
        tight.beyond("refused, just on time", 100, 0.001, 0.001),
    ]);
}

#[test]
fn a_free_dependency_that_is_calm_refuses_nothing() {
    let (spare, tight) = refused_when_calm(&drawn(&free(), 1500, 2));
    assert_within([
        spare.beyond("refused, time to spare", 100, 0.0, 0.0),
        tight.beyond("refused, just on time", 100, 0.001, 0.001),
    ]);
}
