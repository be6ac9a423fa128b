//! Short forms for requests of one handle.

use atrion::{
    engine::{AcquireRequest, AcquireResult, Handle, Key, Limits, Name, Outcome, Priority, Slot},
    physics::{params::RouteParams, voltage::Tier},
};

pub fn engine(params: &RouteParams) -> (Handle, u16) {
    let mut handle = Handle::alone(Limits::of_routes(100));
    let id = handle.define_params(*params, None).expect("room for a law");
    (handle, id)
}

pub fn slot(handle: &mut Handle, name: &str, params: u16) -> Slot {
    let slot = handle.intern(Name::from(name), 0.0);
    assert!(handle.set_params(slot, params));
    slot
}

pub fn key(hash: u64) -> Key {
    Key { hash, weight: 1.0, class: None, lane: 0 }
}

pub fn acquire(handle: &mut Handle, slot: Slot, tier: Tier, key: Option<Key>, now_ms: f64) -> AcquireResult {
    let mut answer = None;
    let ask = AcquireRequest { priority: Priority::Tier(tier, None), key, ..AcquireRequest::default() };
    handle.acquire(slot, ask, 0.0, now_ms, |given, _, _| answer = Some(*given)).expect("a route");
    answer.expect("an answer")
}

pub fn release(handle: &mut Handle, id: u64, outcome: Outcome, now_ms: f64) -> bool {
    handle.release(id, outcome, now_ms, |_, _, _, _| {}).is_some()
}
