//! Classes of requests with breakers of their own, and the silence of routes whose permits end without an answer.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use atrion::{
    engine::{Handle, Key, Outcome},
    physics::{blame::Classes, mode::Mode, params::RouteParams, voltage::Tier},
};
use proptest::prelude::*;

use crate::requests::{acquire, engine, key, release, slot};

proptest! {
    #[test]
    fn classes_are_bounded_and_a_failing_one_keeps_its_place(hashes in prop::collection::vec(any::<u64>(), 1..400)) {
        let mut classes = Classes::default();
        let bad = classes.find(u64::MAX - 1, 0.0);
        for _ in 0..200 {
            classes.observe(bad, false);
        }
        for (i, hash) in hashes.into_iter().enumerate() {
            let at = classes.find(hash, i as f64);
            prop_assert!(at <= 64);
            classes.observe(at, true);
            prop_assert!(!classes.breaker(at).expect("a class").is_open() || at == bad);
        }
        prop_assert_eq!(classes.find(u64::MAX - 1, 500.0), bad);
        prop_assert!(classes.breaker(bad).expect("a class").is_open());
    }
}

#[test]
fn a_failing_class_opens_its_own_breaker_and_not_the_routes() {
    let (mut handle, params) = engine(&RouteParams::default());
    let slot = slot(&mut handle, "route", params);
    let of = |hash| Some(Key { class: Some(hash), ..key(hash) });
    let (mut refused, mut well_refused) = (0, 0);
    for i in 0..4000_u32 {
        let now_ms = f64::from(i) * 2.0;
        let fails = (500..3000).contains(&i);
        // 15 of 16 requests are of the class that fails.
        let class = if i % 16 == 0 { u64::from(i / 16 % 5) + 10 } else { 1 };
        let answer = acquire(&mut handle, slot, Tier::Normal, of(class), now_ms);
        let outcome = if class == 1 && fails { Outcome::Failure } else { Outcome::Success };
        match answer.permit {
            Some(id) => assert!(release(&mut handle, id, outcome, now_ms + 1.0)),
            None if class == 1 => {
                refused += 1;
                assert!(answer.retry_after_ms > 0.0);
            }
            None => well_refused += 1,
        }
        if i == 2900 {
            assert_eq!(handle.stats(slot).expect("a loop").open_classes, 1);
            assert_eq!(handle.state(slot).expect("a route").mode, Mode::Operational);
        }
    }
    assert!(refused > 2000, "{refused}");
    assert_eq!(well_refused, 0);
    assert_eq!(handle.stats(slot).expect("a loop").open_classes, 0, "healed");
    assert!(acquire(&mut handle, slot, Tier::Normal, of(1), 8001.0).permit.is_some());
}

#[test]
fn a_route_that_fails_for_all_classes_refuses_all_of_them() {
    for classes in [1_u64, 2, 10, 64, 500] {
        let (mut handle, params) = engine(&RouteParams::default());
        let slot = slot(&mut handle, "route", params);
        let mut admitted = 0;
        for i in 0..6000_u32 {
            let now_ms = f64::from(i);
            let hash = u64::from(i) % classes;
            let answer = acquire(&mut handle, slot, Tier::Normal, Some(Key { class: Some(hash), ..key(hash) }), now_ms);
            if let Some(id) = answer.permit {
                admitted += u32::from(i >= 5000);
                release(&mut handle, id, Outcome::Failure, now_ms + 0.5);
            }
        }
        assert!(admitted <= 150, "{classes} classes: {admitted} of the last 1000 admitted");
    }
}

/// Requests at a steady pace that all end `age_ms` later, as `outcome`, after a minute's worth of good answers if `warm`.
fn opens_after_ms(age_ms: f64, outcome: Option<Outcome>, warm: bool) -> Option<f64> {
    let (mut handle, params) = engine(&RouteParams::default());
    let slot = slot(&mut handle, "route", params);
    let mut start_ms = 0.0;
    if warm {
        for _ in 0..500 {
            start_ms += 20.0;
            let id = acquire(&mut handle, slot, Tier::Normal, None, start_ms).permit.expect("calm");
            release(&mut handle, id, Outcome::Success, start_ms + 10.0);
        }
    }
    let mut out = std::collections::VecDeque::new();
    for i in 0..1000 {
        let now_ms = start_ms + 20.0 * f64::from(i);
        while let (Some(&(at, id)), Some(outcome)) = (out.front(), outcome) {
            if at + age_ms > now_ms {
                break;
            }
            out.pop_front();
            release(&mut handle, id, outcome, at + age_ms);
        }
        out.extend(acquire(&mut handle, slot, Tier::Normal, None, now_ms).permit.map(|id| (now_ms, id)));
        if handle.state(slot).expect("a route").mode == Mode::CircuitBreaker {
            return Some(now_ms - start_ms);
        }
    }
    None
}

