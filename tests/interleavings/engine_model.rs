//! The engine of a process, which several threads decide with.

use std::sync::Arc;

use shuttle::thread;

use crate::{
    engine::{AcquireRequest, Engine, Evicted, Handle, Limits, Name, Outcome, Priority},
    explore,
    mailbox::Mailbox,
    physics::{params::RouteParams, pressure::Sample, voltage::Tier},
    replication::{Report, RouteKey},
};

/// Fewer places than routes: threads evict each other's.
const PLACES: u32 = 2;

/// With more shards than one: what is in one of them is there whatever is done in another.
fn engine(max_routes: u32) -> Arc<Engine> {
    engine_of(max_routes, 2)
}

fn engine_of(max_routes: u32, shards: u32) -> Arc<Engine> {
    let engine = Engine::with_shards(Limits { max_routes, max_name_bytes: 1 << 20 }, shards);
    // From the first tick on, a state remembers the pressure before.
    Handle::new(Arc::clone(&engine))
        .define_params(RouteParams { bootstrap_ticks: 1, ..RouteParams::default() }, Some(0));
    engine
}

/// Every route has its own latency, and so its own pressure: it signs its state.
fn signature(route: usize) -> Sample {
    Sample { latency_ms: 10.0 + route as f64, error_rate: 0.0, saturation: 0.0 }
}

fn name(route: usize) -> Name {
    Name::from(format!("{route}").as_str())
}

fn both(work: impl Fn(usize) + Send + Sync + Clone + 'static) {
    let threads = [0, 1].map(|thread| {
        let work = work.clone();
        thread::spawn(move || work(thread))
    });
    for thread in threads {
        thread.join().expect("no thread panics");
    }
}

#[test]
fn no_thread_decides_on_a_route_that_another_one_evicted() {
    explore(3_000, || evict_each_other(1));
}

#[test]
fn nor_does_it_where_the_routes_are_in_two_shards() {
    explore(3_000, || evict_each_other(2));
}

fn evict_each_other(shards: u32) {
    let engine = engine_of(PLACES, shards);
    let shared = Arc::clone(&engine);
    both(move |thread| {
        let mut handle = Handle::new(Arc::clone(&shared));
        // TypeScript does the same: it uses a slot until it learns that the route was evicted.
        let mut slots = [None; 2];
        for turn in 0..4 {
            let index = turn % 2;
            let route = 2 * thread + index;
            let slot = slots[index].unwrap_or_else(|| handle.intern(name(route), 0.0));
            slots[index] = Some(slot);
            handle.route(slot, &signature(route), 100.0, None, 0.0, |_, state, _| {
                let signed = if state.ticks == 1 { [0.0; 3] } else { state.pressure };
                assert_eq!(state.previous_pressure, signed, "another route signed this state");
            });
            while let Some(evicted) = handle.evicted() {
                for held in &mut slots {
                    if evicted == Evicted::All || held.map(Evicted::Slot) == Some(evicted) {
                        *held = None;
                    }
                }
            }
        }
    });
    assert!(engine.len() <= PLACES as usize);
}

/// Threads that make a route of one name get the same one, and a route that is gone can be made again.
#[test]
fn two_threads_that_make_and_remove_one_route_agree_on_where_it_is() {
    explore(3_000, || {
        let engine = engine(8);
        let shared = Arc::clone(&engine);
        both(move |thread| {
            let mut handle = Handle::new(Arc::clone(&shared));
            for turn in 0..3 {
                let slot = handle.intern(name(0), 0.0);
                let found = handle.name(slot);
                assert!(found.is_none_or(|found| found == name(0)), "no other route is made");
                if turn == thread {
                    handle.remove(slot);
                }
            }
        });
        let handle = Handle::new(Arc::clone(&engine));
        let slot = handle.find(&name(0));
        assert_eq!(engine.len(), usize::from(slot.is_some()));
        assert_eq!(slot.and_then(|slot| handle.name(slot)), slot.map(|_| name(0)), "it is where its name says");
    });
}

