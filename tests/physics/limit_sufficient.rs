//! The limit suffices: under lasting overload nearly all that the servers can do is answered in time, and the top tier
//! is.

use crate::plant::{
    Plant, Scenario, Servers, Source, Steps,
    ceiling::ceiling,
    draws::{Bounds, Case, Findings, TIERS, assert_within, counts, drawn, magnitudes, services_ms, shapes},
    gate::LimitedRoute,
    play,
};
use proptest::prelude::*;

/// Requests that fill the queue of a plant up to its deadline, at most.
const FILLING: f64 = 8000.0;
/// The number of requests that may be admitted before the first answer shows a queue.
const UNPROVEN: f64 = 512.0;

/// Requests of an overload that lasts.
const LASTING: f64 = 60_000.0;
/// Deadline ÷ service where services take much of the deadline, and nearly all of it.
const SPARE: (f64, f64) = (1.8, 5.0);
const SCARCE: (f64, f64) = (1.3, 2.2);

/// An overload, and from when on it is judged, ms.
#[derive(Debug)]
struct Overload {
    case: Case,
    began_ms: f64,
    settled_ms: f64,
}

/// Overload at random of a pool: after a calm time, or from the first request on. It has settled when the queue that
/// was admitted before it was known has been served.
fn overloads(least_ratio: f64, most_ratio: f64, cold: bool) -> impl Strategy<Value = Overload> {
    let loads = magnitudes(1.2, 10.0);
    (counts(4, 500), shapes(), services_ms(), magnitudes(least_ratio, most_ratio), loads, any::<u32>()).prop_map(
        move |(servers, shape, service_ms, ratio, load, seed)| {
            let servers = servers.min((FILLING / (ratio * load)) as usize).max(4);
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            let per_ms = plant.capacity_per_ms();
            let began_ms = if cold { 0.0 } else { 2000.0 / per_ms };
            let settled_ms = began_ms + 4.0 * plant.deadline_ms + UNPROVEN / per_ms;
            let until_ms = settled_ms + 4.0 * plant.deadline_ms + 2000.0 / per_ms;
            let name = format!("{} load {load:.2} cold {cold} seed {seed}", plant.name());
            let rates = Steps::new(vec![(0.0, 0.5 * per_ms), (began_ms, load * per_ms)]);
            let sources = vec![Source::Poisson(rates)];
            let scenario = Scenario { plant, sources, tiers: TIERS, until_ms, seed: u64::from(seed) };
            Overload { case: Case { name, scenario, is_steady: true }, began_ms, settled_ms }
        },
    )
}

/// The shortfall in goodput and in the top tier, as shares of the ceiling: in all, and since the overload has settled.
fn shortfalls(overloads: &[Overload]) -> [Findings; 4] {
    let mut found: [Findings; 4] = Default::default();
    for Overload { case: Case { name, scenario, .. }, began_ms, settled_ms } in overloads {
        let with = play(scenario, 0.0, &mut LimitedRoute::new(scenario.plant.deadline_ms));
        for (at, &from_ms) in [began_ms, settled_ms].into_iter().enumerate() {
            let most = ceiling(scenario, from_ms);
            let (goodput, top) = (with.goodput(from_ms) / most.goodput, with.top(from_ms) / most.top);
            found[2 * at].add(1.0 - goodput, format!("top {top:.3} {name}"));
            found[2 * at + 1].add(1.0 - top, format!("goodput {goodput:.3} {name}"));
        }
    }
    found
}

/// Holds if of goodput, top tier, and both once settled no more cases are further from the ceiling than `figure` than so
/// many, and the mean is no further.
fn judge(cases: &[Overload], bounds: [(f64, usize, f64); 4]) {
    let least = cases.len();
    let bounds = bounds.map(|(figure, exceptions, mean)| Bounds { least, figure, exceptions, mean });
    let [goodput, top, settled_goodput, settled_top] = shortfalls(cases);
    assert_within([
        goodput.beyond("goodput short", bounds[0]),
        top.beyond("top tier short", bounds[1]),
        settled_goodput.beyond("settled goodput short", bounds[2]),
        settled_top.beyond("settled top tier short", bounds[3]),
    ]);
}

#[test]
fn goodput_and_the_top_tier_reach_the_ceiling() {
    let bounds = [(0.1, 2, 0.005), (0.1, 8, 0.0095), (0.05, 9, 0.0021), (0.03, 16, 0.0022)];
    judge(&drawn(&overloads(5.0, 1000.0, false), 600, 3), bounds);
}

