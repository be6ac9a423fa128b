//! The reports of peers: which of them count, for how long, and that no peer can make the table grow.

#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::collections::HashMap;

use atrion::{
    physics::peers::{CLOSED, PeerAggregate},
    replication::{
        Limits, Message, NodeId, PeerTable, Report, RouteKey,
        peers::{MAX_NODES, MAX_REPORTS_PER_ROUTE},
    },
};

const OWN: NodeId = NodeId(0);
/// A half-life of 6.9 s.
const DECAY_PER_MS: f64 = 1e-4;
const ROUTE: RouteKey = RouteKey(42);

fn table(max_routes: usize) -> PeerTable {
    PeerTable::new(Limits { max_routes, decay_per_ms: DECAY_PER_MS, own: OWN })
}

fn report(scar: f64, ticks: u32, requests: f64) -> Report {
    Report { scar, resistance: scar, momentum: 0.0, ticks, requests }
}

fn message(node: u64, reports: &[(RouteKey, Report)]) -> Message {
    Message { node: NodeId(node), reports: reports.to_vec(), forgotten: vec![], greets: false }
}

fn says(table: &mut PeerTable, node: u64, scar: f64, ticks: u32, requests: f64, now_ms: f64) {
    table.receive(&message(node, &[(ROUTE, report(scar, ticks, requests))]), now_ms);
}

fn forgets(table: &mut PeerTable, node: u64, now_ms: f64) {
    table.receive(&Message { node: NodeId(node), reports: vec![], forgotten: vec![ROUTE], greets: false }, now_ms);
}

fn beats(table: &mut PeerTable, node: u64, now_ms: f64) {
    table.receive(&message(node, &[]), now_ms);
}

fn drained(table: &mut PeerTable, now_ms: f64) -> Vec<(RouteKey, PeerAggregate)> {
    let mut told = Vec::new();
    table.drain(now_ms, |key, aggregate| told.push((key, aggregate)));
    told
}

/// The aggregate that the table drains for its only route.
fn told(table: &mut PeerTable, now_ms: f64) -> PeerAggregate {
    let told = drained(table, now_ms);
    let [(ROUTE, aggregate)] = told[..] else { panic!("{told:?}") };
    aggregate
}

fn aggregate(reports: &[(f64, f64)]) -> PeerAggregate {
    let mut aggregate = PeerAggregate::default();
    for &(scar, requests) in reports {
        aggregate.add(scar, requests);
    }
    aggregate
}

// whose word counts

#[test]
fn a_report_is_drained_once() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 5, 3.0, 1000.0);
    assert_eq!(told(&mut table, 1000.0), aggregate(&[(20.0, 3.0)]));
    assert_eq!(drained(&mut table, 1000.0), []);
    says(&mut table, 1, 20.0, 5, 3.0, 1100.0);
    says(&mut table, 1, 25.0, 6, 4.0, 1100.0);
    assert_eq!(told(&mut table, 1100.0), aggregate(&[(25.0, 4.0)]));
}

#[test]
fn nodes_count_by_what_they_saw_and_a_healthy_one_dilutes() {
    let mut table = table(10);
    says(&mut table, 1, 30.0, 5, 0.0, 0.0);
    says(&mut table, 2, 0.0, 5, 9.0, 0.0);
    says(&mut table, 3, CLOSED, 5, 1.0, 0.0);
    let all = told(&mut table, 0.0);
    assert_eq!(all, aggregate(&[(30.0, 0.0), (0.0, 9.0), (f64::from(CLOSED as f32), 1.0)]));
    assert_eq!((all.peers, all.witnesses, all.weight), (3, 1, 13.0));
}

#[test]
fn an_echo_is_not_heard() {
    let mut table = table(10);
    says(&mut table, OWN.0, 20.0, 5, 3.0, 0.0);
    assert_eq!(drained(&mut table, 0.0), []);
    assert_eq!((table.dropped().echoes, table.len(), table.live()), (1, 0, 0));
}

#[test]
fn an_older_word_of_the_same_node_is_not_heard_and_one_of_another_node_is() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 500, 0.0, 0.0);
    says(&mut table, 1, 99.0, 499, 0.0, 100.0);
    says(&mut table, 2, 10.0, 1, 0.0, 100.0);
    assert_eq!(told(&mut table, 100.0), aggregate(&[(20.0 * (-0.01_f64).exp(), 0.0), (10.0, 0.0)]));
    assert_eq!(table.dropped().stale, 1);
    // A scar without a tick, as a lease's failure leaves it, is news.
    says(&mut table, 1, 30.0, 500, 0.0, 100.0);
    assert_eq!(told(&mut table, 100.0).top, 30.0);
}

