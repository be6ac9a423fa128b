//! The law of the cluster: reports of peers are blended in, never obeyed, and one failing node closes no route of others.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use atrion::{
    engine::{Handle, Limits, Name},
    physics::{
        breaker::{Breaker, Change},
        mode::Mode,
        params::RouteParams,
        peers::{Blend, CLOSED, PeerAggregate},
        pressure::Sample,
        tick::RouteState,
    },
    units::MAX_RESISTANCE,
};
use proptest::prelude::*;

const GAMMA: f64 = 0.3;
const CALM: Sample = Sample { latency_ms: 50.0, error_rate: 0.0, saturation: 0.1 };
const BAD: Sample = Sample { latency_ms: 900.0, error_rate: 1.0, saturation: 1.0 };

fn aggregate(reports: &[(f64, f64)]) -> PeerAggregate {
    let mut aggregate = PeerAggregate::default();
    for &(scar, requests) in reports {
        aggregate.add(scar, requests);
    }
    aggregate
}

/// A route that is OPERATIONAL and calm.
fn warm(params: &RouteParams) -> RouteState {
    let mut state = RouteState::new(0, params, 0.0);
    for i in 0..200 {
        state.tick(params, &CALM, f64::from(i) * 100.0);
    }
    assert_eq!(state.mode, Mode::Operational);
    state
}

#[test]
fn scars_blend_by_gamma() {
    let params = RouteParams::default();
    let share = aggregate(&[(40.0, 10.0)]).blend(5.0, GAMMA, &params);
    assert!((share.blend(5.0) - (0.3 * 40.0 + 0.7 * 5.0)).abs() < 1e-12);
    assert_eq!(aggregate(&[(40.0, 10.0)]).blend(5.0, 0.0, &params), Blend::NONE, "γ = 0 ignores the others");
    let obeyed = aggregate(&[(40.0, 10.0)]).blend(5.0, 1.0, &params);
    assert!((obeyed.blend(5.0) - 40.0).abs() < 1e-12, "γ = 1 obeys them");
    assert_eq!(
        PeerAggregate::default().blend(5.0, GAMMA, &params),
        Blend::NONE,
        "without reports, one's own scar is all there is"
    );
}

#[test]
fn words_weigh_what_their_nodes_saw() {
    let params = RouteParams::default();
    let even = aggregate(&[(40.0, 0.0), (0.0, 0.0)]).blend(0.0, 1.0, &params).add;
    assert!((even - 20.0).abs() < 1e-12);
    let busy = aggregate(&[(40.0, 99.0), (0.0, 0.0)]).blend(0.0, 1.0, &params).add;
    assert!((busy - 40.0 * 100.0 / 101.0).abs() < 1e-9);
    let idle = aggregate(&[(40.0, 0.0), (0.0, 99.0)]).blend(0.0, 1.0, &params).add;
    assert!((idle - 40.0 / 101.0).abs() < 1e-9);
}

#[test]
fn a_single_report_is_lone_until_a_second_node_or_this_one_agrees() {
    let params = RouteParams::default();
    let alone = aggregate(&[(80.0, 1.0), (0.0, 1.0)]).blend(0.0, GAMMA, &params);
    assert!((alone.lone - alone.add).abs() < 1e-12 && alone.add > 0.0);
    let seconded = aggregate(&[(80.0, 1.0), (80.0, 1.0)]).blend(0.0, GAMMA, &params);
    assert_eq!(seconded.lone, 0.0);
    let felt = aggregate(&[(80.0, 1.0), (0.0, 1.0)]).blend(80.0, GAMMA, &params);
    assert_eq!(felt.lone, 0.0);
    let half = aggregate(&[(80.0, 1.0), (30.0, 1.0)]).blend(0.0, GAMMA, &params);
    assert!((half.lone - GAMMA * 25.0).abs() < 1e-12);
}

