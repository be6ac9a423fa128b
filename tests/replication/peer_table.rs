//! The reports of peers: which of them count, and that no peer can make the table grow.

#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use atrion::{
    physics::peers::{CLOSED, PeerAggregate},
    replication::{
        Limits, Message, NodeId, PeerTable, RouteKey,
        peers::{MAX_NODES, MAX_REPORTS_PER_ROUTE},
    },
};

use crate::peer_reports::{
    DECAY_PER_MS, OWN, ROUTE, aggregate, beats, drained, forgets, message, report, says, table, told,
};

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
