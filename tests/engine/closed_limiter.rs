//! A route's closed loop as a whole: permits given and taken back, faults that heal, the same inputs to the same bits.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common;

use std::collections::HashSet;

use atrion::{
    engine::{AcquireRequest, Handle, Limits, Name, Outcome, PermitId, Priority, Slot, Stats},
    physics::{mode::Mode, params::RouteParams, voltage::Tier},
};
use proptest::prelude::*;

const TIERS: [Tier; 5] = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];

fn route() -> (Handle, Slot) {
    let mut handle = Handle::alone(Limits::of_routes(10));
    let slot = handle.intern(Name::from("route"), 0.0);
    (handle, slot)
}

/// The permit, if one was given, and R.
fn acquire(handle: &mut Handle, slot: Slot, ask: AcquireRequest, now_ms: f64) -> (Option<PermitId>, f64) {
    let mut answer = (None, 0.0);
    handle.acquire(slot, ask, 0.0, now_ms, |given, _, _| answer = (given.permit, given.resistance)).expect("a route");
    answer
}

fn release(handle: &mut Handle, id: PermitId, outcome: Outcome, now_ms: f64) {
    handle.release(id, outcome, now_ms, |_, _, _, _| {});
}

fn stats(handle: &Handle, slot: Slot) -> Stats {
    handle.stats(slot).expect("a closed loop")
}

