//! `acquire` over the frame: a permit, or a refusal.

use super::frame::{Cells, cause, cell, status, terms, write_own_terms, write_reading, write_tick};
use crate::{
    clock::Now,
    engine::{AcquireRequest, AcquireResult, Cause, Handle, Key, Priority, Slot},
    physics::{peers::Blend, tick::RouteState, voltage::Tier},
    units::Millis,
};

/// Is the request in the frame [`AcquireRequest::BARE`], with no age?
#[inline]
fn is_bare(frame: &Cells) -> bool {
    let is = |cell: usize, value: f64| frame[cell].to_bits() == value.to_bits();
    cfg!(not(target_family = "wasm"))
        && is(cell::TIER, f64::from(Tier::Normal as u8))
        && frame[cell::KEY].is_nan()
        && is(cell::QUEUE_AGE_MS, 0.0)
        && is(cell::PROCESS_SATURATION, 0.0)
        && is(cell::WAITED_MS, AcquireRequest::BARE.waited_ms)
}

/// `acquire`: a permit for the slot in the frame, or a refusal, into the frame.
#[inline]
pub fn acquire(handle: &mut Handle, frame: &mut Cells, now: &Now) {
    // Most requests are bare. Compiled for those by itself, a decision takes a seventh fewer instructions. In wasm code is
    // dearer.
    if is_bare(frame) {
        decide(handle, frame, now, AcquireRequest::BARE, 0.0);
    } else {
        acquire_described(handle, frame, now);
    }
}

#[cfg_attr(not(target_family = "wasm"), inline(never))]
#[cfg_attr(target_family = "wasm", inline)]
fn acquire_described(handle: &mut Handle, frame: &mut Cells, now: &Now) {
    let priority = match Tier::from_index(frame[cell::TIER] as u8).filter(|_| frame[cell::TIER] >= 0.0) {
        Some(tier) => Priority::Tier(tier, None),
        None => Priority::Voltage(frame[cell::VOLTAGE]),
    };
    let process_occupancy = finite(frame[cell::PROCESS_SATURATION]);
    let key = hash(frame[cell::KEY]).map(|hash| key_of(hash, frame));
    let given_up = if frame[cell::CAUSE] as usize == cause::WAIT_FULL { Cause::WaitFull } else { Cause::WaitTimeout };
    let waited_ms = frame[cell::WAITED_MS];
    let request = AcquireRequest { priority, key, process_occupancy, queue_place: 0.0, waited_ms, given_up };
    // Negative for a request that asks again: the queue in front of the process has counted it.
    let age_ms = frame[cell::QUEUE_AGE_MS];
    let age_ms = if age_ms < f64::INFINITY { age_ms } else { 0.0 };
    decide(handle, frame, now, request, age_ms);
}

#[cfg_attr(not(target_family = "wasm"), inline(always))]
#[cfg_attr(target_family = "wasm", inline)]
fn decide(handle: &mut Handle, frame: &mut Cells, now: &Now, request: AcquireRequest, age_ms: Millis) {
    let slot = frame[cell::SLOT] as Slot;
    let now_ms = write_reading(frame, now.precise_ms());
    let report = |result: &AcquireResult, state: &RouteState, peers: Option<&Blend>| {
        let mut bits = 0;
        if let Some(tick) = &result.tick {
            bits |= status::TICKED;
            write_tick(frame, tick, state, peers);
        }
        if let Some(permit) = result.permit {
            bits |= status::ALLOW;
            frame[cell::PERMIT] = permit as f64;
        }
        if let Some(wait) = &result.wait {
            bits |= status::WAIT;
            frame[cell::MAY_WAIT_MS] = wait.may_wait_ms;
            frame[cell::RATE_PER_MS] = wait.rate_per_ms;
            frame[cell::TIER] = f64::from(result.tier as u8);
        }
        frame[cell::CAUSE] = f64::from(result.cause as u8);
        let terms = &result.terms;
        let row = write_own_terms(frame, &terms.own);
        row[terms::FAULTS] = terms.faults;
        row[terms::OCCUPANCY] = terms.occupancy;
        row[terms::QUEUE] = terms.queue;
        row[terms::PROCESS] = terms.process;
        frame[cell::STATUS] = f64::from(bits);
        frame[cell::RESISTANCE] = result.resistance;
        frame[cell::MODE] = f64::from(state.mode as u8);
        frame[cell::VOLTAGE] = result.voltage;
        frame[cell::RETRY_AFTER_MS] = result.retry_after_ms;
    };
    if handle.acquire(slot, request, age_ms, now_ms, report).is_none() {
        frame[cell::STATUS] = f64::from(status::STALE);
    }
}

/// A hash from a cell; NaN: there is none.
#[inline]
fn hash(cell: f64) -> Option<u64> {
    (cell >= 0.0).then_some(cell as u64)
}

/// The key in the frame.
fn key_of(hash_of_key: u64, frame: &Cells) -> Key {
    let weight = frame[cell::KEY_WEIGHT];
    let weight = if weight > 0.0 && weight < f64::INFINITY { weight } else { 1.0 };
    Key { hash: hash_of_key, weight, class: hash(frame[cell::KEY_CLASS]), lane: frame[cell::KEY_LANE] as u8 }
}

/// The number, or 0 where it is not finite and positive.
fn finite(x: f64) -> f64 {
    if x > 0.0 && x < f64::INFINITY { x } else { 0.0 }
}