#[test]
fn a_route_that_was_evicted_over_there_and_began_anew_is_heard_after_a_second() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 500, 0.0, 0.0);
    says(&mut table, 1, 7.0, 1, 0.0, 1000.0);
    assert_eq!(told(&mut table, 1000.0).top, 20.0 * (-0.1_f64).exp());
    says(&mut table, 1, 7.0, 2, 0.0, 1001.0);
    assert_eq!(told(&mut table, 1001.0).top, 7.0);
    // From there on it counts as before.
    says(&mut table, 1, 9.0, 1, 0.0, 1100.0);
    assert_eq!(drained(&mut table, 1100.0), []);
}

#[test]
fn a_route_that_was_reset_over_there_is_forgotten_at_once_and_heard_at_once() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 500, 0.0, 0.0);
    says(&mut table, 2, 5.0, 500, 0.0, 0.0);
    told(&mut table, 0.0);
    forgets(&mut table, 1, 10.0);
    assert_eq!(told(&mut table, 0.0).peers, 1);
    // In one message the reset comes first.
    table.receive(
        &Message {
            node: NodeId(2),
            reports: vec![(ROUTE, report(3.0, 1, 0.0))],
            forgotten: vec![ROUTE],
            greets: false,
        },
        20.0,
    );
    assert_eq!(drained(&mut table, 20.0), [(ROUTE, PeerAggregate::default()), (ROUTE, aggregate(&[(3.0, 0.0)]))]);
    forgets(&mut table, 2, 30.0);
    assert_eq!(told(&mut table, 30.0), PeerAggregate::default());
    assert!(table.is_empty());
    forgets(&mut table, 2, 40.0);
    assert_eq!(drained(&mut table, 40.0), []);
}

#[test]
fn a_restarted_node_is_another_node_and_the_one_it_was_falls_silent() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 500, 0.0, 0.0);
    says(&mut table, 2, 1.0, 1, 0.0, 1000.0);
    assert_eq!(told(&mut table, 1000.0).peers, 2);
    beats(&mut table, 2, 3001.0);
    table.sweep(3001.0);
    let left = told(&mut table, 3001.0);
    assert_eq!((left.peers, left.weight), (1, 1.0));
}

// for how long

#[test]
fn a_peer_silent_for_three_seconds_does_not_count() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 5, 0.0, 0.0);
    told(&mut table, 0.0);
    beats(&mut table, 1, 1000.0);
    table.sweep(4000.0);
    assert_eq!(table.live(), 1, "a heartbeat is enough");
    drained(&mut table, 4000.0);
    table.sweep(4000.1);
    assert_eq!((told(&mut table, 4000.1), table.live()), (PeerAggregate::default(), 0));
    for step in 0..100 {
        table.sweep(4100.0 + 100.0 * f64::from(step));
        assert_eq!(drained(&mut table, 4100.0), [], "nobody is told once");
    }
}

#[test]
fn a_peer_that_was_cut_off_comes_back_with_its_reports_decayed() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 5, 3.0, 0.0);
    told(&mut table, 0.0);
    table.sweep(20_000.0);
    assert_eq!(told(&mut table, 20_000.0), PeerAggregate::default());
    beats(&mut table, 1, 20_001.0);
    let back = told(&mut table, 20_001.0);
    assert_eq!(back, aggregate(&[(20.0 * (-2.0001_f64).exp(), 3.0)]));
}

#[test]
fn a_peer_silent_for_half_a_minute_is_removed() {
    let mut table = table(10);
    says(&mut table, 1, 1e6, 5, 3.0, 0.0);
    told(&mut table, 0.0);
    table.sweep(30_000.1);
    assert_eq!((told(&mut table, 30_000.1), table.len()), (PeerAggregate::default(), 0));
    beats(&mut table, 1, 30_001.0);
    table.sweep(30_001.0);
    assert_eq!((drained(&mut table, 30_001.0), table.live()), (vec![], 1));
}