/// The events of a route: a request of a tier at a level, an answer to the k-th permit, time passing (ms).
#[derive(Debug, Clone)]
enum Act {
    AcquireRequest(usize, f64),
    AcquireResult(usize, Outcome),
    Again(usize),
    Wait(f64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let outcomes = vec![Outcome::Success, Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Reclaimed];
    let act = prop_oneof![
        5 => (0_usize..5, 0.0..1.0).prop_map(|(tier, level)| Act::AcquireRequest(tier, level)),
        4 => (any::<usize>(), prop::sample::select(outcomes)).prop_map(|(k, outcome)| Act::AcquireResult(k, outcome)),
        1 => any::<usize>().prop_map(Act::Again),
        2 => prop_oneof![0.0..50.0, 0.0..5000.0].prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 1..300)
}

/// Plays `acts`, with a model of who is out beside it; everything that was decided, as bits.
fn play(acts: &[Act]) -> Vec<u64> {
    let (mut handle, slot) = route();
    let (mut out, mut void, mut bits) = (Vec::new(), Vec::new(), Vec::new());
    let mut now_ms = 0.0;
    for act in acts {
        match *act {
            Act::AcquireRequest(tier, level) => {
                let (permit, resistance) = acquire(&mut handle, slot, common::ask(TIERS[tier], Some(level)), now_ms);
                assert!(resistance.is_finite() && resistance > 0.0);
                bits.extend([resistance.to_bits(), permit.unwrap_or(u64::MAX)]);
                out.extend(permit);
            }
            Act::AcquireResult(k, outcome) if !out.is_empty() => {
                let id = out.swap_remove(k % out.len());
                release(&mut handle, id, outcome, now_ms);
                void.push(id);
            }
            Act::Again(k) if !void.is_empty() => {
                release(&mut handle, void[k % void.len()], Outcome::Failure, now_ms);
            }
            Act::Wait(ms) => now_ms += ms,
            _ => {}
        }
        let live: HashSet<_> = out.iter().chain(&void).collect();
        assert_eq!(live.len(), out.len() + void.len(), "a number was given twice");
        if let Some(told) = handle.stats(slot) {
            // Permits older than the longest are reclaimed at a tick; nothing else makes the two differ.
            let lost = now_ms > RouteParams::default().max_duration_ms;
            assert!(told.in_flight as usize == out.len() || (lost && (told.in_flight as usize) < out.len()));
            assert!(told.limit >= 1.0 && told.limit.is_finite());
        }
    }
    bits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn permits_are_counted_no_number_is_given_twice_and_the_same_acts_decide_the_same(acts in acts()) {
        prop_assert_eq!(play(&acts), play(&acts));
    }

    #[test]
    fn nobody_is_admitted_where_a_higher_tier_is_refused(filled in 0_u32..60, low in 0.0..1.0, high in 0.0..1.0) {
        let (mut handle, slot) = route();
        for _ in 0..filled {
            acquire(&mut handle, slot, common::ask(Tier::Critical, Some(0.99)), 0.0);
        }
        for pair in TIERS.windows(2) {
            let mut admits = |tier, level| {
                let (permit, _) = acquire(&mut handle, slot, common::ask(tier, Some(level)), 0.0);
                if let Some(id) = permit {
                    release(&mut handle, id, Outcome::Ignored, 0.0);
                }
                permit.is_some()
            };
            let (below, above) = (admits(pair[0], low), admits(pair[1], high));
            prop_assert!(above || !below, "{:?} at {} before {:?} at {}", pair[0], low, pair[1], high);
        }
    }
}

#[test]
fn a_few_failures_do_not_lock_a_route_whatever_its_traffic() {
    for tier in TIERS {
        for failures in 1..200 {
            let (mut handle, slot) = route();
            let mut now_ms = 0.0;
            for _ in 0..failures {
                if let (Some(id), _) = acquire(&mut handle, slot, common::ask(tier, Some(0.5)), now_ms) {
                    release(&mut handle, id, Outcome::Failure, now_ms + 1.0);
                }
                now_ms += 7.0;
            }
            // Well again from now on: a request every 20 ms.
            let mut refused_late = 0;
            for i in 0..250 {
                now_ms += 20.0;
                match acquire(&mut handle, slot, common::ask(tier, Some(0.5)), now_ms) {
                    (Some(id), _) => release(&mut handle, id, Outcome::Success, now_ms + 1.0),
                    (None, _) => refused_late += u32::from(i >= 150),
                }
            }
            assert_eq!(refused_late, 0, "{tier:?} after {failures} failures");
        }
    }
}

#[test]
fn an_open_breaker_is_probed_and_heals() {
    let (mut handle, slot) = route();
    let ask = common::ask(Tier::Critical, Some(0.9));
    let mut now_ms = 0.0;
    let mut offer = |handle: &mut Handle, outcome| {
        now_ms += 5.0;
        let (permit, _) = acquire(handle, slot, ask, now_ms);
        if let Some(id) = permit {
            release(handle, id, outcome, now_ms + 1.0);
        }
        permit.is_some()
    };
    for _ in 0..200 {
        offer(&mut handle, Outcome::Failure);
    }
    assert_eq!(handle.state(slot).unwrap().mode, Mode::CircuitBreaker);
    let probes = (0..2000).filter(|_| offer(&mut handle, Outcome::Failure)).count();
    assert!((90..=101).contains(&probes), "one a window of 100 ms for 10 s: {probes}");
    let healed = (0..2000).position(|_| {
        offer(&mut handle, Outcome::Success);
        handle.state(slot).unwrap().mode != Mode::CircuitBreaker
    });
    assert!(healed.is_some_and(|asks| asks <= 4 * 20), "within four windows: {healed:?}");
    assert!(offer(&mut handle, Outcome::Success));
}

#[test]
fn the_oldest_are_reclaimed_once_they_are_too_old_and_leases_share_the_house() {
    let (mut handle, slot) = route();
    let longest_ms = RouteParams::default().max_duration_ms;
    let push = AcquireRequest { priority: Priority::Voltage(1e5), ..AcquireRequest::default() };
    let (old, _) = acquire(&mut handle, slot, push, 0.0);
    let (young, _) = acquire(&mut handle, slot, push, longest_ms / 2.0);
    handle.lease(slot, true, 0.0);
    assert_eq!(stats(&handle, slot).in_flight, 3);
    acquire(&mut handle, slot, push, longest_ms + 1.0);
    let told = stats(&handle, slot);
    assert_eq!((told.in_flight, told.counts.reclaimed), (3, 1));
    release(&mut handle, old.unwrap(), Outcome::Failure, longest_ms + 2.0);
    assert_eq!(stats(&handle, slot).in_flight, 3, "it is void");
    assert_eq!(stats(&handle, slot).counts.failures, 0);
    release(&mut handle, young.unwrap(), Outcome::Success, longest_ms + 2.0);
    handle.lease(slot, false, longest_ms);
    handle.lease(slot, false, longest_ms);
    assert_eq!(stats(&handle, slot).in_flight, 1, "a lease too many given back is none");
}
