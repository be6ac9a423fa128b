//! Two nodes without a network between them: reports that are sent, received, and not repeated.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::sync::Arc;

use atrion::{
    engine::{AcquireRequest, Handle, Limits, Name, Outcome, Priority, Slot},
    physics::{mode::Mode, params::RouteParams, peers::CLOSED, pressure::Sample, voltage::Tier},
    replication::{self, Mailbox, Message, NodeId, OutboundReport, PeerTable, Report, RouteKey},
};
use proptest::prelude::*;

const GAMMA: f64 = 0.3;
const CALM: Sample = Sample { latency_ms: 50.0, error_rate: 0.0, saturation: 0.1 };
const BAD: Sample = Sample { latency_ms: 900.0, error_rate: 1.0, saturation: 1.0 };
const ROUTE: &str = "GET /users/:id";

/// A node: its engine, its exchange, and the words that its network thread would keep.
struct Node {
    id: NodeId,
    handle: Handle,
    mailbox: Arc<Mailbox>,
    table: PeerTable,
}

impl Node {
    fn new(id: u64) -> Self {
        let id = NodeId(id);
        let limits = replication::Limits { max_routes: 100, decay_per_ms: 1e-4, own: id };
        Self {
            id,
            handle: Handle::alone(Limits::of_routes(100)),
            mailbox: Arc::new(Mailbox::new(100)),
            table: PeerTable::new(limits),
        }
    }

    fn slot(&mut self, route: &str, now_ms: f64) -> Slot {
        self.handle.intern(Name::from(route), now_ms)
    }

    fn tick(&mut self, route: &str, sample: &Sample, now_ms: f64) {
        let slot = self.slot(route, now_ms);
        self.handle.tick(slot, sample, now_ms).expect("a route");
    }

    /// A pulse: what it said, as the others will get it.
    fn sync(&mut self, now_ms: f64) -> Vec<OutboundReport> {
        self.table.drain(now_ms, |key, aggregate| self.mailbox.deliver(vec![(key, aggregate)]));
        self.handle.sync(&self.mailbox, GAMMA, now_ms);
        let outbox = self.mailbox.take_outgoing();
        for key in outbox.requested {
            self.table.request(key);
        }
        outbox.reports
    }

    fn receive(&mut self, from: &Self, said: &[OutboundReport], now_ms: f64) {
        let reports = said.iter().map(|report| (report.key, report.report)).collect();
        self.table.receive(&Message { node: from.id, reports, forgotten: Vec::new(), greets: false }, now_ms);
    }
}

fn hurt(node: &mut Node, from_ms: f64) -> f64 {
    let mut now_ms = from_ms;
    for i in 0..30 {
        node.tick(ROUTE, if i < 12 { &CALM } else { &BAD }, now_ms);
        now_ms += 100.0;
    }
    let slot = node.slot(ROUTE, now_ms);
    assert!(node.handle.state(slot).unwrap().scar > 50.0);
    now_ms
}

#[test]
fn a_scar_reaches_the_other_node_with_the_next_sync_without_a_tick() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    for i in 0..20 {
        b.tick(ROUTE, &CALM, f64::from(i) * 100.0);
    }
    b.sync(2000.0);
    let now_ms = hurt(&mut a, 0.0);
    let slot = b.slot(ROUTE, now_ms);
    let before = b.handle.state(slot).unwrap().resistance;
    let said = a.sync(now_ms);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].key, RouteKey::of(ROUTE.as_bytes()));
    b.receive(&a, &said, now_ms);
    b.sync(now_ms);
    let state = b.handle.state(slot).unwrap();
    assert!(state.resistance > before + 15.0, "{before} → {}", state.resistance);
    assert_eq!(state.scar, 0.0, "what others suffered is no scar of one's own");
    assert!((b.handle.reported_state(slot).unwrap().1 - GAMMA * said[0].report.scar).abs() < 1e-4);
}

#[test]
fn hearsay_is_not_repeated() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let now_ms = hurt(&mut a, 0.0);
    b.tick(ROUTE, &CALM, now_ms);
    b.sync(now_ms);
    let said = a.sync(now_ms);
    b.receive(&a, &said, now_ms);
    b.sync(now_ms);
    b.tick(ROUTE, &CALM, now_ms + 1100.0);
    let echo = b.sync(now_ms + 1100.0);
    assert_eq!(echo[0].report.scar, 0.0);
}

