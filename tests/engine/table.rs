//! The table of routes: who is evicted, in which order, and who hears of it.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common;

use std::sync::Arc;

use atrion::{
    engine::{ENTRY_BYTES, Engine, Evicted, Handle, Limits, Name, Outcome, Row, Rows, Slot},
    physics::{mode::Mode, params::RouteParams, pressure::Sample, voltage::Tier},
};
use proptest::prelude::*;

const SAMPLE: Sample = Sample { latency_ms: 100.0, error_rate: 0.0, saturation: 0.5 };

fn engine(max_routes: u32) -> Arc<Engine> {
    Engine::new(Limits { max_routes, max_name_bytes: 1 << 20 })
}

fn name(k: usize) -> Name {
    Name::from(format!("route {k}").as_str())
}

fn all_names(engine: &Engine) -> Vec<String> {
    let mut names: Vec<_> = engine.names().iter().map(|n| String::from_utf16(&n.to_utf16()).unwrap()).collect();
    names.sort();
    names
}

/// The evictions that a handle has to report, all of them.
fn news(handle: &mut Handle) -> Vec<Evicted> {
    std::iter::from_fn(|| handle.evicted()).collect()
}

fn ticks(handle: &mut Handle, slot: Slot) -> bool {
    handle.tick(slot, &SAMPLE, 0.0).is_some()
}

#[test]
fn an_entry_fits_two_cache_lines() {
    let bytes = std::hint::black_box(ENTRY_BYTES);
    assert!(bytes <= 128, "{bytes}");
}