proptest! {
    #[test]
    fn one_sick_node_closes_no_route(sick in prop_oneof![0.0..1e7, Just(f64::INFINITY), Just(f64::NAN), Just(-1.0)],
                                     requests in prop_oneof![0.0..1e9, Just(f64::INFINITY), Just(f64::NAN)],
                                     healthy in 0..6_usize) {
        let params = RouteParams::default();
        let mut reports = vec![(0.0, 100.0); healthy];
        reports.push((sick, requests));
        let mut state = warm(&params);
        for i in 200..400 {
            let share = aggregate(&reports).blend(state.scar, GAMMA, &params);
            state.tick_with_peers(Some(&share), &params, &CALM, f64::from(i) * 100.0);
            prop_assert_eq!(state.mode, Mode::Operational);
            prop_assert!(state.allows(100.0), "R = {}", state.resistance);
        }
    }

    #[test]
    fn nothing_said_makes_r_non_finite(reports in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20),
                                       local in 0.0..1e6, gamma in 0.0..=1.0) {
        let params = RouteParams::default();
        let share = aggregate(&reports).blend(local, gamma, &params);
        prop_assert!(share.add.is_finite() && share.add >= 0.0);
        prop_assert!(share.lone >= 0.0 && share.lone <= share.add + 1e-6);
        prop_assert!((0.0..=1.0).contains(&share.belief));
        let mut state = warm(&params);
        state.scar = local;
        state.tick_with_peers(Some(&share), &params, &BAD, 1e6);
        prop_assert!(state.resistance.is_finite() && state.resistance <= MAX_RESISTANCE);
    }

    #[test]
    fn the_order_of_the_reports_does_not_matter(mut reports in prop::collection::vec((0.0..1e3, 0.0..1e3), 1..16)) {
        let params = RouteParams::default();
        let forth = aggregate(&reports).blend(7.0, GAMMA, &params);
        reports.reverse();
        let back = aggregate(&reports).blend(7.0, GAMMA, &params);
        prop_assert!((forth.add - back.add).abs() < 1e-9 && (forth.lone - back.lone).abs() < 1e-9);
    }

    #[test]
    fn used_routes_are_found_once_and_in_order(uses in prop::collection::vec((0..12_u32, any::<bool>()), 1..200)) {
        let mut handle = Handle::alone(Limits::of_routes(8));
        let mut expected: Vec<u32> = Vec::new();
        for (route, ask) in uses {
            let name = Name::from(&*format!("{route}"));
            let slot = handle.intern(name, 0.0);
            expected.retain(|&used| used != route);
            expected.push(route);
            handle.route(slot, &CALM, 100.0, None, 0.0, |_, _, _| {});
            if ask {
                let mut found = Vec::new();
                while let Some(slot) = handle.next_dirty() {
                    found.push(handle.name(slot).unwrap());
                }
                let alive: Vec<Name> = expected.drain(..).map(|route| Name::from(&*format!("{route}"))).collect();
                let alive = &alive[alive.len().saturating_sub(8)..];
                prop_assert_eq!(&found[..], alive);
            }
        }
        prop_assert!(handle.engine().len() <= 8);
    }
}

#[test]
fn with_others_that_agree_a_breaker_opens_and_with_one_it_does_not() {
    let params = RouteParams::default();
    let many = aggregate(&[(400.0, 9.0), (400.0, 9.0), (380.0, 9.0)]);
    let mut state = warm(&params);
    let share = many.blend(state.scar, GAMMA, &params);
    state.tick_with_peers(Some(&share), &params, &CALM, 1e5);
    assert_eq!(state.mode, Mode::CircuitBreaker);
    let one = aggregate(&[(400.0, 9.0)]);
    let mut state = warm(&params);
    let share = one.blend(state.scar, GAMMA, &params);
    state.tick_with_peers(Some(&share), &params, &CALM, 1e5);
    assert_eq!(state.mode, Mode::Operational);
}

#[test]
fn a_route_that_nobody_speaks_of_ticks_to_the_same_bits() {
    let params = RouteParams::default();
    let (mut with, mut without) = (warm(&params), warm(&params));
    for i in 0..100 {
        let now_ms = 2e4 + f64::from(i) * 137.0;
        let sample = if i % 3 == 0 { BAD } else { CALM };
        with.tick_with_peers(Some(&Blend::NONE), &params, &sample, now_ms);
        without.tick(&params, &sample, now_ms);
        assert_eq!(with.resistance.to_bits(), without.resistance.to_bits());
        assert_eq!(with.mode, without.mode);
    }
}

#[test]
fn belief_lightens_the_burden_of_proof_and_does_not_replace_it() {
    let failures_to_open = |belief: f64, healthy: u32| {
        let mut fault = Breaker::default();
        for _ in 0..healthy {
            assert_eq!(fault.observe(true, belief), Change::None);
        }
        (1..1000).find(|_| fault.observe(false, belief) == Change::Opened)
    };
    assert_eq!(failures_to_open(0.0, 1000), Some(91));
    assert_eq!(failures_to_open(1.0, 1000), Some(6));
    assert_eq!(failures_to_open(1.0, 0), Some(3));
    assert!(failures_to_open(0.5, 1000) < Some(91));
    let mut fault = Breaker::default();
    for _ in 0..10_000 {
        assert_eq!(fault.observe(true, 1.0), Change::None, "success opens no breaker, whatever others report");
    }
    assert_eq!(fault.resistance(), 0.0);
}

