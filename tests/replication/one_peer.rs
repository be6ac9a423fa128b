//! One peer, by any report or stored record, opens nothing, delays no probe, hides no failure that others agree on, and moves R by at
//! most γ·R_base·breakMultiplier, up or down.

use atrion::{
    physics::{
        params::RouteParams,
        peers::{Blend, CLOSED, PeerAggregate, lone_limit},
        tick::RouteState,
    },
    replication::{Limits, Message, NodeId, PeerTable, Report, RouteKey},
};
use proptest::prelude::*;

const ROUTE: RouteKey = RouteKey(42);

fn any_scar() -> impl Strategy<Value = f64> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, CLOSED / 2.0, CLOSED, 1e6, f64::MAX];
    prop_oneof![0.0..2e6, 0.0..300.0, prop::sample::select(odd.to_vec())]
}

fn any_requests() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1e12, Just(0.0), Just(f64::INFINITY), Just(f64::NAN), Just(-1.0)]
}

/// The aggregate of `honest` nodes with the same scar, with or without one that reports another.
fn aggregate(honest: usize, scar: f64, requests: f64, lie: Option<(f64, f64)>) -> PeerAggregate {
    let mut aggregate = PeerAggregate::default();
    for _ in 0..honest {
        aggregate.add(scar, requests);
    }
    if let Some((scar, requests)) = lie {
        aggregate.add(scar, requests);
    }
    aggregate
}

/// R of a route whose own scar is `local`, with this share of others.
fn resistance(local: f64, share: &Blend, params: &RouteParams) -> f64 {
    let mut state = RouteState::new(0, params, 0.0);
    (state.scar, state.ticks) = (local, 1000);
    state.follow_peers(Some(share), params);
    state.blended_scar(Some(share))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Belief and witnesses, and what is blended into R.
    #[test]
    fn said_it_opens_nothing_and_moves_resistance_by_a_bounded_amount(
        honest in 0..8_usize, suffers in prop_oneof![0.0..300.0, 0.0..1e6], sees in 0.0..1e6, local in prop_oneof![0.0..300.0, 0.0..1e6],
        later in prop_oneof![0.0..300.0, 0.0..1e6], scar in any_scar(), requests in any_requests(), gamma in 0.0..=1.0,
    ) {
        let params = RouteParams::default();
        let without = aggregate(honest, suffers, sees, None).blend(local, gamma, &params);
        let with = aggregate(honest, suffers, sees, Some((scar, requests))).blend(local, gamma, &params);
        let bound = gamma * lone_limit(&params);
        prop_assert!(with.lone <= bound + 1e-6, "{} alone", with.lone);
        if honest == 1 {
            // The two may agree that this node's own measurements are wrong; then they count in full.
            let (before, after) = (resistance(local, &without, &params), resistance(local, &with, &params));
            let agree = (suffers > local) == (scar.clamp(0.0, 1e6) > local);
            prop_assert!(agree || (after - before).abs() <= bound + 1e-6, "{before} → {after}");
            prop_assert!(suffers >= CLOSED / 4.0 || (with.belief, with.witnesses) == (0.0, 0));
            return Ok(());
        }
        prop_assert_eq!((with.belief, with.witnesses.min(without.witnesses)), (without.belief, without.witnesses));
        prop_assert!(honest > 0 || with.witnesses == 0);
        // This node's own scar may have changed since the reports came.
        for local in [local, later] {
            let (before, after) = (resistance(local, &without, &params), resistance(local, &with, &params));
            prop_assert!((after - before).abs() <= bound + 1e-6, "{before} → {after} at {local}");
        }
    }

    /// Honest nodes that differ: the blend stays within their range.
    #[test]
    fn said_among_nodes_that_differ_it_leads_nowhere_that_they_are_not(
        honest in prop::collection::vec((0.0..1e6, 0.0..1e6), 2..8), local in 0.0..1e6, scar in any_scar(), requests in any_requests(), gamma in 0.0..=1.0,
    ) {
        let params = RouteParams::default();
        let mut with = PeerAggregate::default();
        for &(scar, requests) in &honest {
            with.add(scar, requests);
        }
        with.add(scar, requests);
        let bound = gamma * lone_limit(&params) + 1e-6;
        let cluster = with.blend(local, gamma, &params).add;
        let least = honest.iter().map(|&(scar, _)| scar).fold(f64::INFINITY, f64::min);
        let most = honest.iter().map(|&(scar, _)| scar).fold(0.0, f64::max);
        prop_assert!((gamma * least - bound..=gamma * most + bound).contains(&cluster), "{cluster}");
    }

    /// Inheritance.
    #[test]
    fn stored_it_moves_what_a_node_that_starts_inherits_by_a_bounded_amount(
        honest in 0..8_usize, suffers in prop_oneof![0.0..300.0, 0.0..1e6], sees in 0.0..1e6, scar in any_scar(), requests in any_requests(), gamma in 0.0..=1.0,
    ) {
        let params = RouteParams::default();
        let without = aggregate(honest, suffers, sees, None);
        let with = aggregate(honest, suffers, sees, Some((scar, requests)));
        prop_assert!(honest == 1 || with.agrees_closed() == without.agrees_closed());
        let (before, after) = (without.inheritance(gamma, &params), with.inheritance(gamma, &params));
        let bound = gamma * lone_limit(&params) + 1e-6;
        if honest == 1 {
            // Two that agree are believed as far as both go.
            let agreed = gamma * suffers.min(scar.max(0.0)).min(1e6);
            prop_assert!((before - bound..=before.max(agreed) + bound).contains(&after), "{before} → {after}");
        } else {
            prop_assert!((after - before).abs() <= bound, "{before} → {after}");
        }
    }

    /// Through the table of reports, in any order, as often as it likes, resets between.
    #[test]
    fn one_node_counts_as_one_however_often_it_reports(
        says in prop::collection::vec((any_scar(), any_requests(), any::<u32>(), any::<bool>(), 0.0..500.0), 1..60), ranked in any::<bool>(), gamma in 0.0..=1.0,
    ) {
        let params = RouteParams::default();
        let mut table = PeerTable::new(Limits { max_routes: 10, decay_per_ms: 1e-4, own: NodeId(0) });
        table.set_ranked(ranked);
        let mut now_ms = 0.0;
        for (scar, requests, ticks, resets, later_ms) in says {
            now_ms += later_ms;
            let report = Report { scar, resistance: scar, momentum: 0.0, ticks, requests };
            let forgotten = if resets { vec![ROUTE] } else { vec![] };
            table.receive(&Message { node: NodeId(7), reports: vec![(ROUTE, report); 3], forgotten, greets: resets }, now_ms);
            table.sweep(now_ms);
            table.drain(now_ms, |_, aggregate| {
                assert!(aggregate.peers <= 1);
                let share = aggregate.blend(0.0, gamma, &params);
                assert!(share.belief == 0.0 && share.witnesses == 0 && share.add <= gamma * lone_limit(&params) + 1e-6);
                let share = aggregate.blend(1e4, gamma, &params);
                assert!((share.blend(1e4) - 1e4).abs() <= gamma * lone_limit(&params) + 1e-6);
            });
        }
    }
}
