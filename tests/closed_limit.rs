//! The limit of a route that is always asked for more than it can do: it follows the capacity, down and up.

use atrion::physics::limit::{Limit, LimitLaw, Window};

const LAW: LimitLaw = LimitLaw { deadline_ms: 500.0, min: 4.0, max: 100_000.0, initial: 32.0 };
const WINDOW_MS: f64 = 100.0;

/// Windows of a pool with a queue that serves `rate` a ms; the house is as full as the limit allows.
fn overload(limit: &mut Limit, rate: f64, windows: usize) {
    for _ in 0..windows {
        let mut window = Window::default();
        let in_flight = limit.limit.max(1.0);
        window.peak = in_flight;
        window.refused = 100.0;
        for k in 0..(rate * WINDOW_MS) as usize {
            // Work in flight varies by a quarter, and the wait with it.
            let met = in_flight * (0.75 + 0.25 * (k % 5) as f64 / 4.0);
            window.complete(met / rate, met, &LAW);
        }
        limit.tick(&window, WINDOW_MS, &LAW);
    }
}

/// What a newcomer waits behind a full house, ms.
fn wait_ms(limit: &Limit, rate: f64) -> f64 {
    limit.limit / rate
}

#[test]
fn a_full_house_never_waits_past_the_deadline_and_the_capacity_is_followed_both_ways() {
    let mut limit = Limit::new(&LAW);
    overload(&mut limit, 1.0, 100);
    let before = limit.limit;
    assert!(wait_ms(&limit, 1.0) < 0.6 * LAW.deadline_ms, "{before}");
    overload(&mut limit, 0.3, 10);
    assert!(limit.limit < 0.5 * before, "{} of {before} a second after the loss", limit.limit);
    overload(&mut limit, 1.0, 5);
    assert!(limit.limit > 0.7 * before, "{} of {before} half a second after the return", limit.limit);
}

#[test]
fn a_slow_drift_is_not_learnt_as_normal() {
    let mut limit = Limit::new(&LAW);
    overload(&mut limit, 1.0, 100);
    for window in 0..900 {
        let rate = 1.0 - 0.75 * f64::from(window) / 900.0;
        overload(&mut limit, rate, 1);
        assert!(wait_ms(&limit, rate) < LAW.deadline_ms, "{} ms in window {window}", wait_ms(&limit, rate));
    }
}