#[test]
fn a_hanging_route_is_closed_within_three_deadlines_though_every_client_gives_up_first() {
    let deadline_ms = RouteParams::default().limit.deadline_ms;
    for share in [0.1, 0.26, 0.5, 0.9, 1.0, 1.5, 2.5] {
        for outcome in [Outcome::Ignored, Outcome::Reclaimed] {
            let after_ms = opens_after_ms(share * deadline_ms, Some(outcome), true);
            assert!(after_ms.is_some_and(|ms| ms <= 3.0 * deadline_ms), "{share} {outcome:?}: {after_ms:?}");
        }
    }
    let never_released = opens_after_ms(0.0, None, true);
    assert!(never_released.is_some_and(|ms| ms <= 3.0 * deadline_ms), "{never_released:?}");
    for share in [0.3, 0.9, 1.2] {
        let cold = opens_after_ms(share * deadline_ms, Some(Outcome::Ignored), false);
        assert!(cold.is_some_and(|ms| ms <= 3.0 * deadline_ms), "cold, {share}: {cold:?}");
    }
}

#[test]
fn bursts_after_pauses_are_no_silence_where_many_ends_are_ignored() {
    let (mut handle, params) = engine(&RouteParams::default());
    let slot = slot(&mut handle, "route", params);
    let deadline_ms = RouteParams::default().limit.deadline_ms;
    let mut now_ms = 0.0;
    for burst in 0..200_u32 {
        now_ms += 1.9 * deadline_ms;
        let mut out = Vec::new();
        for number in 0..30_u32 {
            now_ms += 0.01 * deadline_ms;
            out.extend(acquire(&mut handle, slot, Tier::Normal, None, now_ms).permit.map(|id| (number, id)));
            assert_ne!(handle.state(slot).expect("a route").mode, Mode::CircuitBreaker, "burst {burst}");
        }
        now_ms += 0.3 * deadline_ms;
        // Half of them, and the last that end.
        for (number, id) in out.into_iter().rev() {
            let is_ignored = number < 2 || (number + burst) % 2 == 0;
            release(&mut handle, id, if is_ignored { Outcome::Ignored } else { Outcome::Success }, now_ms);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// `held` requests that take long by nature, or forever, among others that are answered, and in the pauses nothing but those: a
    /// request that arrives after a pause, and a burst that does, say nothing of the route.
    #[test]
    fn a_burst_beside_requests_that_are_held_is_no_silence(
        held in 1..200_u32,
        burst in 1..60_u32,
        pause in 0.1..50.0_f64,
        answered_after in any::<bool>(),
        ends in any::<bool>(),
    ) {
        let (mut handle, params) = engine(&RouteParams::default());
        let slot = slot(&mut handle, "route", params);
        let deadline_ms = RouteParams::default().limit.deadline_ms;
        let mut now_ms = 0.0;
        let answer = |handle: &mut Handle, now_ms: f64, count: u32| {
            let out: Vec<_> = (0..count)
                .filter_map(|i| acquire(handle, slot, Tier::Normal, None, now_ms + 0.01 * f64::from(i)).permit)
                .collect();
            let mode = handle.state(slot).expect("a route").mode;
            for id in out {
                release(handle, id, Outcome::Success, now_ms + 0.1 * deadline_ms);
            }
            mode
        };
        for _ in 0..100 {
            now_ms += 0.4 * deadline_ms;
            answer(&mut handle, now_ms, 1);
        }
        // Fewer than prove a silence, or as many as there are where a later request is answered before them.
        let held = if answered_after { held } else { held.min(7) };
        let mut out = Vec::new();
        for _ in 0..held {
            now_ms += 1.0;
            out.extend(acquire(&mut handle, slot, Tier::Normal, None, now_ms).permit);
        }
        if answered_after {
            answer(&mut handle, now_ms + 1.0, 1);
        }
        now_ms += (2.0 + pause) * deadline_ms;
        if ends {
            for id in out {
                release(&mut handle, id, Outcome::Ignored, now_ms - 1.0);
            }
        }
        prop_assert_ne!(answer(&mut handle, now_ms, burst), Mode::CircuitBreaker);
    }
}

#[test]
fn a_route_that_was_never_seen_to_answer_is_waited_for() {
    let deadline_ms = RouteParams::default().limit.deadline_ms;
    assert_eq!(opens_after_ms(3.0 * deadline_ms, Some(Outcome::Success), false), None);
    assert_eq!(opens_after_ms(10.0 * deadline_ms, Some(Outcome::Success), false), None);
}

#[test]
fn a_reclaimed_permit_that_comes_late_changes_nothing() {
    let (mut handle, params) = engine(&RouteParams::default());
    let slot = slot(&mut handle, "route", params);
    let of = Some(Key { class: Some(3), ..key(3) });
    let old = acquire(&mut handle, slot, Tier::Normal, of, 0.0).permit.expect("room");
    for i in 0..50 {
        let now_ms = 40_000.0 + f64::from(i) * 100.0;
        let id = acquire(&mut handle, slot, Tier::Normal, of, now_ms).permit.expect("room");
        release(&mut handle, id, Outcome::Success, now_ms + 10.0);
    }
    let before = handle.stats(slot).expect("a loop");
    assert_eq!((before.in_flight, before.counts.reclaimed), (0, 1));
    assert!(!release(&mut handle, old, Outcome::Failure, 50_000.0));
    let after = handle.stats(slot).expect("a loop");
    assert_eq!((after.in_flight, after.counts), (0, before.counts));
    assert_eq!(after.success, before.success);
}
