//! Short forms for reports of peers, given to a table and drained from it.

use atrion::{
    physics::peers::PeerAggregate,
    replication::{Limits, Message, NodeId, PeerTable, Report, RouteKey},
};

pub const OWN: NodeId = NodeId(0);
/// A half-life of 6.9 s.
pub const DECAY_PER_MS: f64 = 1e-4;
pub const ROUTE: RouteKey = RouteKey(42);

pub fn table(max_routes: usize) -> PeerTable {
    PeerTable::new(Limits { max_routes, decay_per_ms: DECAY_PER_MS, own: OWN })
}

pub fn report(scar: f64, ticks: u32, requests: f64) -> Report {
    Report { scar, resistance: scar, momentum: 0.0, ticks, requests }
}

pub fn message(node: u64, reports: &[(RouteKey, Report)]) -> Message {
    Message { node: NodeId(node), reports: reports.to_vec(), forgotten: vec![], greets: false }
}

pub fn says(table: &mut PeerTable, node: u64, scar: f64, ticks: u32, requests: f64, now_ms: f64) {
    table.receive(&message(node, &[(ROUTE, report(scar, ticks, requests))]), now_ms);
}

pub fn forgets(table: &mut PeerTable, node: u64, now_ms: f64) {
    table.receive(&Message { node: NodeId(node), reports: vec![], forgotten: vec![ROUTE], greets: false }, now_ms);
}

pub fn beats(table: &mut PeerTable, node: u64, now_ms: f64) {
    table.receive(&message(node, &[]), now_ms);
}

pub fn drained(table: &mut PeerTable, now_ms: f64) -> Vec<(RouteKey, PeerAggregate)> {
    let mut told = Vec::new();
    table.drain(now_ms, |key, aggregate| told.push((key, aggregate)));
    told
}

/// The aggregate that the table drains for its only route.
pub fn told(table: &mut PeerTable, now_ms: f64) -> PeerAggregate {
    let told = drained(table, now_ms);
    let [(ROUTE, aggregate)] = told[..] else { panic!("{told:?}") };
    aggregate
}

pub fn aggregate(reports: &[(f64, f64)]) -> PeerAggregate {
    let mut aggregate = PeerAggregate::default();
    for &(scar, requests) in reports {
        aggregate.add(scar, requests);
    }
    aggregate
}