#[test]
fn a_route_nobody_touched_is_not_mentioned_and_a_calm_one_once_a_second() {
    let mut a = Node::new(1);
    a.tick(ROUTE, &CALM, 0.0);
    a.tick("idle", &CALM, 0.0);
    assert_eq!(a.sync(0.0).len(), 2);
    assert_eq!(a.sync(100.0).len(), 0);
    let mut mentioned = 0;
    for i in 1..=50 {
        let now_ms = f64::from(i) * 100.0;
        a.tick(ROUTE, &CALM, now_ms);
        mentioned += a.sync(now_ms).len();
    }
    assert_eq!(mentioned, 5);
}

#[test]
fn a_wound_is_said_in_the_next_pulse_and_a_healing_scar_only_when_it_is_off_what_others_take_it_for() {
    let mut a = Node::new(1);
    let now_ms = hurt(&mut a, 0.0);
    a.sync(now_ms);
    a.tick(ROUTE, &CALM, now_ms + 100.0);
    assert_eq!(a.sync(now_ms + 100.0).len(), 0, "it heals as every peer assumes");
    a.tick(ROUTE, &BAD, now_ms + 200.0);
    assert_eq!(a.sync(now_ms + 200.0).len(), 1);
}

#[test]
fn words_weigh_by_the_requests_of_the_last_seconds() {
    let mut a = Node::new(1);
    for i in 0..500 {
        a.tick(ROUTE, &CALM, f64::from(i));
    }
    assert_eq!(a.sync(500.0)[0].report.requests, 500.0);
    a.tick(ROUTE, &CALM, 3500.0);
    let requests = a.sync(3500.0)[0].report.requests;
    assert!((requests - (500.0 * (-1.0_f64).exp() + 1.0)).abs() < 1e-6, "{requests}");
}

#[test]
fn open_breakers_of_the_closed_loop_are_said_as_scars_and_lighten_the_others_proof_where_two_agree() {
    let (mut a, mut b, mut c, mut d) = (Node::new(1), Node::new(2), Node::new(3), Node::new(4));
    let failures_to_open = |node: &mut Node, from_ms: f64| {
        let slot = node.slot(ROUTE, from_ms);
        for failures in 0..200 {
            let now_ms = from_ms + f64::from(failures);
            let ask =
                AcquireRequest { priority: Priority::Tier(Tier::Critical, Some(0.5)), ..AcquireRequest::default() };
            let mut permit = None;
            node.handle.acquire(slot, ask, 0.0, now_ms, |answer, _, _| permit = answer.permit).expect("a route");
            let Some(permit) = permit else { panic!("refused before the breaker opened") };
            node.handle.release(permit, Outcome::Failure, now_ms, |_, _, _, _| {});
            if node.handle.state(slot).unwrap().mode == Mode::CircuitBreaker {
                return failures + 1;
            }
        }
        panic!("never opened")
    };
    let alone = failures_to_open(&mut a, 0.0);
    let said = a.sync(1000.0);
    assert_eq!(said[0].report.scar, CLOSED);
    failures_to_open(&mut c, 0.0);
    let seconded = c.sync(1000.0);
    for node in [&mut b, &mut d] {
        node.slot(ROUTE, 1000.0);
        node.sync(1000.0);
        node.receive(&a, &said, 1000.0);
    }
    b.receive(&c, &seconded, 1000.0);
    b.sync(1000.0);
    d.sync(1000.0);
    let (warned, by_one) = (failures_to_open(&mut b, 1000.0), failures_to_open(&mut d, 1000.0));
    assert_eq!(by_one, alone, "one node proves nothing");
    assert!(alone >= 40 && warned <= 17, "{alone} failures alone, {warned} when two agree");
}

#[test]
fn an_inherited_scar_is_not_reported_as_ones_own() {
    let mut a = Node::new(1);
    let report = Report { scar: 80.0, resistance: 90.0, momentum: 0.0, ticks: 50, requests: 10.0 };
    let name: Arc<[u8]> = ROUTE.as_bytes().into();
    a.handle.sync(&a.mailbox, GAMMA, 0.0);
    assert!(a.handle.inherit_reports(&a.mailbox, &name, &[(report, 0.0)], GAMMA, 0.0));
    let slot = a.slot(ROUTE, 0.0);
    let params = RouteParams::default();
    assert_eq!(a.handle.state(slot).unwrap().scar, GAMMA * params.base_resistance * params.break_multiplier);
    assert_eq!(a.mailbox.take_outgoing().requested, [RouteKey::of(ROUTE.as_bytes())]);
    a.tick(ROUTE, &CALM, 50.0);
    let said = a.sync(50.0);
    assert!(said[0].report.scar < 1e-6, "{}", said[0].report.scar);
    a.tick(ROUTE, &BAD, 150.0);
    assert!((a.sync(150.0)[0].report.scar - params.scar_factor).abs() < 1e-6);
}

