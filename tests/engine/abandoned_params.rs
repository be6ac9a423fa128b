//! Laws of handles that are gone: freed when they govern no route, kept as long as they do, and never another's under a number in use.

use std::sync::Arc;

use atrion::{
    engine::{Engine, Handle, Limits, Name},
    physics::params::RouteParams,
};

fn params(base_resistance: f64) -> RouteParams {
    RouteParams { base_resistance, ..RouteParams::default() }
}

#[test]
fn handles_come_and_go_and_there_is_always_room_for_another_law() {
    let engine = Engine::new(Limits::of_routes(100));
    for generation in 0..2000_u32 {
        let mut handle = Handle::new(Arc::clone(&engine));
        for i in 0..100_u32 {
            assert!(handle.define_params(params(f64::from(generation * 100 + i + 1)), None).is_some(), "{generation}");
        }
    }
}

#[test]
fn a_law_that_governs_a_route_outlives_its_handle() {
    let engine = Engine::new(Limits::of_routes(100));
    let mut stays = Handle::new(Arc::clone(&engine));
    let slot = stays.intern(Name::from("kept"), 0.0);
    let kept = {
        let mut goes = Handle::new(Arc::clone(&engine));
        for i in 0..50 {
            goes.define_params(params(f64::from(i) + 1.0), None).unwrap();
        }
        let kept = goes.define_params(params(77.0), None).unwrap();
        assert!(goes.set_params(slot, kept));
        kept
    };
    for generation in 0..1000_u32 {
        let mut handle = Handle::new(Arc::clone(&engine));
        for _ in 0..100 {
            assert_ne!(handle.define_params(params(f64::from(generation) + 1000.0), None), Some(kept));
        }
    }
    // Back to the default law, its number is free.
    assert!(stays.set_params(slot, 0));
    let mut numbers = Vec::new();
    for _ in 0..10 {
        let mut handle = Handle::new(Arc::clone(&engine));
        numbers.extend((0..1000).filter_map(|_| handle.define_params(params(5.0), None)));
    }
    assert!(numbers.contains(&kept));
}

#[test]
fn every_handle_sees_what_others_define_however_far_behind_it_is() {
    let engine = Engine::new(Limits::of_routes(100));
    let (mut one, mut other) = (Handle::new(Arc::clone(&engine)), Handle::new(Arc::clone(&engine)));
    let slot = other.intern(Name::from("r"), 0.0);
    for changes in [1, 10, 1023, 1024, 1025, 5000] {
        let mut last = 0;
        for i in 0..changes {
            last = one.define_params(params(f64::from(i) + 2.0), None).unwrap();
        }
        one.define_params(params(500.0 + f64::from(changes)), Some(last)).unwrap();
        assert!(other.set_params(slot, last));
        other.set_blend(slot, atrion::physics::peers::Blend::NONE);
        let state = other.state(slot).unwrap();
        assert_eq!(state.params_id, last);
    }
    assert!(!other.set_params(slot, u16::MAX), "never defined");
}
