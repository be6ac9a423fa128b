//! One engine, two threads, fewer places than routes: a stale slot is never decided on, and it is shown that there were some.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common;

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use atrion::{
    engine::{Engine, Evicted, Handle, Limits, Name, Outcome, Slot},
    physics::{limit::LimitLaw, params::RouteParams, pressure::Sample, voltage::Tier},
};

/// A thread's routes fit, both threads' do not: each finds slots gone that it had held.
const ROUTES_EACH: usize = 8;
const PLACES: u32 = 12;
/// Between two meetings of the threads each makes this many decisions, at the other's side where there are two cores.
const DECISIONS_A_ROUND: usize = 64;
const ROUNDS: usize = 2_000;

fn name(thread: usize, route: usize) -> Name {
    Name::from(format!("{thread}/{route}").as_str())
}

/// Every route has its own latency, and so its own pressure: it signs its state.
fn signature(thread: usize, route: usize) -> Sample {
    Sample { latency_ms: 10.0 + (thread * ROUTES_EACH + route) as f64, error_rate: 0.0, saturation: 0.0 }
}

/// A thread's slots, as the TypeScript face keeps them.
struct Slots {
    thread: usize,
    slots: [Option<Slot>; ROUTES_EACH],
}

impl Slots {
    fn get(&mut self, handle: &mut Handle, route: usize) -> Slot {
        let slot = match self.slots[route] {
            Some(slot) => slot,
            None => handle.intern(name(self.thread, route), 0.0),
        };
        self.forget(handle);
        self.slots[route] = Some(slot);
        slot
    }

    /// Drops what was evicted.
    fn forget(&mut self, handle: &mut Handle) {
        while let Some(evicted) = handle.evicted() {
            for held in &mut self.slots {
                if evicted == Evicted::All || held.map(Evicted::Slot) == Some(evicted) {
                    *held = None;
                }
            }
        }
    }
}

/// The observations of a thread.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    decisions: usize,
    stale: usize,
    /// Decisions on a state that another route had signed.
    foreign: usize,
}

/// One thread's work: decides on its routes in turn, and meets the other after every round.
fn work(thread: usize, mut handle: Handle, meeting: &Barrier) -> Seen {
    let mut slots = Slots { thread, slots: [None; ROUTES_EACH] };
    let mut seen = Seen::default();
    for _ in 0..ROUNDS {
        for route in (0..ROUTES_EACH).cycle().take(DECISIONS_A_ROUND) {
            let sample = signature(thread, route);
            loop {
                let slot = slots.get(&mut handle, route);
                let mut foreign = false;
                let decided = handle.route(slot, &sample, 100.0, None, 0.0, |_, state, _| {
                    let signed = if state.ticks == 1 { [0.0; 3] } else { state.pressure };
                    foreign = state.previous_pressure != signed;
                });
                seen.foreign += usize::from(foreign);
                if decided.is_some() {
                    seen.decisions += 1;
                    break;
                }
                seen.stale += 1;
                slots.forget(&mut handle);
            }
        }
        meeting.wait();
    }
    seen
}

#[test]
fn two_threads_that_evict_each_other_never_decide_on_a_stale_slot() {
    evict_each_other(1);
}

#[test]
fn nor_do_they_where_the_routes_are_in_several_shards() {
    evict_each_other(4);
}

fn evict_each_other(shards: u32) {
    let engine = Engine::with_shards(Limits { max_routes: PLACES, max_name_bytes: 1 << 20 }, shards);
    // From the first tick on, a state remembers the pressure before.
    Handle::new(Arc::clone(&engine))
        .define_params(RouteParams { bootstrap_ticks: 1, ..RouteParams::default() }, Some(0));
    let meeting = Barrier::new(2);
    let both: Vec<Seen> = thread::scope(|scope| {
        let run = |thread| {
            let (handle, meeting) = (Handle::new(Arc::clone(&engine)), &meeting);
            scope.spawn(move || work(thread, handle, meeting))
        };
        let threads = [run(0), run(1)];
        threads.map(|thread| thread.join().expect("no thread panics")).into()
    });
    for seen in &both {
        assert_eq!((seen.foreign, seen.decisions), (0, ROUNDS * DECISIONS_A_ROUND), "{both:?}");
    }
    // Together they have more routes than there are places, and each uses all of its own in a round: however they are scheduled, one of
    // them evicts in every round, and the other one finds that.
    let stale: usize = both.iter().map(|seen| seen.stale).sum();
    assert!(stale >= ROUNDS - 1, "they did not collide: {both:?}");
    assert_eq!(engine.len(), PLACES as usize);
}