#[test]
fn names_that_are_none_are_not_inherited() {
    let mut a = Node::new(1);
    let report = Report { scar: 80.0, ..Report::default() };
    for bytes in [&b""[..], &[0xff], &[0xed, 0xa0], &[0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80], &[0xc0, 0x80]] {
        assert!(!a.handle.inherit_reports(&a.mailbox, &bytes.into(), &[(report, 0.0)], GAMMA, 0.0), "{bytes:?}");
    }
    assert!(a.handle.inherit_reports(&a.mailbox, &(&[0xed, 0xa0, 0x80][..]).into(), &[(report, 0.0)], GAMMA, 0.0));
    assert_eq!(a.handle.engine().len(), 1);
    assert_eq!(a.handle.engine().names()[0].to_utf16(), [0xd800]);
}

#[test]
fn of_several_providers_on_one_engine_one_speaks() {
    let mut a = Node::new(1);
    let second = Arc::new(Mailbox::new(100));
    a.tick(ROUTE, &CALM, 0.0);
    assert_eq!(a.sync(0.0).len(), 1);
    a.tick("other", &CALM, 0.0);
    assert_eq!(a.handle.sync(&second, GAMMA, 0.0).used, 0);
    assert_eq!(a.sync(0.0).len(), 1);
    a.handle.leave(&a.mailbox);
    a.tick(ROUTE, &CALM, 0.0);
    assert_eq!(a.handle.sync(&second, GAMMA, 0.0).sent, 1);
}

#[test]
fn a_breaker_that_several_nodes_opened_is_inherited_open_and_heals_by_probes() {
    let mut a = Node::new(1);
    let name: Arc<[u8]> = ROUTE.as_bytes().into();
    let report = Report { scar: CLOSED, resistance: 200.0, momentum: 0.0, ticks: 50, requests: 10.0 };
    a.handle.sync(&a.mailbox, GAMMA, 0.0);
    assert!(a.handle.inherit_reports(&a.mailbox, &name, &[(report, 0.0), (report, 0.0)], GAMMA, 0.0));
    let slot = a.slot(ROUTE, 0.0);
    let ask = AcquireRequest { priority: Priority::Tier(Tier::Normal, Some(0.5)), ..AcquireRequest::default() };
    let mut modes = Vec::new();
    for i in 0..10 {
        let now_ms = f64::from(i) * 50.0;
        let mut permit = None;
        a.handle.acquire(slot, ask, 0.0, now_ms, |answer, _, _| permit = answer.permit).expect("a route");
        modes.push((permit.is_some(), a.handle.state(slot).unwrap().mode));
        if let Some(permit) = permit {
            a.handle.release(permit, Outcome::Success, now_ms, |_, _, _, _| {});
        }
    }
    let admitted: Vec<bool> = modes.iter().map(|&(admitted, _)| admitted).collect();
    // A probe every 100 ms; the third that succeeds, at 200 ms, closes it.
    assert_eq!(admitted, [true, false, true, false, true, true, true, true, true, true]);
    assert_eq!(modes[3].1, Mode::CircuitBreaker);
    assert_ne!(modes[9].1, Mode::CircuitBreaker);
}

#[test]
fn a_breaker_of_one_node_alone_is_inherited_as_a_scar_that_decays() {
    let mut a = Node::new(1);
    let name: Arc<[u8]> = ROUTE.as_bytes().into();
    let report = Report { scar: 1e6, resistance: 1e6, momentum: 0.0, ticks: 50, requests: 10.0 };
    a.handle.sync(&a.mailbox, GAMMA, 0.0);
    a.handle.inherit_reports(&a.mailbox, &name, &[(report, 0.0)], GAMMA, 0.0);
    let slot = a.slot(ROUTE, 0.0);
    let ask = AcquireRequest { priority: Priority::Tier(Tier::Critical, Some(0.5)), ..AcquireRequest::default() };
    a.handle.acquire(slot, ask, 0.0, 0.0, |answer, _, _| assert!(answer.permit.is_some())).expect("a route");
    assert_ne!(a.handle.state(slot).unwrap().mode, Mode::CircuitBreaker);
    assert_eq!(a.handle.state(slot).unwrap().scar, 30.0);
}

