//! The limit suffices: under lasting overload nearly all that the servers can do is answered in time, and the top tier is.

#[path = "common/plant/mod.rs"]
mod plant;

use plant::{
    Guarded, Plant, Scenario, Servers, Source, Steps, ceiling,
    draws::{Case, Findings, TIERS, assert_within, counts, drawn, magnitudes, services_ms, shapes},
    play,
};
use proptest::prelude::*;

/// Requests that fill the queue of a plant up to its deadline, at most: a run has four times as many.
const FILLING: f64 = 8000.0;

/// Overload at random of a pool: after a calm time, or from the first request on.
fn overloads(least_ratio: f64, most_ratio: f64, cold: bool) -> impl Strategy<Value = Case> {
    let loads = magnitudes(1.2, 10.0);
    (counts(4, 500), shapes(), services_ms(), magnitudes(least_ratio, most_ratio), loads, any::<u32>()).prop_map(
        move |(servers, shape, service_ms, ratio, load, seed)| {
            let servers = servers.min((FILLING / (ratio * load)) as usize).max(4);
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            let per_ms = plant.capacity_per_ms();
            let calm_ms = if cold { 0.0 } else { 2000.0 / per_ms };
            let filling = ratio * servers as f64 * load;
            let until_ms = calm_ms + (4.0 * filling).max(6000.0) / (load * per_ms);
            let name = format!(
                "Pool({servers}) {shape:?} s {service_ms:.4} ms D/s {ratio:.2} load {load:.2} cold {cold} seed {seed}"
            );
            let rates = Steps::new(vec![(0.0, 0.5 * per_ms), (calm_ms, load * per_ms)]);
            let sources = vec![Source::Poisson(rates)];
            let scenario = Scenario { plant, sources, tiers: TIERS, until_ms, seed: u64::from(seed) };
            Case { name, scenario }
        },
    )
}

/// What is lacking in goodput and in the top tier, as shares of the ceiling.
fn shortfalls(cases: &[Case]) -> (Findings, Findings) {
    let (mut goodput, mut top) = (Findings::default(), Findings::default());
    for Case { name, scenario } in cases {
        let from_ms = 0.4 * scenario.until_ms;
        let with = play(scenario, 0.0, &mut Guarded::new(scenario.plant.deadline_ms));
        let most = ceiling(scenario, from_ms);
        let got = (with.goodput(from_ms) / most.goodput, with.top(from_ms) / most.top);
        goodput.add(1.0 - got.0, format!("top {:.3} {name}", got.1));
        top.add(1.0 - got.1, format!("goodput {:.3} {name}", got.0));
    }
    (goodput, top)
}

#[test]
fn goodput_and_the_top_tier_reach_the_ceiling() {
    let (goodput, top) = shortfalls(&drawn(&overloads(5.0, 1000.0, false), 300, 3));
    assert_within([goodput.beyond("goodput short", 300, 0.05, 0.02), top.beyond("top tier short", 300, 0.03, 0.01)]);
}

#[test]
fn they_come_near_it_where_services_take_much_of_the_deadline() {
    let (goodput, top) = shortfalls(&drawn(&overloads(2.0, 5.0, false), 200, 4));
    assert_within([goodput.beyond("goodput short", 200, 0.1, 0.05), top.beyond("top tier short", 200, 0.05, 0.02)]);
}

#[test]
fn so_they_do_where_the_first_request_meets_overload() {
    let (goodput, top) = shortfalls(&drawn(&overloads(5.0, 1000.0, true), 300, 5));
    assert_within([goodput.beyond("goodput short", 300, 0.05, 0.02), top.beyond("top tier short", 300, 0.03, 0.01)]);
}