#[test]
fn two_threads_on_one_route_lose_no_tick() {
    const TICKS: u32 = 200_000;
    let engine = Engine::new(Limits::of_routes(10));
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut handle = Handle::new(Arc::clone(&engine));
                let slot = handle.intern(Name::from("shared"), 0.0);
                start.wait();
                for _ in 0..TICKS {
                    handle.tick(slot, &signature(0, 0), 0.0).expect("nothing is evicted");
                }
            });
        }
    });
    let handle = Handle::new(Arc::clone(&engine));
    let slot = handle.find(&Name::from("shared")).unwrap();
    assert_eq!(handle.state(slot).unwrap().ticks, 2 * TICKS);
}

/// Each holds a permit of a route of its own at every meeting; the routes are in different shards and share a limit.
#[test]
fn permits_of_two_threads_on_two_routes_of_a_pool_all_come_back() {
    const ROUNDS: usize = 2_000;
    let engine = Engine::with_shards(Limits::of_routes(10), 4);
    let limit = LimitLaw { min: 2.0, max: 2.0, initial: 2.0, ..RouteParams::default().limit };
    let mut handle = Handle::new(Arc::clone(&engine));
    let law = handle.define_params(RouteParams { pool: 1, limit, ..RouteParams::default() }, None).expect("room");
    let slots = [0, 1].map(|thread| {
        let slot = handle.intern(name(thread, 0), 0.0);
        assert!(handle.set_params(slot, law));
        slot
    });
    assert_ne!(slots[0] % 4, slots[1] % 4, "they are in one shard");
    let meeting = Barrier::new(2);
    thread::scope(|scope| {
        for slot in slots {
            let (mut handle, meeting) = (Handle::new(Arc::clone(&engine)), &meeting);
            scope.spawn(move || {
                let ask = common::ask(Tier::Critical, Some(0.5));
                let mut held = None;
                for _ in 0..ROUNDS {
                    let mut permit = None;
                    handle.acquire(slot, ask, 0.0, 0.0, |answer, _, _| permit = answer.permit);
                    meeting.wait();
                    let permit = permit.expect("there is a place for each");
                    handle.release(permit, Outcome::Success, 0.0, |_, _, _, _| {}).expect("it is out");
                    for _ in 0..100 {
                        handle.acquire(slot, ask, 0.0, 0.0, |answer, _, _| held = answer.permit);
                        if let Some(permit) = held.take() {
                            handle.release(permit, Outcome::Success, 0.0, |_, _, _, _| {}).expect("it is out");
                        }
                    }
                    meeting.wait();
                }
            });
        }
    });
    for slot in slots {
        assert_eq!(handle.stats(slot).map(|stats| stats.in_flight), Some(0));
    }
    // None is counted any more in what they share: an idle pool resists nothing.
    let mut resistance = None;
    let ask = common::ask(Tier::Bulk, Some(0.0));
    handle.acquire(slots[0], ask, 0.0, 0.0, |answer, _, _| resistance = Some(answer.terms.occupancy));
    assert_eq!(resistance, Some(0.0));
    handle.acquire(slots[1], ask, 0.0, 0.0, |answer, _, _| resistance = Some(answer.terms.occupancy));
    assert!(resistance > Some(0.0), "each route meets the work of the other");
}

/// Both hold a permit at every meeting; between two meetings they run freely.
#[test]
fn permits_of_two_threads_on_one_route_all_come_back() {
    const REQUESTS_A_ROUND: usize = 100;
    const ROUNDS: usize = 1_000;
    let engine = Engine::new(Limits::of_routes(10));
    let meeting = Barrier::new(2);
    let (refused, lonely) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut handle = Handle::new(Arc::clone(&engine));
                let slot = handle.intern(Name::from("shared"), 0.0);
                let ask = common::ask(Tier::Critical, Some(0.5));
                for _ in 0..ROUNDS {
                    for request in 0..REQUESTS_A_ROUND {
                        let mut permit = None;
                        handle.acquire(slot, ask, 0.0, 0.0, |answer, _, _| permit = answer.permit);
                        if request == 0 {
                            meeting.wait();
                            let together = handle.stats(slot).is_some_and(|stats| stats.in_flight == 2);
                            lonely.fetch_add(usize::from(!together), Ordering::Relaxed);
                            meeting.wait();
                        }
                        match permit {
                            Some(permit) => _ = handle.release(permit, Outcome::Success, 0.0, |_, _, _, _| {}),
                            None => _ = refused.fetch_add(1, Ordering::Relaxed),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 0, "two requests are no overload");
    assert_eq!(lonely.into_inner(), 0, "each saw the other's permit");
    let handle = Handle::new(Arc::clone(&engine));
    let stats = handle.stats(handle.find(&Name::from("shared")).unwrap()).unwrap();
    assert_eq!((stats.in_flight, stats.counts.admitted()), (0, 2 * (ROUNDS * REQUESTS_A_ROUND) as u64));
}