/// The operations on a table, with routes by number.
#[derive(Debug, Clone)]
enum Act {
    Intern(usize),
    Tick(usize),
    Find(usize),
    Remove(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let route = 0_usize..12;
    let act = prop_oneof![
        4 => route.clone().prop_map(Act::Intern),
        3 => route.clone().prop_map(Act::Tick),
        1 => route.clone().prop_map(Act::Find),
        1 => route.prop_map(Act::Remove),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Against a list of names, the least recently used first, bounded in number and in bytes.
    #[test]
    fn exactly_the_least_recently_used_goes(max_routes in 1_u32..8, max_name_bytes in 1_usize..80, acts in acts()) {
        let engine = Engine::new(Limits { max_routes, max_name_bytes });
        let mut handle = Handle::new(Arc::clone(&engine));
        let long = |k: usize| "n".repeat(k + 1) + &k.to_string();
        let mut model: Vec<usize> = Vec::new();
        for act in acts {
            match act {
                Act::Intern(k) => {
                    if let Some(at) = model.iter().position(|&m| m == k) {
                        model.remove(at);
                    }
                    let bytes = |model: &[usize]| model.iter().map(|&m| long(m).len()).sum::<usize>();
                    while !model.is_empty()
                        && (model.len() >= max_routes as usize || bytes(&model) + long(k).len() > max_name_bytes)
                    {
                        model.remove(0);
                    }
                    model.push(k);
                    handle.intern(Name::from(long(k).as_str()), 0.0);
                }
                Act::Tick(k) => {
                    if let Some(slot) = handle.find(&Name::from(long(k).as_str())) {
                        prop_assert!(ticks(&mut handle, slot));
                        let at = model.iter().position(|&m| m == k).expect("the table finds what the model holds");
                        model.remove(at);
                        model.push(k);
                    }
                }
                Act::Find(k) => {
                    prop_assert_eq!(handle.find(&Name::from(long(k).as_str())).is_some(), model.contains(&k));
                }
                Act::Remove(k) => {
                    if let Some(slot) = handle.find(&Name::from(long(k).as_str())) {
                        handle.remove(slot);
                    }
                    model.retain(|&m| m != k);
                }
            }
            let mut wanted: Vec<_> = model.iter().map(|&k| long(k)).collect();
            wanted.sort();
            prop_assert_eq!(all_names(&engine), wanted);
            prop_assert_eq!(engine.len(), model.len());
        }
    }
}

#[test]
fn a_name_larger_than_all_the_room_evicts_the_rest_and_still_gets_in() {
    let engine = Engine::new(Limits { max_routes: 100, max_name_bytes: 64 });
    let mut handle = Handle::new(Arc::clone(&engine));
    for k in 0..5 {
        handle.intern(name(k), 0.0);
    }
    let giant = "x".repeat(1000);
    let slot = handle.intern(Name::from(giant.as_str()), 0.0);
    assert_eq!(all_names(&engine), [giant]);
    assert!(ticks(&mut handle, slot));
    handle.intern(name(0), 0.0);
    assert_eq!(all_names(&engine), ["route 0"]);
}

#[test]
fn the_default_bound_on_names_grows_with_the_routes() {
    assert_eq!(Limits::of_routes(1).max_name_bytes, 16 << 20);
    assert_eq!(Limits::of_routes(1 << 20).max_name_bytes, 256 << 20);
    assert_eq!(Limits::of_routes(0).max_routes, 1);
    assert_eq!(Limits::of_routes(u32::MAX).max_routes, 1 << 24);
}

#[test]
fn a_new_tenant_of_a_slot_starts_from_nothing() {
    let engine = engine(1);
    let mut handle = Handle::new(engine);
    let slot = handle.intern(name(0), 0.0);
    for _ in 0..20 {
        handle.tick(slot, &Sample { latency_ms: 1e6, error_rate: 1.0, saturation: 1.0 }, 0.0);
    }
    assert_ne!(handle.state(slot).unwrap().scar, 0.0);
    let heir = handle.intern(name(1), 5.0);
    let state = handle.state(heir).unwrap();
    assert_eq!(
        (heir, state.scar, state.ticks, state.mode, state.last_updated_ms),
        (slot, 0.0, 0, Mode::Bootstrap, 5.0)
    );
}

#[test]
fn every_handle_hears_of_every_eviction_in_order_and_once() {
    let engine = engine(3);
    let (mut a, mut b) = (Handle::new(Arc::clone(&engine)), Handle::new(Arc::clone(&engine)));
    let slots: Vec<_> = (0..3).map(|k| a.intern(name(k), 0.0)).collect();
    for k in 3..6 {
        a.intern(name(k), 0.0);
    }
    let wanted: Vec<_> = slots.iter().map(|&slot| Evicted::Slot(slot)).collect();
    assert_eq!(news(&mut a), wanted, "the one that evicted");
    assert_eq!(news(&mut b), [], "one that has not looked yet");
    assert!(!ticks(&mut b, slots[0]), "a slot that another route may have taken is not to be used");
    assert_eq!(news(&mut b), wanted);
    assert_eq!(news(&mut b), [], "once");
    let slot = b.intern(name(5), 0.0);
    assert!(ticks(&mut b, slot), "having seen the evictions, it goes on");
}

/// Rows of a batch by their slots, and whether each had a result.
struct Batch(Vec<(Slot, Option<bool>)>);

impl Rows for Batch {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn read(&self, row: usize) -> (Slot, Sample) {
        (self.0[row].0, SAMPLE)
    }
    fn write(&mut self, row: usize, result: Option<Row>) {
        self.0[row].1 = Some(result.is_some());
    }
}

#[test]
fn a_batch_after_evictions_ticks_none_of_the_routes_that_took_the_slots() {
    let engine = engine(100);
    let (mut a, mut b) = (Handle::new(Arc::clone(&engine)), Handle::new(Arc::clone(&engine)));
    let mut batch = Batch((0..100).map(|k| (b.intern(name(k), 0.0), None)).collect());
    b.tick_batch(&mut batch, 0.0);
    assert!(batch.0.iter().all(|(_, result)| *result == Some(true)));
    for k in 200..300 {
        a.intern(name(k), 1.0);
    }
    b.tick_batch(&mut batch, 2.0);
    assert!(batch.0.iter().all(|(_, result)| *result == Some(false)), "every row's slot has another route");
    assert_eq!(news(&mut b).len(), 100);
    for (slot, _) in batch.0 {
        assert_eq!(a.state(slot).map(|state| state.ticks), Some(0), "the route that took the slot was not ticked");
    }
}

#[test]
fn a_handle_that_missed_too_much_is_told_to_trust_nothing() {
    let engine = engine(2);
    let (mut busy, mut asleep) = (Handle::new(Arc::clone(&engine)), Handle::new(Arc::clone(&engine)));
    let slot = asleep.intern(name(0), 0.0);
    for k in 1..2000 {
        busy.intern(name(k), 0.0);
    }
    assert!(!ticks(&mut asleep, slot));
    assert_eq!(news(&mut asleep), [Evicted::All]);
    let slot = asleep.intern(name(0), 0.0);
    assert!(ticks(&mut asleep, slot));
}

#[test]
fn a_removed_route_is_an_evicted_one_to_the_others() {
    let engine = engine(10);
    let (mut a, mut b) = (Handle::new(Arc::clone(&engine)), Handle::new(Arc::clone(&engine)));
    let slot = a.intern(name(0), 0.0);
    assert_eq!(b.intern(name(0), 0.0), slot);
    a.remove(slot);
    a.remove(slot);
    assert!(engine.is_empty());
    assert!(!ticks(&mut b, slot));
    assert_eq!(news(&mut b), [Evicted::Slot(slot)]);
    assert!(!ticks(&mut b, slot), "vacant, and nothing new to report");
    assert_eq!(b.find(&name(0)), None);
}

#[test]
fn slots_that_never_were_are_refused() {
    let mut handle = Handle::new(engine(10));
    for slot in [0, 1, 511, 512, 1 << 20, Slot::MAX - 1, Slot::MAX] {
        assert!(!ticks(&mut handle, slot));
        assert!(handle.state(slot).is_none());
        assert!(!handle.set_params(slot, 0));
        handle.remove(slot);
        handle.traumatise(slot, 1.0, 0.0);
    }
    assert!(handle.engine().is_empty());
}

#[test]
fn a_route_with_work_in_flight_is_spared() {
    let engine = engine(2);
    let mut handle = Handle::new(Arc::clone(&engine));
    let busy = handle.intern(name(0), 0.0);
    let mut permit = None;
    let ask = common::ask(Tier::Normal, Some(0.5));
    handle.acquire(busy, ask, 0.0, 0.0, |answer, _, _| permit = answer.permit).unwrap();
    handle.intern(name(1), 0.0);
    handle.intern(name(2), 0.0);
    assert_eq!(all_names(&engine), ["route 0", "route 2"], "the least recently used has a request in flight");
    handle.release(permit.expect("an idle route admits"), Outcome::Success, 1.0, |_, _, _, _| {});
    handle.intern(name(3), 0.0);
    assert_eq!(all_names(&engine), ["route 2", "route 3"]);
}

/// A third thread's view, after one tick.
fn a_view(engine: &Arc<Engine>, slot: Slot) -> Handle {
    let mut handle = Handle::new(Arc::clone(engine));
    assert!(handle.state(slot).is_some());
    handle.tick(slot, &SAMPLE, 0.0);
    handle
}

#[test]
fn a_law_replaced_by_one_handle_governs_the_others() {
    let engine = engine(10);
    let (mut a, mut b) = (Handle::new(Arc::clone(&engine)), Handle::new(Arc::clone(&engine)));
    let slot = b.intern(name(0), 0.0);
    let resistance = |b: &mut Handle| b.tick(slot, &SAMPLE, 0.0).unwrap().resistance;
    assert_eq!(resistance(&mut b), 12.0);

    let heavier = RouteParams { base_resistance: 50.0, ..RouteParams::default() };
    assert_eq!(a.define_params(heavier, Some(0)), Some(0));
    assert_eq!(resistance(&mut b), 60.0, "law 0 is every route's");

    let other = a.define_params(RouteParams { base_resistance: 100.0, ..RouteParams::default() }, None).unwrap();
    assert!(b.set_params(slot, other));
    assert_eq!(resistance(&mut a_view(&engine, slot)), 120.0, "and a third sees both");
    assert!(!b.set_params(slot, other + 1), "a law that nobody defined");
    assert_eq!(a.define_params(heavier, Some(other + 1)), None);
}
