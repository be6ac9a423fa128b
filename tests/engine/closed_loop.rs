//! The laws of the closed loop, each by itself: voltage, limit, faults, the queue in front, the histogram.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use atrion::physics::{
    breaker::{Breaker, Change},
    histogram::Histogram,
    limit::{Limit, LimitLaw},
    voltage::{R_FREE, R_SPAN, Thresholds, Tier},
};
use proptest::prelude::*;

const TIERS: [Tier; 5] = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];

fn limit_laws() -> impl Strategy<Value = LimitLaw> {
    (20.0..5000.0, 1.0..16.0, 1.0..1e5, 0.0..=1.0).prop_map(|(deadline_ms, min, span, share)| LimitLaw {
        deadline_ms,
        min,
        max: min + span,
        initial: min + span * share,
    })
}

/// The events of a route: (ms until then, admissions and completions with their latency, whether it succeeded).
fn events() -> impl Strategy<Value = Vec<(f64, bool, f64, bool)>> {
    let latency_ms = prop_oneof![0.0..100.0, 0.0..1e5];
    prop::collection::vec((prop_oneof![Just(0.0), 0.0..500.0], any::<bool>(), latency_ms, any::<bool>()), 1..400)
}

fn thresholds() -> impl Strategy<Value = Thresholds> {
    (1.0..100.0, 0.5..100.0, 0.5..100.0).prop_map(|(start, span, reach)| Thresholds {
        start,
        full: start + span,
        top: start + span + reach,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_limit_stays_within_its_bounds_whatever_is_measured(params in limit_laws(), events in events()) {
        let (mut limit, mut n, mut now_ms) = (Limit::new(&params, 0.0), 0.0, 0.0);
        for (after_ms, admits, latency_ms, succeeded) in events {
            now_ms += after_ms;
            limit.pass(n, now_ms);
            if admits || n == 0.0 {
                limit.offer(n, succeeded, &params);
                n += 1.0;
                limit.admit(n, now_ms);
            } else {
                n -= 1.0;
                limit.complete(n, n + 1.0, latency_ms, succeeded, &params);
            }
            let Thresholds { start, full, top } = limit.thresholds(n, &params);
            prop_assert!((params.min..=params.max).contains(&full), "{full}");
            prop_assert!(start > 0.0 && start <= full && full <= top, "{start} {full} {top}");
            prop_assert!(limit.rate() >= 0.0 && limit.rate().is_finite());
            prop_assert!(limit.baseline_ms() >= 0.0 && limit.baseline_ms().is_finite());
            prop_assert!(limit.load(n, now_ms) >= n);
        }
    }

    #[test]
    fn a_tier_pushes_harder_than_the_one_below_whatever_the_keys(a in 0.0..1.0, b in 0.0..1.0, base in 0.1..1e4) {
        for pair in TIERS.windows(2) {
            prop_assert!(pair[0].voltage(a, base) < pair[1].voltage(b, base) + 1e-9, "{pair:?}");
        }
    }

    #[test]
    fn inside_a_tier_a_higher_level_pushes_harder_and_the_tier_is_recognised(level in 0.0..0.999, base in 0.1..1e4) {
        for tier in TIERS {
            prop_assert!(tier.voltage(level, base) < tier.voltage(level + 0.001, base));
            prop_assert_eq!(Tier::of_voltage(tier.voltage(level.max(0.001), base), base), tier);
        }
    }

    #[test]
    fn occupancy_resists_more_the_more_is_in_flight(n in 0.0..300.0, more in 0.0..100.0, thresholds in thresholds()) {
        let r = thresholds.resistance(n);
        prop_assert!(r >= 0.0);
        prop_assert!(thresholds.resistance(n + more) >= r - 1e-9);
        prop_assert!(n >= thresholds.start || r <= R_FREE, "nothing is shed below the start");
    }

    #[test]
    fn the_bearable_load_is_where_resistance_meets_the_voltage(v in 30.5..290.0, thresholds in thresholds()) {
        const BASE: f64 = 10.0;
        let n = thresholds.bearable(v, BASE);
        prop_assert!((BASE + thresholds.resistance(n) - v).abs() < 1e-6, "{n}");
    }

    #[test]
    fn success_is_a_ratio_and_a_route_that_mostly_succeeds_is_not_throttled(outcomes in prop::collection::vec(any::<bool>(), 1..300)) {
        let mut fault = Breaker::default();
        for succeeded in outcomes {
            let before = fault.is_open();
            let change = fault.observe(succeeded, 0.0);
            prop_assert!((0.0..=1.0).contains(&fault.success()));
            prop_assert!((0.0..=R_FREE + R_SPAN).contains(&fault.resistance()));
            prop_assert!(fault.success() < 0.5 || fault.resistance() == 0.0);
            prop_assert!(fault.success() > 0.05 || fault.resistance() > 0.0);
            let expected = match (before, fault.is_open()) {
                (false, true) => Change::Opened,
                (true, false) => Change::Closed,
                _ => Change::None,
            };
            prop_assert_eq!(change, expected, "what changed is told");
        }
    }

    #[test]
    fn an_open_breaker_is_probed_once_a_window(window_ms in 10.0..1000.0, asks in prop::collection::vec(0.0..300.0, 1..200)) {
        let mut fault = Breaker::default();
        fault.open();
        let (mut now_ms, mut last_ms) = (1e6, f64::NEG_INFINITY);
        for step_ms in asks {
            now_ms += step_ms;
            let wait_ms = fault.next_probe_ms(now_ms, window_ms, 0);
            prop_assert!((0.0..=window_ms).contains(&wait_ms));
            if fault.probe(now_ms, window_ms, 0) {
                prop_assert!(now_ms - last_ms >= window_ms);
                last_ms = now_ms;
            } else {
                prop_assert!(now_ms - last_ms < window_ms);
            }
        }
    }

    #[test]
    fn a_quantile_is_within_a_bucket_of_the_truth(mut latencies in prop::collection::vec(0.04..1e6, 1..500), q in 0.01..=1.0_f64) {
        let mut histogram = Histogram::default();
        for &latency_ms in &latencies {
            histogram.record(latency_ms);
        }
        latencies.sort_by(f64::total_cmp);
        let rank = (q * latencies.len() as f64).ceil().max(1.0) as usize - 1;
        let (got, truth) = (histogram.quantiles([q]).unwrap()[0], latencies[rank]);
        prop_assert!((got / truth - 1.0).abs() <= 0.26, "{got} for {truth}");
    }
}

#[test]
fn a_collapsed_route_opens_and_a_few_successes_in_a_row_close_it() {
    let mut fault = Breaker::default();
    let opened = (0..200).position(|_| fault.observe(false, 0.0) == Change::Opened).expect("nothing but failures");
    assert!(opened >= 19, "a handful of failures proves nothing: {opened}");
    assert_eq!(fault.open(), Change::None, "it is open already");
    let mut streak = 0;
    while fault.is_open() {
        streak += 1;
        fault.observe(true, 0.0);
        assert!(streak < 20, "it never closes");
    }
    assert!(streak > 1);
    assert_eq!(fault.resistance(), 0.0, "and is not throttled afterwards");
}

#[test]
fn a_route_that_fails_half_the_time_keeps_its_breaker_closed() {
    let mut fault = Breaker::default();
    for i in 0..10_000 {
        fault.observe(i % 2 == 0, 0.0);
        assert!(!fault.is_open());
    }
}

#[test]
fn an_empty_histogram_has_no_quantiles_and_extremes_do_no_harm() {
    let mut histogram = Histogram::default();
    assert_eq!(histogram.quantiles([0.5]), None);
    for latency_ms in [0.0, -1.0, f64::NAN, f64::INFINITY, 5e-324, f64::MAX] {
        histogram.record(latency_ms);
    }
    assert!(histogram.quantiles([1.0]).is_some_and(|[top]| top.is_finite()));
    for _ in 0..100_000 {
        histogram.record(10.0);
    }
    let median = histogram.quantiles([0.5]).unwrap()[0];
    assert!((8.0..12.5).contains(&median), "{median}");
}
