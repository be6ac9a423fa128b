//! The table of what the others say, against the plain rules and against anything at all.

use std::collections::HashMap;

use atrion::{
    physics::peers::PeerAggregate,
    replication::{Message, NodeId, Report, RouteKey, peers::MAX_REPORTS_PER_ROUTE},
};
use proptest::prelude::*;

use crate::peer_reports::{DECAY_PER_MS, OWN, drained, message, report, table};

#[derive(Debug, Clone)]
enum Step {
    Says(u64, u64, f64, u32, f64),
    Forgets(u64, u64),
    Passes(f64),
    Drains,
    Wants(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0_u64..24;
    let key = || 0_u64..12;
    prop_oneof![
        6 => (node(), key(), prop_oneof![Just(0.0), 0.0..1e6, any::<f64>()], 0_u32..6, any::<f64>())
            .prop_map(|(node, key, scar, ticks, requests)| Step::Says(node, key, scar, ticks, requests)),
        1 => (node(), key()).prop_map(|(node, key)| Step::Forgets(node, key)),
        3 => prop_oneof![0.0..200.0, 0.0..4000.0, Just(31_000.0)].prop_map(Step::Passes),
        2 => Just(Step::Drains),
        1 => key().prop_map(Step::Wants),
    ]
}

/// The rules once more, without any thrift: every word of every node, kept in a plain list.
#[derive(Default)]
struct Oracle {
    reports: Vec<(u64, u64, Report, f64)>,
    nodes: HashMap<u64, f64>,
}

impl Oracle {
    fn says(&mut self, node: u64, key: u64, report: Report, now_ms: f64) {
        let known = self.reports.iter().position(|&(by, on, ..)| (by, on) == (node, key));
        match known {
            Some(at) if report.ticks < self.reports[at].2.ticks && now_ms - self.reports[at].3 <= 1000.0 => {}
            Some(at) => self.reports[at] = (node, key, report, now_ms),
            None => self.reports.push((node, key, report, now_ms)),
        }
    }

    fn sweep(&mut self, now_ms: f64) {
        self.nodes.retain(|_, received_ms| now_ms - *received_ms <= 30_000.0);
        self.reports.retain(|(node, ..)| self.nodes.contains_key(node));
    }

    fn is_live(&self, node: u64, now_ms: f64) -> bool {
        self.nodes.get(&node).is_some_and(|received_ms| now_ms - received_ms <= 3000.0)
    }

    /// Scar, weight and age of all peers that report a route.
    fn reports(&self, key: u64, now_ms: f64) -> Vec<(f64, f64, f64)> {
        let on = self.reports.iter().filter(|&&(node, on, ..)| on == key && self.is_live(node, now_ms));
        on.map(|(_, _, report, received_ms)| {
            let age_ms = now_ms - received_ms;
            let scar = f64::from(report.scar.clamp(0.0, 1e6) as f32) * (-DECAY_PER_MS * age_ms).exp();
            (if scar < 1e-9 { 0.0 } else { scar }, 1.0 + f64::from(report.requests.clamp(0.0, 1e12) as f32), age_ms)
        })
        .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A reader that applies every drain agrees with the plain rules; scars fade within two seconds. Reports of
    /// 0 Ω that are older than three seconds may have been dropped with their route.
    #[test]
    fn the_table_drains_what_the_plain_rules_give(steps in prop::collection::vec(step(), 1..120)) {
        let (mut table, mut oracle, mut now_ms) = (table(100), Oracle::default(), 0.0);
        let mut known: HashMap<RouteKey, (f64, PeerAggregate)> = HashMap::new();
        for step in steps {
            match step {
                // At most as many nodes as a route has room for: who gives way has a test of its own.
                Step::Says(node, key, scar, ticks, requests) => {
                    let node = node % 16;
                    let report = report(scar, ticks, requests);
                    table.receive(&message(node, &[(RouteKey(key), report)]), now_ms);
                    if node != OWN.0 {
                        oracle.nodes.insert(node, now_ms);
                        oracle.says(node, key, report, now_ms);
                    }
                }
                Step::Forgets(node, key) => {
                    let node = node % 16;
                    table.receive(&Message { node: NodeId(node), reports: vec![], forgotten: vec![RouteKey(key)], greets: false }, now_ms);
                    if node != OWN.0 {
                        oracle.nodes.insert(node, now_ms);
                        oracle.reports.retain(|&(by, on, ..)| (by, on) != (node, key));
                    }
                }
                Step::Passes(elapsed_ms) => {
                    now_ms += elapsed_ms;
                    table.sweep(now_ms);
                    oracle.sweep(now_ms);
                }
                Step::Wants(key) => table.request(RouteKey(key)),
                Step::Drains => {
                    for (key, aggregate) in drained(&mut table, now_ms) {
                        known.insert(key, (now_ms, aggregate));
                    }
                    for key in 0..12 {
                        let is = oracle.reports(key, now_ms);
                        let (told_ms, told) = known.get(&RouteKey(key)).copied().unwrap_or_default();
                        let top = is.iter().fold(0.0_f64, |top, &(scar, ..)| top.max(scar));
                        if told.peers == 0 {
                            prop_assert!(is.iter().all(|&(scar, _, age_ms)| scar < 1e-8 && age_ms > 3000.0), "{is:?}");
                            continue;
                        }
                        let certain = is.iter().filter(|&&(scar, _, age_ms)| scar > 0.0 || age_ms <= 3000.0).count();
                        prop_assert!((certain..=is.len()).contains(&(told.peers as usize)), "{told:?} for {is:?}");
                        let weight: f64 = is.iter().map(|&(_, weight, _)| weight).sum();
                        if certain == is.len() {
                            prop_assert!((told.weight - weight).abs() <= 1e-9 * weight, "{told:?} for {is:?}");
                        }
                        let since_ms = now_ms - told_ms;
                        let faded = (-DECAY_PER_MS * since_ms).exp();
                        prop_assert!((told.top * faded - top).abs() <= 1e-6 * top + 1e-8, "{told:?} for {is:?}");
                        prop_assert!(since_ms <= 2000.0 || top < 1e-8, "{since_ms} ms old");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_makes_the_table_grow_or_a_sum_no_number(steps in prop::collection::vec(step(), 1..200), max in 1_usize..8) {
        let (mut table, mut now_ms) = (table(max), 0.0);
        for step in steps {
            match step {
                Step::Says(node, key, scar, ticks, requests) => {
                    table.receive(&message(node, &[(RouteKey(key), report(scar, ticks, requests))]), now_ms);
                }
                Step::Forgets(node, key) => {
                    table.receive(&Message { node: NodeId(node), reports: vec![], forgotten: vec![RouteKey(key)], greets: false }, now_ms);
                }
                Step::Passes(elapsed_ms) => {
                    now_ms += elapsed_ms;
                    table.sweep(now_ms);
                }
                Step::Wants(key) => table.request(RouteKey(key)),
                Step::Drains => {
                    let told = drained(&mut table, now_ms);
                    prop_assert!(told.len() <= 2 * max);
                    for (_, aggregate) in told {
                        prop_assert!(aggregate.peers as usize <= MAX_REPORTS_PER_ROUTE && aggregate.witnesses <= aggregate.peers);
                        for sum in [aggregate.weight, aggregate.weighted_scar, aggregate.top, aggregate.top_weight, aggregate.second] {
                            prop_assert!(sum.is_finite() && sum >= 0.0, "{aggregate:?}");
                        }
                        prop_assert!(aggregate.second <= aggregate.top && aggregate.top <= 1e6);
                    }
                }
            }
            prop_assert!(table.len() <= max);
        }
    }
}
