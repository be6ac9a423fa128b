//! A decision on a warm route allocates nothing, whatever the mode and whatever is decided.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, whose trait is unsafe")]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use atrion::{
    engine::{Engine, Handle, Limits, Name, Outcome, Slot},
    physics::{limit::Regime, mode::Mode, params::RouteParams, pressure::Sample, voltage::Tier},
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; counting touches a cell of this thread only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `f` makes.
fn allocations(f: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

const DECISIONS: usize = 10_000;
const ROUTES: usize = 16;
const GOOD: Sample = Sample { latency_ms: 90.0, error_rate: 0.0, saturation: 0.4 };
const BAD: Sample = Sample { latency_ms: 5_000.0, error_rate: 1.0, saturation: 1.0 };
const NOISE: Sample = Sample { latency_ms: f64::NAN, error_rate: -1.0, saturation: 0.4 };

fn handle_with_routes() -> (Handle, Vec<Slot>) {
    let mut handle = Handle::new(Engine::new(Limits::of_routes(1000)));
    let slots = (0..ROUTES).map(|k| handle.intern(Name::from(format!("route {k}").as_str()), 0.0)).collect();
    (handle, slots)
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| {}), 0);
}

#[test]
fn the_open_loop_decides_without_allocating() {
    let (mut handle, slots) = handle_with_routes();
    let lasting =
        handle.define_params(RouteParams { bootstrap_ticks: u32::MAX, ..RouteParams::default() }, None).unwrap();
    handle.set_params(slots[0], lasting);
    let mut seen = [[0_u32; 2]; 3];
    let counted = allocations(|| {
        for i in 0..DECISIONS {
            // Half of the routes are well, half are not, now and then; one is booting all along.
            let sick = i % 2 == 1 && (i / 2000) % 2 == 0;
            let sample = if i % 97 == 0 {
                &NOISE
            } else if sick {
                &BAD
            } else {
                &GOOD
            };
            let voltage = if i % 3 == 0 { 5.0 } else { 100.0 };
            handle
                .route(slots[i % ROUTES], sample, voltage, None, i as f64 * 10.0, |decision, state, _| {
                    seen[state.mode as usize][usize::from(decision.allow)] += 1;
                })
                .expect("the slot holds a route");
        }
    });
    assert_eq!(counted, 0);
    let refused_and_allowed = |mode: Mode| seen[mode as usize];
    assert!(refused_and_allowed(Mode::Bootstrap).iter().all(|&n| n > 0), "{seen:?}");
    assert!(refused_and_allowed(Mode::Operational).iter().all(|&n| n > 0), "{seen:?}");
    assert!(refused_and_allowed(Mode::CircuitBreaker)[0] > 0, "{seen:?}");
}

#[test]
fn a_batch_ticks_without_allocating() {
    let (mut handle, slots) = handle_with_routes();
    let counted = allocations(|| {
        for i in 0..DECISIONS {
            handle
                .tick(slots[i % ROUTES], if i % 5 == 0 { &BAD } else { &GOOD }, i as f64)
                .expect("the slot holds a route");
        }
    });
    assert_eq!(counted, 0);
}

/// A closed loop at twice what its routes complete: the limit is found, requests are refused and fail.
#[test]
fn the_closed_loop_decides_without_allocating_once_it_has_seen_its_peak() {
    const MOST_IN_FLIGHT: usize = 4096;
    const TIERS: [Tier; 5] = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];
    let (mut handle, slots) = handle_with_routes();
    let mut under_way = [(); 2].map(|()| std::collections::VecDeque::with_capacity(MOST_IN_FLIGHT));
    let (mut admitted, mut refused, mut failed) = (0_u32, 0_u32, 0_u32);
    let mut play = |handle: &mut Handle, from: usize, count: usize| {
        for i in from..from + count {
            let now_ms = i as f64 * 0.5;
            let route = i % 2;
            // Each route is asked once a ms, and serves one request after the other in 2 ms.
            if i % 4 == route
                && let Some(permit) = under_way[route].pop_front()
            {
                let outcome = if i % 28 == route { Outcome::Failure } else { Outcome::Success };
                failed += u32::from(outcome == Outcome::Failure);
                handle.release(permit, outcome, now_ms, |_, _, _, _| {});
            }
            let ask = common::ask(TIERS[i % 5], None);
            let mut permit = None;
            handle.acquire(slots[route], ask, 0.0, now_ms, |answer, _, _| permit = answer.permit).expect("a route");
            match permit {
                Some(permit) => {
                    admitted += 1;
                    under_way[route].push_back(permit);
                }
                None => refused += 1,
            }
        }
    };
    play(&mut handle, 0, DECISIONS);
    let counted = allocations(|| play(&mut handle, DECISIONS, DECISIONS));
    assert_eq!(counted, 0);
    assert!(admitted > 0 && refused > 0 && failed > 0, "{admitted} admitted, {refused} refused, {failed} failed");
    for slot in &slots[..2] {
        assert_eq!(handle.stats(*slot).expect("a closed loop").regime, Regime::Queueing);
    }
}
