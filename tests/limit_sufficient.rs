//! The limit suffices: under lasting overload nearly all that the servers can do is answered in time, and the top tier is.

#[path = "common/plant/mod.rs"]
mod plant;

use plant::{
    Guarded, Plant, Servers,
    ceiling,
    draws::{Case, Findings, Pattern, assert_within, counts, drawn, magnitudes, services_ms, shapes},
    play,
};
use proptest::prelude::*;

/// Overload at random of a pool, of which the first part is not judged.
fn overloads(least_ratio: f64, most_ratio: f64) -> impl Strategy<Value = Case> {
    (counts(4, 500), shapes(), services_ms(), magnitudes(least_ratio, most_ratio), magnitudes(1.2, 10.0), any::<u32>())
        .prop_map(|(servers, shape, service_ms, ratio, load, seed)| {
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            // Long enough for the backlog to reach the deadline and to stand there.
            let settled = 2.0 * ratio * servers as f64 * load;
            Case::new(plant, load, Pattern::Poisson, (2.0 * settled).clamp(6000.0, 30_000.0), seed)
        })
}

/// What is lacking in goodput and in the top tier, as shares of the ceiling.
fn shortfalls(cases: &[Case]) -> (Findings, Findings) {
    let (mut goodput, mut top) = (Findings::default(), Findings::default());
    for Case { name, scenario } in cases {
        let from_ms = 0.3 * scenario.until_ms;
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
    let (goodput, top) = shortfalls(&drawn(&overloads(5.0, 1000.0), 300, 3));
    assert_within([goodput.beyond("goodput short", 300, 0.05, 0.02), top.beyond("top tier short", 300, 0.03, 0.01)]);
}

#[test]
fn they_come_near_it_where_services_take_much_of_the_deadline() {
    let (goodput, top) = shortfalls(&drawn(&overloads(2.0, 5.0), 200, 4));
    assert_within([goodput.beyond("goodput short", 200, 0.1, 0.05), top.beyond("top tier short", 200, 0.05, 0.02)]);
}