/// A fresh node that takes over `reports` from the store and hears `said` of others, and its route's slot.
fn fresh(reports: &[Report], said: &[(u64, Report)], gamma: f64) -> (Node, Slot) {
    let mut node = Node::new(1);
    let name: Arc<[u8]> = ROUTE.as_bytes().into();
    let aged: Vec<(Report, f64)> = reports.iter().map(|report| (*report, 0.0)).collect();
    node.handle.sync(&node.mailbox, gamma, 0.0);
    if !aged.is_empty() {
        node.handle.inherit_reports(&node.mailbox, &name, &aged, gamma, 0.0);
    }
    let slot = node.slot(ROUTE, 0.0);
    for &(id, report) in said {
        let reports = vec![(RouteKey::of(ROUTE.as_bytes()), report)];
        node.table.receive(&Message { node: NodeId(id), reports, forgotten: Vec::new(), greets: false }, 0.0);
    }
    node.table.drain(0.0, |key, aggregate| node.mailbox.deliver(vec![(key, aggregate)]));
    node.handle.sync(&node.mailbox, gamma, 0.0);
    (node, slot)
}

/// Asks and fails; after how many failures the breaker opens.
fn failures_until_open(node: &mut Node, slot: Slot, most: u32) -> Option<u32> {
    let ask = AcquireRequest { priority: Priority::Tier(Tier::Critical, Some(0.5)), ..AcquireRequest::default() };
    (1..=most).find(|&n| {
        let now_ms = f64::from(n);
        let mut permit = None;
        node.handle.acquire(slot, ask, 0.0, now_ms, |answer, _, _| permit = answer.permit).expect("a route");
        if let Some(permit) = permit {
            node.handle.release(permit, Outcome::Failure, now_ms, |_, _, _, _| {});
        }
        node.handle.state(slot).unwrap().mode == Mode::CircuitBreaker
    })
}

proptest! {
    #[test]
    fn one_peer_opens_nothing_and_moves_r_by_a_bounded_amount_by_any_report_or_record(
        scar in prop_oneof![0.0..1e7, Just(f64::INFINITY), Just(f64::NAN), Just(CLOSED)],
        requests in prop_oneof![0.0..1e12, Just(f64::INFINITY)],
        gamma in 0.0..=1.0_f64,
        healthy in 0..4_u64,
        stores in any::<bool>(),
        is_live in any::<bool>(),
    ) {
        let params = RouteParams::default();
        let bound = gamma * params.base_resistance * params.break_multiplier;
        let lie = Report { scar, resistance: scar, momentum: 0.0, ticks: 99, requests };
        let calm = Report { scar: 0.0, resistance: 10.0, momentum: 0.0, ticks: 99, requests: 100.0 };
        let others: Vec<(u64, Report)> = (0..healthy).map(|id| (10 + id, calm)).collect();
        let mut stored = vec![calm; healthy as usize];
        let mut said = others.clone();
        let (mut honest, honest_slot) = fresh(&stored, &said, gamma);
        if stores {
            stored.push(lie);
        }
        if is_live {
            said.push((99, lie));
        }
        let (mut node, slot) = fresh(&stored, &said, gamma);
        // The open loop: the first tick takes over what was inherited and what is shared.
        for now_ms in [50.0, 150.0] {
            node.tick(ROUTE, &CALM, now_ms);
            honest.tick(ROUTE, &CALM, now_ms);
            let (with, without) = (node.handle.state(slot).unwrap(), honest.handle.state(honest_slot).unwrap());
            prop_assert_ne!(with.mode, Mode::CircuitBreaker);
            prop_assert!(with.resistance <= without.resistance + bound + 1e-6,
                         "{} Ω with it, {} Ω without", with.resistance, without.resistance);
        }
        // The closed loop: as many failures as without it, and no open breaker inherited.
        let (mut node, slot) = fresh(&stored, &said, gamma);
        let (mut honest, honest_slot) = fresh(&stored[..healthy as usize], &others, gamma);
        prop_assert_eq!(failures_until_open(&mut node, slot, 200), failures_until_open(&mut honest, honest_slot, 200));
    }
}
