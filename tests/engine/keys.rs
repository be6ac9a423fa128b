//! Keys: places that turn, shares of what is in flight, pools and reserved shares.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::collections::HashMap;

use atrion::{
    engine::{Handle, Key, Outcome, Slot},
    physics::{
        fairness::{NO_KEY, ROTATION_MS, Tally, level},
        limit::LimitLaw,
        params::RouteParams,
        voltage::Tier,
    },
};
use proptest::prelude::*;

use crate::requests::{acquire, engine, key, release, slot};

fn capped(max: f64) -> RouteParams {
    RouteParams {
        limit: LimitLaw { min: 1.0, max, initial: max, ..RouteParams::default().limit },
        ..RouteParams::default()
    }
}

/// Fills a route of at most `max` places until its limit holds: a queue is proven by answers that take ever longer.
fn crowd(handle: &mut Handle, slot: Slot, until_ms: f64) -> f64 {
    let (mut now_ms, mut out) = (0.0, std::collections::VecDeque::new());
    while now_ms < until_ms {
        now_ms += 1.0;
        for _ in 0..2 {
            out.extend(acquire(handle, slot, Tier::Critical, None, now_ms).permit);
        }
        out.pop_front().map(|id| release(handle, id, Outcome::Success, now_ms));
    }
    // The permit that came back last left a place.
    for _ in 0..100 {
        acquire(handle, slot, Tier::Critical, None, now_ms);
    }
    now_ms
}

proptest! {
    #[test]
    fn over_one_rotation_every_key_is_above_any_level_for_the_same_time(hash in 0..1_u64 << 53, from in 0.0..1e13, x in 0.15..1.0) {
        let steps = 3000;
        let above = (0..steps)
            .filter(|&i| level(hash, from + ROTATION_MS * f64::from(i) / f64::from(steps)) >= x)
            .count();
        let share = (1.0 - x) / 0.9;
        prop_assert!((above as f64 / f64::from(steps) - share).abs() < 0.002, "{above} of {steps}, {share}");
    }

    #[test]
    fn a_place_lies_in_its_band_at_any_time(hash in 0..1_u64 << 53, now_ms in prop_oneof![-1e13..1e13, Just(0.0)]) {
        prop_assert!((0.1..=1.0).contains(&level(hash, now_ms)));
    }

    #[test]
    fn the_tally_agrees_with_a_plain_map(acts in prop::collection::vec((0_u64..40, 1_u8..4, any::<bool>()), 1..400)) {
        let mut tally = Tally::default();
        let mut model: HashMap<u64, (f64, Vec<u16>)> = HashMap::new();
        for (hash, weight, takes) in acts {
            // Hashes that meet in one bucket.
            let (hash, weight) = (hash << 20, f64::from(weight));
            let held = model.entry(hash).or_default();
            if takes {
                held.0 = weight;
                held.1.push(tally.take(tally.find(hash), hash, weight));
            } else if let Some(at) = held.1.pop() {
                tally.give(at);
            }
            model.retain(|_, (_, held)| !held.is_empty());
            prop_assert_eq!(tally.keys(), model.len());
            let n = model.values().map(|(_, held)| held.len()).sum::<usize>() as f64;
            let weights = model.values().map(|(weight, _)| weight).sum::<f64>();
            for (&hash, (weight, held)) in &model {
                let is_over = held.len() as f64 > (n * weight / weights).max(1.0);
                prop_assert_eq!(tally.is_over(tally.find(hash), *weight), is_over);
            }
        }
    }

    #[test]
    fn a_pool_counts_what_its_routes_count(acts in prop::collection::vec((0_usize..4, 0_u8..5, any::<u16>()), 1..300)) {
        let (mut handle, alone) = engine(&RouteParams::default());
        let one = handle.define_params(RouteParams { pool: 1, ..RouteParams::default() }, None).expect("room");
        let two = handle.define_params(RouteParams { pool: 2, ..RouteParams::default() }, None).expect("room");
        let slots: Vec<Slot> = (0..4).map(|i| slot(&mut handle, &format!("r{i}"), one)).collect();
        let mut out: Vec<(usize, u64)> = Vec::new();
        for (at, act, pick) in acts {
            match act {
                0 | 1 => out.extend(acquire(&mut handle, slots[at], Tier::Normal, Some(key(u64::from(pick % 7))), 0.0).permit.map(|id| (at, id))),
                2 if !out.is_empty() => {
                    let (_, id) = out.swap_remove(usize::from(pick) % out.len());
                    prop_assert!(release(&mut handle, id, Outcome::Success, 0.0));
                }
                3 => prop_assert!(handle.set_params(slots[at], [alone, one, two][usize::from(pick) % 3])),
                4 if pick % 8 == 0 => {
                    handle.remove(slots[at]);
                    out.retain(|&(route, _)| route != at);
                    prop_assert_eq!(slot(&mut handle, &format!("r{at}"), one), slots[at]);
                }
                _ => {}
            }
            for (route, &slot) in slots.iter().enumerate() {
                let held = out.iter().filter(|&&(at, _)| at == route).count();
                prop_assert_eq!(handle.stats(slot).map_or(0, |stats| stats.in_flight as usize), held);
            }
        }
        while handle.evicted().is_some() {}
        for (_, id) in out.drain(..) {
            prop_assert!(release(&mut handle, id, Outcome::Success, 1.0));
        }
        for &slot in &slots {
            prop_assert_eq!(handle.stats(slot).map_or(0, |stats| stats.in_flight), 0);
        }
    }
}