#[test]
fn they_come_near_it_where_services_take_much_of_the_deadline() {
    let bounds = [(0.2, 8, 0.08), (0.2, 18, 0.12), (0.1, 6, 0.025), (0.1, 14, 0.05)];
    judge(&drawn(&overloads(2.0, 5.0, false), 100, 4), bounds);
}

#[test]
fn so_they_do_where_the_first_request_meets_overload() {
    let bounds = [(0.1, 6, 0.01), (0.1, 6, 0.016), (0.05, 5, 0.003), (0.03, 6, 0.004)];
    judge(&drawn(&overloads(5.0, 1000.0, true), 200, 5), bounds);
}

/// Overload at random of a pool from the first request on: a few deadlines of it.
fn starts() -> impl Strategy<Value = Overload> {
    let plants = (counts(1, 50), shapes(), services_ms(), magnitudes(2.5, 20.0));
    (plants, magnitudes(2.0, 10.0), any::<u32>()).prop_map(|((servers, shape, service_ms, ratio), load, seed)| {
        let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
        let sources = vec![Source::Poisson(Steps::new(vec![(0.0, load * plant.capacity_per_ms())]))];
        let (settled_ms, until_ms) = (10.0 * plant.deadline_ms, 30.0 * plant.deadline_ms);
        let name = format!("{} load {load:.2} seed {seed}", plant.name());
        let scenario = Scenario { plant, sources, tiers: TIERS, until_ms, seed: u64::from(seed) };
        Overload { case: Case { name, scenario, is_steady: true }, began_ms: 0.0, settled_ms }
    })
}

#[test]
fn a_start_under_overload_is_soon_known_for_one() {
    let bounds = [(0.5, 24, 0.15), (0.5, 26, 0.17), (0.5, 15, 0.08), (0.5, 16, 0.095)];
    judge(&drawn(&starts(), 300, 12), bounds);
}

/// Overload at random of many servers whose services take much of the deadline: so long that what is known of the route is what the
/// limit itself has made of it, judged in its last half.
fn lasting(loads: (f64, f64), ratios: (f64, f64)) -> impl Strategy<Value = Overload> {
    let plants = (counts(16, 300), shapes(), services_ms(), magnitudes(ratios.0, ratios.1));
    (plants, magnitudes(loads.0, loads.1), any::<u32>()).prop_map(
        |((servers, shape, service_ms, ratio), load, seed)| {
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            let per_ms = plant.capacity_per_ms();
            let until_ms = LASTING / (load * per_ms);
            let sources = vec![Source::Poisson(Steps::new(vec![(0.0, load * per_ms)]))];
            let name = format!("{} load {load:.2} lasting, seed {seed}", plant.name());
            let scenario = Scenario { plant, sources, tiers: TIERS, until_ms, seed: u64::from(seed) };
            let half_ms = 0.5 * until_ms;
            Overload { case: Case { name, scenario, is_steady: true }, began_ms: half_ms, settled_ms: half_ms }
        },
    )
}

#[test]
fn an_overload_that_lasts_does_not_lower_the_limit_by_itself() {
    let mut cases = drawn(&lasting((1.1, 4.0), SPARE), 200, 14);
    cases.extend(drawn(&lasting((1.1, 1.3), SPARE), 200, 15));
    let [goodput, top, ..] = shortfalls(&cases);
    assert_within([
        goodput.beyond("goodput short in the long run", Bounds { least: 400, figure: 0.3, exceptions: 3, mean: 0.022 }),
        top.beyond("top tier short in the long run", Bounds { least: 400, figure: 0.3, exceptions: 1, mean: 0.017 }),
    ]);
}

/// Services that are late by themselves are no reason to let servers idle.
#[test]
fn servers_stay_busy_where_services_take_nearly_all_of_the_deadline() {
    let [goodput, top, ..] = shortfalls(&drawn(&lasting((1.1, 4.0), SCARCE), 200, 22));
    let scarce = |figure, exceptions, mean| Bounds { least: 200, figure, exceptions, mean };
    assert_within([
        goodput.beyond("goodput short where time is scarce", scarce(0.3, 15, 0.055)),
        top.beyond("top tier short where time is scarce", scarce(0.1, 6, 0.01)),
    ]);
}

