//! Requests that can wait for a place: when they have to, for how long, and how they are counted.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common::ask;
use atrion::{
    engine::{AcquireRequest, AcquireResult, Handle, Limits, Name, Outcome, Priority, Slot, Stats},
    physics::{limit::Regime, params::RouteParams, tick::Override, voltage::Tier},
};

const TIERS: [Tier; 5] = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];

/// A route of `max` places.
fn route(max: f64) -> (Handle, Slot) {
    let mut params = RouteParams::default();
    params.limit.min = 1.0;
    params.limit.max = max;
    params.limit.initial = max;
    let mut handle = Handle::alone(Limits::of_routes(4));
    let id = handle.define_params(params, None).expect("room for a law");
    let slot = handle.intern(Name::from("route"), 0.0);
    assert!(handle.set_params(slot, id));
    (handle, slot)
}

fn enter(handle: &mut Handle, slot: Slot, tier: Tier, waited_ms: f64, now_ms: f64) -> AcquireResult {
    let mut answer = None;
    let request = AcquireRequest { waited_ms, ..ask(tier, Some(0.5)) };
    handle.acquire(slot, request, 0.0, now_ms, |given, _, _| answer = Some(*given)).expect("a route");
    answer.expect("an answer")
}

fn stats(handle: &Handle, slot: Slot) -> Stats {
    handle.stats(slot).expect("a closed loop")
}

#[test]
fn a_request_without_a_place_waits_and_is_not_counted_as_shed_before_it_gives_up() {
    let (mut handle, slot) = route(2.0);
    let deadline_ms = RouteParams::default().limit.deadline_ms;
    let answered = enter(&mut handle, slot, Tier::Bulk, 0.0, 0.0).permit.expect("a place");
    let first = enter(&mut handle, slot, Tier::Bulk, 0.0, 0.0).permit.expect("a place");
    for tier in TIERS {
        let wait = enter(&mut handle, slot, tier, 0.0, 0.0).wait.expect("no place");
        assert_eq!(wait.may_wait_ms, deadline_ms, "nothing is known of the service");
    }
    handle.release(answered, Outcome::Success, 20.0, |_, _, _, _| {});
    assert!(enter(&mut handle, slot, Tier::Bulk, 0.0, 20.0).permit.is_some());
    for tier in TIERS {
        let answer = enter(&mut handle, slot, tier, 0.0, 20.0);
        let wait = answer.wait.expect("no place");
        assert!(answer.permit.is_none() && answer.retry_after_ms == 0.0);
        assert!(wait.may_wait_ms > 0.0 && wait.may_wait_ms < deadline_ms, "the service takes its time too");
        let later = enter(&mut handle, slot, tier, 100.0, 20.0).wait.expect("no place");
        assert!((wait.may_wait_ms - later.may_wait_ms - 100.0).abs() < 1e-9, "the wait counts against the deadline");
        assert!(enter(&mut handle, slot, tier, deadline_ms, 20.0).wait.expect("no place").may_wait_ms <= 0.0);
    }
    assert_eq!(stats(&handle, slot).counts.shed_by_tier, [0; 5]);
    let gives_up = enter(&mut handle, slot, Tier::High, f64::INFINITY, 20.0);
    assert!(gives_up.permit.is_none() && gives_up.wait.is_none() && gives_up.retry_after_ms > 0.0);
    assert_eq!(stats(&handle, slot).counts.shed_by_tier, [0, 0, 0, 1, 0]);
    handle.release(first, Outcome::Success, 21.0, |_, _, _, _| {});
    assert!(enter(&mut handle, slot, Tier::Bulk, 1.0, 21.0).permit.is_some());
    assert_eq!(stats(&handle, slot).counts.admitted(), 4);
}

#[test]
fn without_evidence_of_a_queue_there_is_a_place_for_everybody() {
    let (mut handle, slot) = route(100_000.0);
    for _ in 0..10_000 {
        assert!(enter(&mut handle, slot, Tier::Bulk, 0.0, 0.0).permit.is_some());
    }
}