#[test]
fn more_keys_than_are_counted_do_no_harm() {
    let mut tally = Tally::default();
    let held: Vec<u16> = (0..5000).map(|hash| tally.take(NO_KEY, hash, 1.0)).collect();
    assert_eq!(tally.keys(), 4096);
    assert_eq!(held.iter().filter(|&&at| at == NO_KEY).count(), 904);
    assert!(!tally.is_over(tally.find(4999), 1.0));
    for at in held {
        tally.give(at);
    }
    assert_eq!(tally.keys(), 0);
    let at = tally.take(NO_KEY, 7, 1.0);
    assert!(at != NO_KEY && !tally.is_over(at, 1.0));
}

#[test]
fn a_key_that_holds_more_than_its_share_ranks_below_all_others_of_its_tier() {
    let (mut handle, params) = engine(&RouteParams::default());
    let slot = slot(&mut handle, "route", params);
    for hash in [1, 1, 1, 1, 2] {
        acquire(&mut handle, slot, Tier::Normal, Some(key(hash)), 0.0);
    }
    let voltage = |handle: &mut Handle, hash, weight| {
        let key = Key { weight, ..key(hash) };
        let answer = acquire(handle, slot, Tier::Normal, Some(key), 0.0);
        release(handle, answer.permit.expect("room"), Outcome::Ignored, 0.0);
        answer.voltage
    };
    let greedy = voltage(&mut handle, 1, 1.0);
    assert_eq!(greedy, Tier::Normal.voltage(0.0, 10.0));
    for hash in 2..50 {
        assert!(voltage(&mut handle, hash << 40, 1.0) > greedy);
    }
    assert!(voltage(&mut handle, 1, 10.0) > greedy, "its weight entitles it");
}

#[test]
fn a_reserve_is_lent_and_there_at_once() {
    let mut params = capped(40.0);
    params.reserve[Tier::Bulk as usize] = 0.2;
    let (mut handle, id) = engine(&params);
    let slot = slot(&mut handle, "route", id);
    let now_ms = crowd(&mut handle, slot, 5000.0);
    let stats = handle.stats(slot).expect("a loop");
    assert!(stats.limit.is_finite() && f64::from(stats.in_flight) > 0.9 * stats.limit, "lent: {stats:?}");
    assert!(acquire(&mut handle, slot, Tier::Low, None, now_ms).permit.is_none());
    let mut admitted = 0;
    while acquire(&mut handle, slot, Tier::Bulk, None, now_ms).permit.is_some() {
        admitted += 1;
    }
    let share = f64::from(admitted) / f64::from(handle.stats(slot).expect("a loop").in_flight);
    assert!((0.2..0.45).contains(&share), "{admitted}: {share}");
}

#[test]
fn in_a_pool_work_of_one_route_fills_the_places_of_another() {
    let (mut handle, id) = engine(&RouteParams { pool: 9, ..capped(40.0) });
    let (a, b) = (slot(&mut handle, "a", id), slot(&mut handle, "b", id));
    let own = handle.define_params(capped(40.0), None).expect("room");
    let c = slot(&mut handle, "c", own);
    let now_ms = crowd(&mut handle, a, 5000.0);
    assert!(acquire(&mut handle, b, Tier::Bulk, None, now_ms).permit.is_none());
    assert!(acquire(&mut handle, c, Tier::Bulk, None, now_ms).permit.is_some());
    let (of_a, of_b) = (handle.stats(a).expect("a loop"), handle.stats(b).expect("a loop"));
    assert_eq!(of_a.limit, of_b.limit);
    assert_eq!(of_b.in_flight, 0);
    assert!(handle.set_params(b, own));
    assert!(acquire(&mut handle, b, Tier::Bulk, None, now_ms).permit.is_some(), "out of the pool");
}
