//! One engine, two threads, fewer places than routes: a stale slot is never decided on, and it is shown that there were some.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

mod common;

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use atrion::{
    engine::{Engine, Evicted, Handle, Limits, Name, Outcome, Slot},
    physics::{law::Law, pressure::Sample, voltage::Tier},
};

const ROUTES_EACH: usize = 16;
const PLACES: u32 = 12;
/// Stale slots that each thread must have met.
const COLLISIONS: usize = 1_000;
/// More than enough decisions to meet them.
const PATIENCE: usize = 20_000_000;
/// After this many decisions the other thread is let in, lest a lone core lets one run to its end.
const TURN: usize = 64;

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

/// One thread's work: decides on its routes in turn until both threads have collided enough.
fn work(thread: usize, mut handle: Handle, met: &[AtomicUsize; 2], start: &Barrier) -> usize {
    let mut slots = Slots { thread, slots: [None; ROUTES_EACH] };
    let mut decisions = 0;
    start.wait();
    for turn in 0..PATIENCE {
        if met.iter().all(|met| met.load(Ordering::Relaxed) >= COLLISIONS) {
            break;
        }
        if turn % TURN == 0 {
            thread::yield_now();
        }
        let route = turn % ROUTES_EACH;
        let sample = signature(thread, route);
        loop {
            let slot = slots.get(&mut handle, route);
            let decided = handle.route(slot, &sample, 100.0, None, 0.0, |_, state| {
                let signed = if state.ticks == 1 { [0.0; 3] } else { state.pressure };
                assert_eq!(state.previous_pressure, signed, "another route's state was decided on");
            });
            if decided.is_some() {
                decisions += 1;
                break;
            }
            met[thread].fetch_add(1, Ordering::Relaxed);
            slots.forget(&mut handle);
        }
    }
    decisions
}

#[test]
fn two_threads_that_evict_each_other_never_decide_on_a_stale_slot() {
    let engine = Engine::new(Limits { max_routes: PLACES, max_name_bytes: 1 << 20 });
    // From the first tick on, a state remembers the pressure before.
    Handle::new(Arc::clone(&engine)).define_law(Law { bootstrap_ticks: 1, ..Law::default() }, Some(0));
    let met = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let start = Barrier::new(2);
    let decisions: Vec<usize> = thread::scope(|scope| {
        let run = |thread| {
            let (engine, met, start) = (Arc::clone(&engine), &met, &start);
            scope.spawn(move || work(thread, Handle::new(engine), met, start))
        };
        let threads = [run(0), run(1)];
        threads.map(|thread| thread.join().expect("no assertion failed")).into()
    });
    let met = met.map(AtomicUsize::into_inner);
    assert!(met.iter().all(|&met| met >= COLLISIONS), "they did not collide: {met:?} in {decisions:?} decisions");
    assert!(decisions.iter().all(|&count| count > 0));
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

#[test]
fn permits_of_two_threads_on_one_route_all_come_back() {
    const REQUESTS: usize = 100_000;
    let engine = Engine::new(Limits::of_routes(10));
    let start = Barrier::new(2);
    let crowded = AtomicBool::new(false);
    let admitted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut handle = Handle::new(Arc::clone(&engine));
                let slot = handle.intern(Name::from("shared"), 0.0);
                let ask = common::ask(Tier::Critical, Some(0.5));
                start.wait();
                for request in 0..PATIENCE {
                    if request >= REQUESTS && crowded.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut permit = None;
                    handle
                        .acquire(slot, ask, 0.0, 0.0, |answer, _| permit = answer.permit)
                        .expect("nothing is evicted");
                    if handle.stats(slot).expect("it was asked for permits").in_flight > 1 {
                        crowded.store(true, Ordering::Relaxed);
                    }
                    admitted.fetch_add(1, Ordering::Relaxed);
                    if request % TURN == 0 {
                        thread::yield_now();
                    }
                    handle.release(permit.expect("two requests are no overload"), Outcome::Success, 0.0, |_, _, _| {});
                }
            });
        }
    });
    assert!(crowded.into_inner(), "the threads never held a permit at the same time");
    let handle = Handle::new(Arc::clone(&engine));
    let stats = handle.stats(handle.find(&Name::from("shared")).unwrap()).unwrap();
    assert_eq!((stats.in_flight, stats.counts.admitted), (0, admitted.into_inner() as u64));
}
