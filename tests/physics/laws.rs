//! The guarantees of each law for all inputs.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common;

use atrion::{
    physics::{
        magnitude, math,
        momentum::momentum,
        params::RouteParams,
        pressure::{self, Sample},
        resistance::{bootstrap_resistance, resistance, strain},
        scar::{scar, settle},
        tuner::{self, Moments},
    },
    units::{EPSILON, MAX_RESISTANCE},
};
use proptest::prelude::*;

fn pressures() -> impl Strategy<Value = [f64; 3]> {
    prop::array::uniform3(-1.0..=1.0)
}

fn moments() -> impl Strategy<Value = Moments> {
    (0.0..1e6, 0.0..1e10).prop_map(|(mean, variance)| Moments { mean, variance })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pressure_stays_between_minus_one_and_one(
        params in common::params(), sample in common::samples(), last in pressures(), exponent in -1e4..0.0,
    ) {
        let reading = pressure::read(&sample, last, &params, exponent);
        for p in reading.pressure {
            prop_assert!((-1.0..=1.0).contains(&p), "{p}");
        }
        prop_assert!((0.0..=1.0).contains(&reading.exp));
    }

    #[test]
    fn noise_keeps_the_pressure_of_its_component_and_of_no_other(
        params in common::params(), sample in common::samples(), last in pressures(),
    ) {
        let reading = pressure::read(&sample, last, &params, 0.0);
        let raw = [sample.latency_ms, sample.error_rate, sample.saturation];
        let clean = pressure::read(&Sample {
            latency_ms: if common::is_noise(raw[0]) { 1.0 } else { raw[0] },
            error_rate: if common::is_noise(raw[1]) { 1.0 } else { raw[1] },
            saturation: if common::is_noise(raw[2]) { 1.0 } else { raw[2] },
        }, last, &params, 0.0);
        for i in 0..3 {
            let expected = if common::is_noise(raw[i]) { last[i] } else { clean.pressure[i] };
            prop_assert_eq!(reading.pressure[i].to_bits(), expected.to_bits());
        }
        prop_assert_eq!(reading.rejected, raw.into_iter().any(common::is_noise));
        prop_assert!(!clean.rejected);
    }

    #[test]
    fn pressure_is_zero_at_the_baseline_and_has_the_sign_of_the_distance(params in common::params(), x in 0.0..1e4) {
        let sample = Sample { latency_ms: x, error_rate: params.baselines[1], saturation: params.baselines[2] };
        let [latency, error, saturation] = pressure::read(&sample, [0.5; 3], &params, 0.0).pressure;
        prop_assert!(error == 0.0 && saturation == 0.0);
        if params.baselines[0] > 0.0 {
            prop_assert!(latency * (x - params.baselines[0]) >= 0.0);
        } else {
            prop_assert!(latency == 0.0);
        }
    }

    #[test]
    fn error_rate_and_saturation_above_one_count_as_one(params in common::params(), over in 1.0..1e300) {
        let read = |x| pressure::read(&Sample { latency_ms: 1.0, error_rate: x, saturation: x }, [0.0; 3], &params, 0.0);
        prop_assert_eq!(read(over).pressure, read(1.0).pressure);
    }

    #[test]
    fn momentum_is_never_negative_and_needs_time(p in pressures(), q in pressures(), dt in -1e9..1e9) {
        let m = momentum(p, q, dt);
        prop_assert!(m >= 0.0 && m.is_finite());
        if dt <= 0.0 {
            prop_assert_eq!(m, 0.0);
        } else {
            let change = [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
            prop_assert!((m * dt - magnitude(change)).abs() <= 1e-12);
        }
    }

    #[test]
    fn doing_better_than_expected_is_never_trauma(params in common::params(), s in 0.0..1e6, p in pressures(), decay in 0.0..=1.0) {
        let better = p.map(|p: f64| -p.abs());
        prop_assert!(scar(s, decay, better, &params) <= s);
    }

    #[test]
    fn trauma_adds_one_scar_factor_when_positive_stress_is_critical(
        params in common::params(), s in 0.0..1e4, p in pressures(), decay in 0.0..=1.0,
    ) {
        let stress = magnitude(p.map(|p: f64| p.max(0.0)));
        prop_assume!((stress - params.critical_pressure).abs() > 1e-9);
        let trauma = if stress > params.critical_pressure { params.scar_factor } else { 0.0 };
        let expected = s * decay + trauma;
        let got = scar(s, decay, p, &params);
        if expected < EPSILON {
            prop_assert_eq!(got, 0.0);
        } else {
            prop_assert!((got - expected).abs() <= 1e-12 * expected, "{got} {expected}");
        }
    }

    #[test]
    fn a_scar_halves_in_its_half_life(s in 1e-3..1e6, decay_per_ms in 1e-6..5e-3_f64) {
        let half_life_ms = std::f64::consts::LN_2 / decay_per_ms;
        let left = scar(s, math::exp(-decay_per_ms * half_life_ms), [0.0; 3], &RouteParams::default());
        prop_assert!((left / s - 0.5).abs() < 1e-15, "{}", left / s);
    }

    #[test]
    fn decay_does_not_depend_on_how_time_is_cut(s in 1.0..1e6, decay_per_ms in 1e-6..5e-3_f64, a in 0.0..2000.0, b in 0.0..2000.0) {
        let decay = |s, ms: f64| scar(s, math::exp(-decay_per_ms * ms), [0.0; 3], &RouteParams::default());
        let (once, twice) = (decay(s, a + b), decay(decay(s, a), b));
        prop_assert!((once - twice).abs() <= 1e-12 * once.max(EPSILON));
    }

    #[test]
    fn a_settled_scar_is_nothing_or_significant_and_bounded(s in prop_oneof![0.0..1e-8, 0.0..1e300]) {
        let settled = settle(s);
        prop_assert!(settled == 0.0 || (EPSILON..=MAX_RESISTANCE).contains(&settled));
    }

    #[test]
    fn resistance_is_bounded_and_monotone_in_scar_and_momentum(
        params in common::params(), p in pressures(), m in 0.0..1e5, s in 0.0..1e6, more in 0.0..1e6,
    ) {
        let r = resistance(p, m, s, &params);
        prop_assert!((params.base_resistance..=MAX_RESISTANCE).contains(&r));
        prop_assert!(resistance(p, m, s + more, &params) >= r);
        prop_assert!(resistance(p, m + more, s, &params) >= r);
    }

    #[test]
    fn resistance_is_the_sum_of_its_parts_between_its_bounds(params in common::params(), p in pressures(), m in 0.0..10.0, s in 0.0..1e3) {
        let sum = params.base_resistance + strain(p, &params) + params.damping_factor * m + s;
        prop_assume!(sum >= params.base_resistance && sum <= MAX_RESISTANCE);
        prop_assert_eq!(resistance(p, m, s, &params), sum);
    }

    #[test]
    fn before_anything_is_known_resistance_is_a_fifth_above_the_base(params in common::params()) {
        prop_assert!((bootstrap_resistance(&params) - 1.2 * params.base_resistance).abs() <= 1e-9);
    }

    #[test]
    fn a_warm_tuner_breaks_between_its_floor_and_its_ceiling(
        params in common::params(), tuner in common::tuners(), moments in moments(), extra in 0_u32..1000,
    ) {
        let params = RouteParams { tuner: Some(tuner), ..params };
        let point = tuner::break_point(&params, moments, tuner.warmup_ticks + extra);
        prop_assert!((tuner.min_floor..=tuner.hard_ceiling).contains(&point));
        let recovery = tuner::recovery_point(&params, point);
        prop_assert!(recovery >= tuner.min_floor * 0.5);
    }

    #[test]
    fn a_cold_tuner_and_none_break_at_the_static_point(params in common::params(), moments in moments()) {
        let fixed = params.base_resistance * params.break_multiplier;
        let count = params.tuner.map_or(7, |tuner| tuner.warmup_ticks.saturating_sub(1));
        prop_assume!(params.tuner.is_none_or(|tuner| tuner.warmup_ticks > 0));
        prop_assert_eq!(tuner::break_point(&params, moments, count), fixed);
    }

    #[test]
    fn breaking_is_reaching_the_break_point(params in common::params(), moments in moments(), count in 0_u32..200, r in 0.0..1e4) {
        prop_assert_eq!(tuner::breaks(&params, moments, count, r), r >= tuner::break_point(&params, moments, count));
    }

    #[test]
    fn moments_stay_within_what_was_seen(tuner in common::tuners(), seen in prop::collection::vec(0.1..1e6, 1..200)) {
        let mut moments = Moments::default();
        for (count, &r) in seen.iter().enumerate() {
            moments = tuner::observe(moments, count as u32, r, &tuner);
            let so_far = &seen[..=count];
            let low = so_far.iter().copied().fold(f64::INFINITY, f64::min);
            let high = so_far.iter().copied().fold(0.0, f64::max);
            prop_assert!(moments.mean >= low * (1.0 - 1e-12) && moments.mean <= high * (1.0 + 1e-12));
            let spread = high - low;
            prop_assert!(moments.variance >= 0.0 && moments.variance <= spread * spread * (1.0 + 1e-9) + 1e-9);
        }
    }

    #[test]
    fn a_constant_resistance_is_learnt_exactly(tuner in common::tuners(), r in 0.1..1e6, ticks in 1_u32..500) {
        let mut moments = Moments::default();
        for count in 0..ticks {
            moments = tuner::observe(moments, count, r, &tuner);
        }
        prop_assert_eq!(moments, Moments { mean: r, variance: 0.0 });
    }
}