#[test]
fn behind_a_queue_places_keep_the_servers_busy_and_a_burst_has_more_for_one_that_has_waited() {
    let (mut handle, slot) = route(100_000.0);
    // One server of 10 ms, in a loop: the first of those under way is done every 10 ms.
    let mut under_way = std::collections::VecDeque::new();
    let mut now_ms = 0.0;
    for round in 0..3000 {
        // As many as change with time are kept under way, so that latency shows to depend on them.
        while under_way.len() < 1 + round / 50 % 12 {
            let mut permit = None;
            let push = ask(Tier::Critical, Some(0.5));
            handle.acquire(slot, push, 0.0, now_ms, |answer, _, _| permit = answer.permit).expect("a route");
            under_way.push_back(permit.expect("the most important is admitted"));
        }
        now_ms += 10.0;
        if let Some(done) = under_way.pop_front() {
            assert!(handle.release(done, Outcome::Success, now_ms, |_, _, _, _| {}).is_some());
        }
    }
    assert_eq!(stats(&handle, slot).regime, Regime::Queueing);
    for done in under_way {
        now_ms += 10.0;
        handle.release(done, Outcome::Success, now_ms, |_, _, _, _| {});
    }
    // The requested work ended long ago.
    now_ms += 1000.0;
    // In flight once the route is full; the admitted requests are given back.
    let places = |handle: &mut Handle, waited_ms: f64| {
        let mut admitted = Vec::new();
        while let Some(permit) = enter(handle, slot, Tier::Bulk, waited_ms, now_ms).permit {
            admitted.push(permit);
            assert!(admitted.len() < 100, "it is never full");
        }
        let full = stats(handle, slot).in_flight as usize;
        for permit in admitted {
            handle.release(permit, Outcome::Ignored, now_ms, |_, _, _, _| {});
        }
        full
    };
    let deadline_ms = RouteParams::default().limit.deadline_ms;
    let (busy, burst) = (places(&mut handle, 0.0), places(&mut handle, 0.3 * deadline_ms));
    assert!((1..=2).contains(&busy), "{busy} places for one server");
    let drained = deadline_ms / 10.0;
    assert!((0.5 * drained..=drained).contains(&(burst as f64)), "{burst} places of {drained} in a burst");
    // Far more is asked for than can be done.
    for _ in 0..1000 {
        let request = AcquireRequest { priority: Priority::Voltage(0.0), ..ask(Tier::Bulk, None) };
        handle.acquire(slot, request, 0.0, now_ms, |answer, _, _| assert!(answer.permit.is_none())).expect("a route");
    }
    let overloaded = places(&mut handle, 0.3 * deadline_ms);
    assert!((1..=2).contains(&overloaded), "{overloaded} places for one server under overload");
    while enter(&mut handle, slot, Tier::Bulk, 0.0, now_ms).permit.is_some() {}
    let wait = enter(&mut handle, slot, Tier::Critical, 0.0, now_ms).wait.expect("no place, not even for it");
    assert!((wait.rate_per_ms - 0.1).abs() < 0.03, "{} a ms", wait.rate_per_ms);
}

#[test]
fn waiting_helps_against_a_place_alone() {
    let (mut handle, slot) = route(1.0);
    assert!(enter(&mut handle, slot, Tier::Normal, 0.0, 0.0).permit.is_some());
    handle.set_override(slot, Override::Open);
    assert!(enter(&mut handle, slot, Tier::Critical, 0.0, 0.0).wait.is_none());
    handle.set_override(slot, Override::Closed);
    assert!(enter(&mut handle, slot, Tier::Bulk, 0.0, 0.0).permit.is_some());
    handle.set_override(slot, Override::None);
    let mut short = None;
    let request = AcquireRequest { waited_ms: 0.0, process_occupancy: 5.0, ..ask(Tier::Bulk, Some(0.5)) };
    handle.acquire(slot, request, 0.0, 0.0, |answer, _, _| short = Some(*answer)).expect("a route");
    let short = short.expect("an answer");
    assert!(short.permit.is_none() && short.wait.is_none() && short.retry_after_ms > 0.0);
    handle.set_dry_run(true);
    assert!(enter(&mut handle, slot, Tier::Bulk, 0.0, 0.0).permit.is_some(), "a dry run lets nobody wait");
}
