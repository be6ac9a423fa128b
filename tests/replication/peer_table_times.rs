//! The reports of peers: for how long they count.

#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::collections::HashMap;

use atrion::{physics::peers::PeerAggregate, replication::RouteKey};

use crate::peer_reports::{DECAY_PER_MS, ROUTE, aggregate, beats, drained, message, report, says, table, told};

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
        assert_eq!(drained(&mut table, 4100.0), [], "no change is reported once more");
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
            assert_eq!((key, emptied_ms), (ROUTE, None), "after the end nothing is reported");
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