#[test]
fn nodes_that_all_probe_take_turns_until_one_of_the_probes_succeeds() {
    let mut fault = Breaker::default();
    fault.open();
    assert!(fault.probe(0.0, 100.0, 2));
    assert!(!fault.probe(299.0, 100.0, 2));
    assert_eq!(fault.next_probe_ms(100.0, 100.0, 2), 200.0);
    assert!(fault.probe(300.0, 100.0, 2));
    fault.observe(true, 1.0);
    assert!(fault.probe(400.0, 100.0, 2), "a success is followed up at once");
    fault.observe(false, 1.0);
    assert!(!fault.probe(500.0, 100.0, 2));
    assert!(fault.probe(500.0, 100.0, 0), "nobody else probes any more");
}

#[test]
fn a_scar_that_says_closed_makes_a_witness() {
    assert_eq!(aggregate(&[(CLOSED, 1.0), (CLOSED / 2.0, 1.0), (CLOSED / 3.0, 1.0)]).witnesses, 2);
}

#[test]
fn belief_and_turns_follow_what_two_others_agree_on_scaled_by_gamma() {
    let params = RouteParams::default();
    let closed = |n: usize, gamma| aggregate(&vec![(CLOSED, 9.0); n]).blend(0.0, gamma, &params);
    assert_eq!((closed(1, 1.0).belief, closed(1, 1.0).witnesses), (0.0, 0));
    assert_eq!((closed(2, 1.0).belief, closed(2, 1.0).witnesses), (1.0, 1));
    assert_eq!((closed(2, 0.5).belief, closed(9, 0.5).witnesses), (0.5, 4));
    // One's own failures are proof already: they second nobody here.
    let alone = aggregate(&[(1e6, 1e12)]).blend(CLOSED, 1.0, &params);
    assert_eq!((alone.belief, alone.witnesses), (0.0, 0));
    let mild = aggregate(&[(1e6, 1e12), (40.0, 9.0)]).blend(CLOSED, 1.0, &params);
    assert_eq!((mild.belief, mild.witnesses), (0.0, 0), "40 Ω is no word on failures");
}

#[test]
fn one_stored_record_is_inherited_up_to_a_bound_and_several_as_far_as_they_agree() {
    let params = RouteParams::default();
    let inherits = |reports: &[(f64, f64)], gamma| aggregate(reports).inheritance(gamma, &params);
    assert_eq!(inherits(&[(5.0, 9.0)], GAMMA), 5.0);
    assert_eq!(inherits(&[(1e6, 1e12)], GAMMA), 30.0);
    assert_eq!(inherits(&[(1e6, 1e12)], 0.0), 0.0);
    assert!((inherits(&[(100.0, 1.0), (100.0, 1.0)], GAMMA) - 60.0).abs() < 1e-9);
    assert_eq!(inherits(&[(80.0, 1.0), (80.0, 1.0)], 1.0), 80.0);
    assert!(!aggregate(&[(1e6, 9.0)]).agrees_closed());
    assert!(!aggregate(&[(1e6, 9.0), (50.0, 9.0)]).agrees_closed());
    assert!(aggregate(&[(CLOSED, 9.0), (CLOSED, 9.0)]).agrees_closed());
}

#[test]
fn an_inherited_route_leaves_bootstrap_with_its_first_tick_and_its_scar() {
    let params = RouteParams::default();
    let mut state = RouteState::new(0, &params, 0.0);
    assert!(state.inherit(&params, 60.0, false, 99, 1000.0));
    assert_eq!((state.mode, state.scar, state.resistance), (Mode::Bootstrap, 60.0, 70.0));
    state.tick(&params, &CALM, 1000.0);
    assert_eq!(state.mode, Mode::Operational);
    assert!(state.scar > 59.0 && state.momentum == 0.0);
    assert!(!state.inherit(&params, 99.0, false, 99, 2000.0), "what was measured here is not overwritten");
    let mut young = RouteState::new(0, &params, 0.0);
    young.inherit(&params, 0.0, false, 3, 0.0);
    assert_eq!((young.ticks, young.resistance), (3, 12.0));
}