/// So slight an overload is hardly told from chance: V may stay below what makes it standing.
#[test]
fn a_slight_overload_that_lasts_loses_little() {
    let [goodput, top, ..] = shortfalls(&drawn(&lasting((1.02, 1.1), SPARE), 400, 21));
    assert_within([
        goodput
            .beyond("goodput short in slight overload", Bounds { least: 400, figure: 0.3, exceptions: 5, mean: 0.04 }),
        top.beyond("top tier short in slight overload", Bounds { least: 400, figure: 0.3, exceptions: 1, mean: 0.04 }),
    ]);
}

/// Overload at random of servers that work in flight slows down, after a calm time.
fn contentions() -> impl Strategy<Value = Overload> {
    let ratios = (magnitudes(20.0, 200.0), magnitudes(1.2, 4.0));
    (magnitudes(5.0, 100.0), magnitudes(0.1, 2.0), shapes(), services_ms(), ratios, any::<u32>()).prop_map(
        |(peak, slope, shape, service_ms, (ratio, load), seed)| {
            let servers = Servers::Contended { peak: peak.round(), slope };
            let plant = Plant::new(servers, shape, service_ms, ratio * service_ms);
            let per_ms = plant.capacity_per_ms();
            let began_ms = 1000.0 / per_ms;
            let until_ms = began_ms + 8.0 * plant.deadline_ms + 4000.0 / per_ms;
            let name = format!("{} load {load:.2} seed {seed}", plant.name());
            let rates = Steps::new(vec![(0.0, 0.5 * per_ms), (began_ms, load * per_ms)]);
            let sources = vec![Source::Poisson(rates)];
            let scenario = Scenario { plant, sources, tiers: TIERS, until_ms, seed: u64::from(seed) };
            Overload { case: Case { name, scenario, is_steady: true }, began_ms, settled_ms: began_ms }
        },
    )
}

#[test]
fn work_in_flight_that_slows_the_servers_down_is_kept_short() {
    let mut short = Findings::default();
    for Overload { case: Case { name, scenario, .. }, began_ms, .. } in drawn(&contentions(), 200, 9) {
        let with = play(&scenario, 0.0, &mut LimitedRoute::new(scenario.plant.deadline_ms));
        let most = (scenario.until_ms - began_ms) * scenario.plant.capacity_per_ms();
        short.add(1.0 - with.goodput(began_ms) / most, format!("top {:.3} {name}", with.top(began_ms)));
    }
    let bounds = Bounds { least: 200, figure: 0.9, exceptions: 4, mean: 0.28 };
    assert_within([short.beyond("goodput short under contention", bounds)]);
}

/// Bursts at random that come again and again, each of them more than the deadline drains, judged from the fourth on.
fn bursts() -> impl Strategy<Value = Overload> {
    let sizes = (magnitudes(1.5, 6.0), magnitudes(0.3, 0.9));
    (counts(4, 100), shapes(), services_ms(), magnitudes(10.0, 200.0), sizes, any::<u32>()).prop_map(
        |(servers, shape, service_ms, ratio, (times, load), seed)| {
            let plant = Plant::new(Servers::Pool(servers), shape, service_ms, ratio * service_ms);
            let size = (times * plant.capacity_per_ms() * plant.deadline_ms).ceil();
            let every_ms = (size / plant.capacity_per_ms() / load).max(2.0 * plant.deadline_ms);
            let name = format!("{} bursts of {size} every {every_ms:.0} ms seed {seed}", plant.name());
            let sources = vec![Source::Batches { from_ms: every_ms, every_ms, size: size as usize }];
            let scenario = Scenario { plant, sources, tiers: TIERS, until_ms: 14.0 * every_ms, seed: u64::from(seed) };
            let from_ms = 3.5 * every_ms;
            Overload { case: Case { name, scenario, is_steady: true }, began_ms: from_ms, settled_ms: from_ms }
        },
    )
}

#[test]
fn the_top_tier_of_a_burst_that_comes_again_has_its_places() {
    let [goodput, top, ..] = shortfalls(&drawn(&bursts(), 100, 11));
    assert_within([
        goodput.beyond("goodput short in bursts", Bounds { least: 100, figure: 0.3, exceptions: 0, mean: 0.15 }),
        top.beyond("top tier short in bursts", Bounds { least: 100, figure: 0.3, exceptions: 0, mean: 0.055 }),
    ]);
}
