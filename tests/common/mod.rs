//! Laws, samples and schedules to try the physics with.
#![allow(dead_code, reason = "each test binary takes what it needs")]

use atrion::{
    engine::{AcquireRequest, Priority},
    physics::{
        params::{RouteParams, TunerParams},
        pressure::Sample,
        voltage::Tier,
    },
};
use proptest::prelude::*;

/// Any law that the package's own validation lets through.
pub fn params() -> impl Strategy<Value = RouteParams> {
    let physics = (0.1..1e4, 0.0..5.0, 0.0..500.0, 0.0..200.0, 0.05..1.7, 1.5..50.0, 1_u32..20);
    let baselines = (prop_oneof![Just(0.0), 0.1..1e4], prop_oneof![Just(0.0), 0.001..1.0], 0.01..1.0);
    let tanh_scale = 0.1..5.0;
    let weights = prop::array::uniform3(0.0..10.0);
    (physics, baselines, tanh_scale, weights, prop::option::of(tuners())).prop_map(
        |((base, decay_per_s, scar, damping, critical, multiplier, bootstrap), (b0, b1, b2), k, weights, tuner)| {
            let baselines: [f64; 3] = [b0, b1, b2];
            RouteParams {
                base_resistance: base,
                decay_per_ms: decay_per_s / 1e3,
                scar_factor: scar,
                damping_factor: damping,
                critical_pressure: critical,
                break_multiplier: multiplier,
                bootstrap_ticks: bootstrap,
                baselines,
                gains: baselines.map(|b| if b > 0.0 { k / b } else { 0.0 }),
                weights,
                tuner,
                ..RouteParams::default()
            }
        },
    )
}

/// Any tuner whose floor is not above its ceiling.
pub fn tuners() -> impl Strategy<Value = TunerParams> {
    (1.0..500.0, 0.1..10.0, 0.0..200.0, 0.0..1000.0, 0_u32..80, 0.1..0.99).prop_map(
        |(window, sensitivity, min_floor, above, warmup_ticks, recovery_multiplier)| TunerParams {
            alpha: 2.0 / (window + 1.0),
            sensitivity,
            min_floor,
            hard_ceiling: min_floor + above,
            warmup_ticks,
            recovery_multiplier,
        },
    )
}

/// A number as telemetry may hold it, noise included.
fn reading(largest: f64) -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0..largest,
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e300]),
        1 => prop::sample::select(vec![0.0, -0.0, f64::MIN_POSITIVE, 5e-324, 1e300, f64::MAX]),
    ]
}

/// Any sample, noise included.
pub fn samples() -> impl Strategy<Value = Sample> {
    (reading(3000.0), reading(1.5), reading(1.5)).prop_map(|(latency_ms, error_rate, saturation)| Sample {
        latency_ms,
        error_rate,
        saturation,
    })
}

/// ms from one tick to the next: mostly forwards, sometimes not at all, sometimes back.
pub fn steps_ms() -> impl Strategy<Value = f64> {
    prop_oneof![6 => 0.0..2000.0, 1 => Just(0.0), 1 => -5000.0..0.0, 1 => 1e5..1e9]
}

/// A run: what was sampled, and how long after the sample before.
pub fn runs() -> impl Strategy<Value = Vec<(Sample, f64)>> {
    prop::collection::vec((samples(), steps_ms()), 1..120)
}

/// Is this component of a sample noise?
pub fn is_noise(x: f64) -> bool {
    !(x.is_finite() && x >= 0.0)
}

/// A request for a permit in a process that is short of nothing.
pub fn ask(tier: Tier, level: Option<f64>) -> AcquireRequest {
    AcquireRequest { priority: Priority::Tier(tier, level), ..AcquireRequest::default() }
}
