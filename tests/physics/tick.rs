//! The tick as a whole: any run of samples under any law.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common;

use atrion::{
    physics::{
        magnitude,
        mode::Mode,
        params::RouteParams,
        pressure::Sample,
        retry::retry_after_ms,
        tick::{Override, RouteState},
        tuner::recovery_point,
    },
    units::MAX_RESISTANCE,
};
use proptest::prelude::*;

const START_MS: f64 = 1e6;

/// A sample at the law's baselines: no pressure.
fn calm(params: &RouteParams) -> Sample {
    Sample { latency_ms: params.baselines[0], error_rate: params.baselines[1], saturation: params.baselines[2] }
}

/// A law whose pressure acts at once, so that single ticks can be told apart.
fn static_law() -> RouteParams {
    RouteParams { bootstrap_ticks: 1, tuner: None, damping_factor: 0.0, ..RouteParams::default() }
}

/// Worst sample there is.
const TERRIBLE: Sample = Sample { latency_ms: 1e6, error_rate: 1.0, saturation: 1.0 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_state_is_within_its_bounds(params in common::params(), run in common::runs()) {
        let mut state = RouteState::new(0, &params, START_MS);
        let mut now_ms = START_MS;
        for (count, (sample, step_ms)) in run.iter().enumerate() {
            now_ms += step_ms;
            let before = state;
            let tick = state.tick(&params, sample, now_ms);

            prop_assert_eq!(state.ticks as usize, count + 1);
            prop_assert!(state.pressure.iter().all(|p| (-1.0..=1.0).contains(p)));
            prop_assert!((0.0..=MAX_RESISTANCE).contains(&state.scar));
            prop_assert!(state.momentum >= 0.0 && state.momentum.is_finite());
            prop_assert!(state.resistance >= params.base_resistance && state.resistance <= MAX_RESISTANCE);
            prop_assert!(tick.delta_t_ms >= 0.0);
            prop_assert!(state.last_updated_ms >= before.last_updated_ms, "time never goes back");
            let noise = [sample.latency_ms, sample.error_rate, sample.saturation].map(common::is_noise);
            prop_assert_eq!(tick.rejected, noise.contains(&true));
            prop_assert_eq!(state.rejected_samples, before.rejected_samples + u32::from(tick.rejected));
            for ((noise, now), before) in noise.into_iter().zip(state.pressure).zip(before.pressure) {
                prop_assert!(!noise || now == before, "noise keeps the pressure");
            }
        }
    }

    #[test]
    fn modes_change_once_a_tick_and_only_along_the_arrows(params in common::params(), run in common::runs()) {
        let mut state = RouteState::new(0, &params, START_MS);
        let mut now_ms = START_MS;
        for (count, (sample, step_ms)) in run.iter().enumerate() {
            now_ms += step_ms;
            let before = state;
            let tick = state.tick(&params, sample, now_ms);
            prop_assert_eq!(tick.mode_before, before.mode, "the tick starts where the last one ended");
            let booting = count + 1 < params.bootstrap_ticks as usize;
            prop_assert_eq!(state.mode == Mode::Bootstrap, booting, "BOOTSTRAP lasts exactly as long as it should");
            match before.mode {
                Mode::Bootstrap if !booting => {
                    prop_assert_eq!(state.mode, Mode::Operational);
                    prop_assert_eq!(state.momentum, 0.0);
                    prop_assert_eq!(state.moments_count, 0, "the tuner does not see this one");
                }
                Mode::Bootstrap => prop_assert_eq!(state.resistance, 1.2 * params.base_resistance),
                Mode::Operational => {
                    let breaks = state.resistance >= state.break_point(&params);
                    prop_assert_eq!(state.mode == Mode::CircuitBreaker, breaks);
                    if breaks {
                        prop_assert_eq!(state.recovery_started_ms, state.last_updated_ms, "time never goes back");
                    }
                }
                Mode::CircuitBreaker => {
                    let healed = state.scar < params.scar_factor && magnitude(state.pressure) < params.critical_pressure;
                    let low = state.resistance < recovery_point(&params, state.break_point(&params));
                    prop_assert_eq!(state.mode == Mode::Operational, healed || low);
                    prop_assert_eq!(state.recovery_started_ms, before.recovery_started_ms);
                }
            }
        }
    }

    #[test]
    fn without_pressure_above_the_baseline_the_scar_never_grows(params in common::params(), run in common::runs(), s in 0.0..1e5) {
        let mut state = RouteState { scar: s, mode: Mode::Operational, ..RouteState::new(0, &params, START_MS) };
        let mut now_ms = START_MS;
        for (sample, step_ms) in &run {
            now_ms += step_ms;
            let below = Sample {
                latency_ms: sample.latency_ms.min(params.baselines[0]),
                error_rate: sample.error_rate.min(params.baselines[1]),
                saturation: sample.saturation.min(params.baselines[2]),
            };
            let before = state.scar;
            state.tick(&params, &below, now_ms);
            prop_assert!(state.pressure.iter().all(|&p| p <= 0.0));
            prop_assert!(state.scar <= before);
        }
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_no_momentum_and_no_decay(
        params in common::params(), sample in common::samples(), back_ms in 0.0..1e9, s in 1.0..1e5,
    ) {
        let mut state = RouteState { scar: s, mode: Mode::Operational, ..RouteState::new(0, &params, START_MS) };
        let tick = state.tick(&params, &sample, START_MS - back_ms);
        prop_assert_eq!(tick.delta_t_ms, 0.0);
        prop_assert_eq!(state.momentum, 0.0);
        prop_assert!(state.scar >= s);
        prop_assert_eq!(state.last_updated_ms, START_MS);
    }

    #[test]
    fn the_same_history_gives_the_same_bits(params in common::params(), run in common::runs()) {
        let play = || {
            let mut state = RouteState::new(0, &params, START_MS);
            let mut now_ms = START_MS;
            for (sample, step_ms) in &run {
                now_ms += step_ms;
                state.tick(&params, sample, now_ms);
            }
            [state.resistance, state.scar, state.momentum, state.moments.mean, state.moments.variance].map(f64::to_bits)
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn a_request_flows_if_and_only_if_its_voltage_exceeds_r_and_the_breaker_is_closed(
        params in common::params(), run in common::runs(), v in 0.0..1e4,
    ) {
        let mut state = RouteState::new(0, &params, START_MS);
        let mut now_ms = START_MS;
        for (sample, step_ms) in &run {
            now_ms += step_ms;
            state.tick(&params, sample, now_ms);
            prop_assert_eq!(state.allows(v), v > state.resistance && state.mode != Mode::CircuitBreaker);
            let ordered = |manual| RouteState { manual, ..state };
            prop_assert!(ordered(Override::Closed).allows(v));
            prop_assert!(!ordered(Override::Open).allows(v));
        }
    }

    /// The remedy that a refusal names is one: come back then, with the pressure gone, and you flow.
    #[test]
    fn after_the_retry_time_a_calm_route_lets_the_request_through(s in 1.0..1e4, v in 10.5..400.0, terrible in 1_usize..30) {
        let params = static_law();
        let mut state = RouteState { scar: s, mode: Mode::Operational, ..RouteState::new(0, &params, START_MS) };
        let mut now_ms = START_MS;
        for _ in 0..terrible {
            now_ms += 100.0;
            state.tick(&params, &TERRIBLE, now_ms);
        }
        state.tick(&params, &calm(&params), now_ms);
        prop_assume!(!state.allows(v));
        let wait_ms = retry_after_ms(&state, state.scar, v, &params).expect("decay alone will do: V is above R_base, the route is calm");
        prop_assert!(wait_ms >= params.min_delta_t_ms && wait_ms.fract() == 0.0);
        state.tick(&params, &calm(&params), now_ms + wait_ms + 1.0);
        prop_assert!(state.allows(v), "R = {}, mode {:?} after {wait_ms} ms", state.resistance, state.mode);
    }

    #[test]
    fn trauma_from_outside_decays_first_and_adds_up(params in common::params(), s in 0.0..1e3, ohms in 0.0..1e3, ms in 0.0..1e4) {
        let mut state = RouteState { scar: s, mode: Mode::Operational, ..RouteState::new(0, &params, START_MS) };
        state.traumatise(None, &params, ohms, START_MS + ms);
        let expected: f64 = s * f64::exp(-params.decay_per_ms * ms) + ohms;
        prop_assert!((state.scar - expected).abs() <= 1e-9 * expected.max(1.0));
        prop_assert!(state.resistance >= params.base_resistance);
        prop_assert_eq!(state.last_updated_ms, START_MS + ms);
    }
}

#[test]
fn a_route_in_trouble_visits_all_modes_and_heals() {
    let params = RouteParams { tuner: None, ..RouteParams::default() };
    let mut state = RouteState::new(0, &params, START_MS);
    let mut modes = vec![state.mode];
    let mut now_ms = START_MS;
    let mut step = |state: &mut RouteState, sample: &Sample, step_ms: f64| {
        now_ms += step_ms;
        state.tick(&params, sample, now_ms);
        if modes.last() != Some(&state.mode) {
            modes.push(state.mode);
        }
    };
    for _ in 0..40 {
        step(&mut state, &TERRIBLE, 100.0);
    }
    assert!(!state.allows(1e9), "an open breaker stops everything");
    for _ in 0..40 {
        step(&mut state, &calm(&params), 1000.0);
    }
    assert!(state.allows(100.0));
    assert_eq!(modes, [Mode::Bootstrap, Mode::Operational, Mode::CircuitBreaker, Mode::Operational]);
}

#[test]
fn there_is_no_retry_time_when_decay_alone_will_not_do() {
    let params = static_law();
    let mut state = RouteState::new(0, &params, START_MS);
    state.tick(&params, &TERRIBLE, START_MS);
    assert_eq!(retry_after_ms(&state, state.scar, params.base_resistance, &params), None, "below R_base nothing helps");
    let frozen = RouteParams { decay_per_ms: 0.0, ..params };
    assert_eq!(retry_after_ms(&state, state.scar, 11.0, &frozen), None, "a scar that does not decay");
}