#[test]
fn scars_fade_and_are_told_once_a_second_and_once_more_when_they_are_gone() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 5, 3.0, 0.0);
    told(&mut table, 0.0);
    let mut heard = Vec::new();
    let mut emptied_ms = None;
    for step in 1..4000 {
        let now_ms = 100.0 * f64::from(step);
        beats(&mut table, 1, now_ms);
        table.sweep(now_ms);
        for (key, aggregate) in drained(&mut table, now_ms) {
            assert_eq!((key, emptied_ms), (ROUTE, None), "after the end nothing is told");
            if aggregate.peers == 0 {
                emptied_ms = Some(now_ms);
            } else {
                let expected = 20.0 * (-DECAY_PER_MS * now_ms).exp();
                let expected = if expected < 1e-9 { 0.0 } else { expected };
                assert_eq!((aggregate.top, aggregate.peers, aggregate.weight), (expected, 1, 4.0));
                heard.push((now_ms, aggregate.top));
            }
        }
    }
    // ln(20 / 1e-9) / λ = 237.2 s
    assert!((236..=2400).contains(&heard.len()), "told {} times", heard.len());
    assert!(heard.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 1100.0), "at least once a second");
    let [.., (_, last)] = heard[..] else { panic!() };
    assert!(last < 1e-8 && table.is_empty());
    assert!((237_000.0..240_000.0).contains(&emptied_ms.unwrap()), "{emptied_ms:?}");
}

#[test]
fn a_route_on_which_all_are_well_is_told_once_and_dropped_when_nobody_says_more() {
    let mut table = table(10);
    says(&mut table, 1, 0.0, 5, 3.0, 0.0);
    says(&mut table, 2, 0.0, 5, 3.0, 0.0);
    assert_eq!(told(&mut table, 0.0), aggregate(&[(0.0, 3.0), (0.0, 3.0)]));
    for now_ms in [1000.0, 2000.0, 3000.0] {
        beats(&mut table, 1, now_ms);
        beats(&mut table, 2, now_ms);
        table.sweep(now_ms);
        assert_eq!(drained(&mut table, now_ms), []);
    }
    table.sweep(3001.0);
    assert_eq!((told(&mut table, 3001.0), table.len()), (PeerAggregate::default(), 0));
}

#[test]
fn a_table_of_fading_scars_is_told_in_slices() {
    let mut table = table(10_000);
    let all: Vec<_> = (0..10_000).map(|key| (RouteKey(key), report(1e3, 1, 0.0))).collect();
    table.receive(&message(1, &all), 0.0);
    assert_eq!(drained(&mut table, 0.0).len(), 10_000);
    let mut heard: HashMap<RouteKey, u32> = HashMap::new();
    for step in 1..=10 {
        beats(&mut table, 1, 100.0 * f64::from(step));
        table.sweep(100.0 * f64::from(step));
        let slice = drained(&mut table, 100.0 * f64::from(step));
        assert!(slice.len() <= 1001, "{} at once", slice.len());
        for (key, _) in slice {
            *heard.entry(key).or_default() += 1;
        }
    }
    assert_eq!(heard.len(), 10_000, "in one second every one");
    assert!(heard.values().sum::<u32>() <= 10_010);
}

#[test]
fn time_that_runs_backwards_or_is_no_time_stands_still() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 5, 3.0, 5000.0);
    for now_ms in [0.0, -1e9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        table.request(ROUTE);
        table.sweep(now_ms);
        assert_eq!(told(&mut table, now_ms), aggregate(&[(20.0, 3.0)]), "{now_ms}");
    }
}

#[test]
fn a_requested_route_is_drained_with_its_known_reports() {
    let mut table = table(10);
    says(&mut table, 1, 20.0, 5, 3.0, 0.0);
    told(&mut table, 0.0);
    table.request(RouteKey(1));
    assert_eq!(drained(&mut table, 0.0), []);
    table.request(ROUTE);
    table.request(ROUTE);
    assert_eq!(told(&mut table, 0.0), aggregate(&[(20.0, 3.0)]));
    assert_eq!(table.len(), 1);
}

// bounds

#[test]
fn a_full_table_makes_room_among_what_was_heard_longest_ago_and_says_so() {
    let mut table = table(100);
    for key in 0..100 {
        table.receive(&message(1, &[(RouteKey(key), report(1.0, 1, 0.0))]), key as f64);
    }
    drained(&mut table, 100.0);
    table.receive(&message(1, &[(RouteKey(1000), report(1.0, 1, 0.0))]), 100.0);
    assert_eq!((table.len(), table.dropped().routes), (100, 1));
    let told = drained(&mut table, 100.0);
    let [(gone, nobody), (RouteKey(1000), _)] = told[..] else { panic!("{told:?}") };
    assert!(gone.0 < 100 && nobody == PeerAggregate::default());
    // A drain passes on no more routes than the table has places and had passed on before.
    for key in 2000..20_000 {
        table.receive(&message(1, &[(RouteKey(key), report(1.0, 1, 0.0))]), 200.0);
    }
    let told = drained(&mut table, 200.0);
    let (nobody, somebody): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, aggregate)| aggregate.peers == 0);
    assert_eq!((nobody.len(), somebody.len(), table.len()), (100, 100, 100));
}