#[test]
fn an_inherited_route_is_not_counted_as_used_and_is_evicted_first() {
    let mut handle = Handle::alone(Limits::of_routes(2));
    let used = handle.intern("used".into(), 0.0);
    while handle.next_dirty().is_some() {}
    let heir = handle.intern("heir".into(), 0.0);
    assert!(handle.inherit(heir, 0.0, 9, None, 0.0));
    assert_eq!(handle.next_dirty(), None);
    handle.intern("new".into(), 0.0);
    assert_eq!(handle.find(&"heir".into()), None);
    assert_eq!(handle.find(&"used".into()), Some(used));
}

#[test]
fn a_stored_scar_is_inherited_once_and_given_back_decayed() {
    let params = RouteParams::default();
    let mut handle = Handle::alone(Limits::of_routes(4));
    let [borrowed, own, measured] = ["borrowed", "own", "measured"].map(|name| handle.intern(name.into(), 0.0));
    handle.tick(measured, &CALM, 0.0);
    let scar = |handle: &Handle, slot| handle.state(slot).unwrap().scar;
    assert!(!handle.inherit(measured, 80.0, 99, Some(GAMMA), 0.0), "measured here");
    assert!(!handle.inherit(99, 80.0, 99, Some(GAMMA), 0.0), "no route");
    assert!(handle.inherit(borrowed, 1e9, 99, Some(GAMMA), 0.0));
    assert_eq!(scar(&handle, borrowed), GAMMA * params.base_resistance * params.break_multiplier);
    assert!(handle.inherit(own, 80.0, 3, None, 0.0));
    assert_eq!((scar(&handle, own), handle.state(own).unwrap().ticks), (80.0, 3));
    handle.traumatise(borrowed, 7.0, 1000.0);
    for slot in [borrowed, own, 99] {
        handle.return_inherited(slot);
        handle.return_inherited(slot);
    }
    assert!((scar(&handle, borrowed) - 7.0).abs() < 1e-9, "its own part stays");
    assert_eq!(scar(&handle, own), 80.0);
    handle.remove(borrowed);
    let next = handle.intern("next".into(), 2000.0);
    assert_eq!(next, borrowed);
    handle.traumatise(next, 7.0, 2000.0);
    handle.return_inherited(next);
    assert_eq!(scar(&handle, next), 7.0, "nothing is inherited from the slot's last route");
}

#[test]
fn reports_are_cleared_with_the_route_and_with_the_cluster() {
    let mut handle = Handle::alone(Limits::of_routes(4));
    let slot = handle.intern("a".into(), 0.0);
    let others = |handle: &Handle| handle.reported_state(slot).unwrap().1;
    let share = aggregate(&[(40.0, 1.0)]).blend(0.0, GAMMA, &RouteParams::default());
    handle.set_blend(slot, share);
    assert!((others(&handle) - 12.0).abs() < 1e-12);
    handle.remove(slot);
    assert_eq!(handle.intern("b".into(), 0.0), slot);
    assert_eq!(others(&handle), 0.0);
    handle.set_blend(slot, share);
    handle.set_blend(slot, Blend::NONE);
    assert_eq!(others(&handle), 0.0);
    handle.set_blend(99, share);
    assert_eq!(handle.reported_state(99), None);
}

#[test]
fn blends_equal_those_calculated_by_hand() {
    let params = RouteParams::default();
    let numbers = |text: &str| text.split(',').map(|n| n.parse().unwrap()).collect::<Vec<f64>>();
    let mut cases = 0;
    for line in include_str!("../../__test__/vectors/cluster.csv").lines().filter(|line| !line.starts_with('#')) {
        let [local, gamma, reports, expected] = line.splitn(4, ',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let reports: Vec<(f64, f64)> = reports
            .split(' ')
            .map(|report| report.split_once(':').unwrap())
            .map(|(scar, requests)| (scar.parse().unwrap(), requests.parse().unwrap()))
            .collect();
        let share = aggregate(&reports).blend(local.parse().unwrap(), gamma.parse().unwrap(), &params);
        let came_out = [share.keep, share.add, share.lone, share.belief.into(), share.witnesses.into()];
        for (got, requested) in came_out.iter().zip(numbers(expected)) {
            assert!((got - requested).abs() < 1e-7, "{line}: {share:?}");
        }
        cases += 1;
    }
    assert_eq!(cases, 11);
}