/// The routes of a pool are in different shards; threads take routes into it and out of it while others decide by it.
#[test]
fn a_pool_of_two_shards_loses_no_permit() {
    explore(3_000, || {
        let engine = engine(8);
        let mut handle = Handle::new(Arc::clone(&engine));
        let law = handle.define_params(RouteParams { pool: 1, ..RouteParams::default() }, None).expect("there is room");
        let shared = Arc::clone(&engine);
        both(move |thread| {
            let mut handle = Handle::new(Arc::clone(&shared));
            let slot = handle.intern(name(thread), 0.0);
            for turn in 0..3 {
                handle.set_params(slot, if turn == 1 { 0 } else { law });
                let request =
                    AcquireRequest { priority: Priority::Tier(Tier::Critical, Some(0.5)), ..AcquireRequest::default() };
                let mut permit = None;
                handle.acquire(slot, request, 0.0, 0.0, |answer, _, _| permit = answer.permit);
                handle.release(permit.expect("two requests are no overload"), Outcome::Success, 0.0, |_, _, _, _| {});
            }
        });
        for thread in 0..2 {
            let slot = handle.find(&name(thread)).expect("the route is there");
            let request =
                AcquireRequest { priority: Priority::Tier(Tier::Bulk, Some(0.0)), ..AcquireRequest::default() };
            let (mut permit, mut occupancy) = (None, f64::NAN);
            handle.acquire(slot, request, 0.0, 0.0, |answer, _, _| {
                (permit, occupancy) = (answer.permit, answer.terms.occupancy);
            });
            assert!(occupancy == 0.0, "an idle pool resists nothing, but {occupancy} Ω");
            handle.release(permit.expect("an idle pool admits"), Outcome::Success, 0.0, |_, _, _, _| {});
        }
    });
}

#[test]
fn no_tick_and_no_permit_is_lost() {
    explore(3_000, || {
        let engine = engine(8);
        let shared = Arc::clone(&engine);
        both(move |_| {
            let mut handle = Handle::new(Arc::clone(&shared));
            let slot = handle.intern(name(0), 0.0);
            for _ in 0..3 {
                handle.tick(slot, &signature(0), 0.0).expect("nothing is evicted");
                let request =
                    AcquireRequest { priority: Priority::Tier(Tier::Critical, None), ..AcquireRequest::default() };
                let mut permit = None;
                handle.acquire(slot, request, 0.0, 0.0, |answer, _, _| permit = answer.permit);
                handle.release(permit.expect("two requests are no overload"), Outcome::Success, 0.0, |_, _, _, _| {});
            }
        });
        let handle = Handle::new(Arc::clone(&engine));
        let slot = handle.find(&name(0)).expect("the route is there");
        let stats = handle.stats(slot).expect("it was asked for permits");
        assert_eq!(
            (handle.state(slot).expect("the route is there").ticks, stats.in_flight, stats.counts.admitted()),
            (6, 0, 6)
        );
    });
}

#[test]
fn a_copy_of_the_parameters_is_never_of_two_versions() {
    explore(3_000, || {
        let engine = engine(8);
        let shared = Arc::clone(&engine);
        both(move |thread| {
            let mut handle = Handle::new(Arc::clone(&shared));
            let params = |ohms: f64| RouteParams { base_resistance: ohms, ..RouteParams::default() };
            let mine = 20.0 + thread as f64;
            let id = handle.define_params(params(mine), None).expect("there is room");
            let slot = handle.intern(name(thread), 0.0);
            handle.set_params(slot, id);
            for turn in 0..3 {
                let ohms = mine + 10.0 * f64::from(turn);
                handle.define_params(params(ohms), Some(id)).expect("it is known");
                let mut resists = 0.0;
                handle.route(slot, &signature(0), 100.0, None, 0.0, |_, state, _| resists = state.resistance);
                assert!((resists - 1.2 * ohms).abs() < 1e-9, "{resists} Ω by parameters of {ohms} Ω");
            }
        });
    });
}

#[test]
fn of_two_threads_that_sync_one_reports_and_neither_waits_for_ever() {
    explore(3_000, || {
        let engine = engine(8);
        let mailboxes = [(); 2].map(|()| Arc::new(Mailbox::new(8)));
        let shared = (Arc::clone(&engine), mailboxes.clone());
        both(move |thread| {
            let (engine, mailboxes) = &shared;
            let mut handle = Handle::new(Arc::clone(engine));
            let mailbox = &mailboxes[thread];
            let slot = handle.intern(name(thread), 0.0);
            let stored = (Report { scar: 50.0, ticks: 9, ..Report::default() }, 0.0);
            for turn in 0..2 {
                handle.tick(slot, &signature(thread), f64::from(turn));
                handle.sync(mailbox, 0.3, f64::from(turn));
                handle.inherit_reports(mailbox, &Arc::from([b'a' + thread as u8].as_slice()), &[stored], 0.3, 0.0);
            }
            handle.remove(slot);
        });
        let spoke: Vec<bool> = mailboxes.iter().map(|mailbox| !mailbox.take_outgoing().reports.is_empty()).collect();
        assert_ne!(spoke[0], spoke[1], "one speaks for all");
    });
}