#[test]
fn on_one_route_so_many_nodes_are_heard_and_the_one_heard_longest_ago_goes() {
    let mut table = table(10);
    for node in 1..=MAX_REPORTS_PER_ROUTE as u64 {
        says(&mut table, node, 10.0, 1, 0.0, node as f64);
    }
    says(&mut table, 100, 30.0, 1, 0.0, 100.0);
    let all = told(&mut table, 100.0);
    assert_eq!((all.peers as usize, table.dropped().reports), (MAX_REPORTS_PER_ROUTE, 1));
    says(&mut table, 2, 40.0, 2, 0.0, 101.0);
    says(&mut table, 1, 50.0, 1, 0.0, 102.0);
    assert_eq!(told(&mut table, 102.0).peers as usize, MAX_REPORTS_PER_ROUTE);
    assert_eq!(table.dropped().reports, 2, "the second was still there, the first was not");
}

#[test]
fn strangers_do_not_drown_those_who_are_heard_and_silent_ones_make_room() {
    let mut table = table(100_000);
    for node in 1..=MAX_NODES as u64 {
        table.receive(&message(node, &[(RouteKey(node), report(1.0, 1, 0.0))]), 0.0);
    }
    for node in 5000..6000 {
        says(&mut table, node, 1e6, 1, 1e12, 1.0);
    }
    assert_eq!((table.dropped().strangers, table.len(), table.live()), (1000, MAX_NODES, MAX_NODES));
    drained(&mut table, 1.0);
    for node in 1..=1000 {
        beats(&mut table, node, 3000.0);
    }
    table.sweep(3001.0);
    assert_eq!((table.live(), table.len()), (1000, 1000), "full, so the silent ones go at once");
    assert_eq!(
        drained(&mut table, 3001.0).iter().filter(|(_, aggregate)| aggregate.peers == 0).count(),
        MAX_NODES - 1000
    );
    says(&mut table, 5000, 7.0, 1, 0.0, 3002.0);
    assert_eq!(told(&mut table, 3002.0).top, 7.0);
}

#[test]
fn no_number_of_a_word_makes_a_sum_that_is_none() {
    let mut table = table(10);
    let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 0.0];
    for (node, scar) in wild.into_iter().enumerate() {
        says(&mut table, node as u64 + 1, scar, u32::MAX, wild[wild.len() - 1 - node], 0.0);
    }
    let all = told(&mut table, 0.0);
    assert!(all.weight.is_finite() && all.weighted_scar.is_finite() && all.top == 1e6 && all.second == 1e6);
    let mut still = PeerTable::new(Limits { max_routes: 0, decay_per_ms: f64::NAN, own: OWN });
    says(&mut still, 1, 5.0, 1, 0.0, 0.0);
    assert_eq!(told(&mut still, 1e9).top, 5.0);
}

#[test]
fn nodes_of_the_same_zone_weigh_more_and_agree_no_more() {
    let [near, far] = [("eu-1", 1), ("us-1", 2)].map(|(zone, random)| NodeId::in_zone(zone, random).0);
    let mixed = |zoned: bool| {
        let own = NodeId::in_zone("eu-1", 9);
        let mut table = PeerTable::new(Limits { max_routes: 10, decay_per_ms: DECAY_PER_MS, own });
        table.set_zoned(zoned);
        says(&mut table, near, 80.0, 1, 99.0, 0.0);
        says(&mut table, far, 10.0, 1, 100.0, 0.0);
        told(&mut table, 0.0)
    };
    let (alike, zoned) = (mixed(false), mixed(true));
    assert_eq!((alike.weight, zoned.weight), (100.0 + 101.0, 400.0 + 101.0));
    assert_eq!(zoned.weighted_scar, 32_000.0 + 1010.0);
    assert_eq!((zoned.peers, zoned.top, zoned.second), (alike.peers, alike.top, alike.second));
}
