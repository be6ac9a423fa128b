//! The costs of the laws, a tick, a decision and a batch.

use std::hint::black_box;

use atrion::{
    engine::{AcquireRequest, Engine, Handle, Limits, Name, Outcome, Priority, Slot},
    physics::{
        breaker::Breaker,
        histogram::Histogram,
        math,
        mode::{self, Mode},
        momentum::momentum,
        params::RouteParams,
        pressure::{self, Sample},
        resistance::resistance,
        retry::retry_after_ms,
        scar,
        tick::RouteState,
        tuner::{self, Moments},
        voltage::{Thresholds, Tier},
    },
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn sample(i: usize) -> Sample {
    Sample { latency_ms: 50.0 + (i % 8) as f64, error_rate: 0.01, saturation: 0.3 }
}

fn params(c: &mut Criterion) {
    let params = RouteParams::default();
    let (calm, stressed) = ([-0.5, 0.0, -0.2], [0.8, 0.6, 0.3]);
    c.bench_function("law/tanh3_exp", |b| b.iter(|| math::tanh3_exp(black_box([0.3, -0.9, 1.7]), black_box(-0.02))));
    c.bench_function("law/ln", |b| b.iter(|| math::ln(black_box(3.7))));
    c.bench_function("law/pressure", |b| {
        b.iter(|| pressure::read(black_box(&sample(3)), black_box(calm), &params, black_box(-0.001)));
    });
    c.bench_function("law/momentum", |b| b.iter(|| momentum(black_box(stressed), black_box(calm), black_box(3.0))));
    c.bench_function("law/scar", |b| {
        b.iter(|| scar::scar(black_box(7.0), black_box(0.99), black_box(stressed), &params));
    });
    c.bench_function("law/resistance", |b| {
        b.iter(|| resistance(black_box(stressed), black_box(0.01), black_box(7.0), &params));
    });
    c.bench_function("law/tuner", |b| {
        let moments = Moments { mean: 12.0, variance: 4.0 };
        let tuner = params.tuner.as_ref().expect("the default law has a tuner");
        b.iter(|| {
            let seen = tuner::observe(black_box(moments), black_box(80), black_box(40.0), tuner);
            tuner::breaks(&params, seen, 81, 40.0)
        });
    });
    c.bench_function("law/recover", |b| {
        b.iter(|| mode::recover(black_box(20.0), black_box(6.0), black_box(calm), black_box(100.0), &params));
    });
    c.bench_function("law/retry", |b| {
        let mut state = RouteState::new(0, &params, 0.0);
        state.mode = Mode::CircuitBreaker;
        state.scar = 80.0;
        b.iter(|| retry_after_ms(black_box(&state), state.scar, black_box(100.0), &params));
    });
    let thresholds = Thresholds { start: 60.0, full: 100.0, top: 150.0 };
    c.bench_function("law/occupancy", |b| b.iter(|| thresholds.resistance(black_box(80.0))));
    c.bench_function("law/fault", |b| {
        let mut fault = Breaker::default();
        b.iter(|| fault.observe(black_box(true), 0.0));
    });
    c.bench_function("law/histogram", |b| {
        let mut histogram = Histogram::default();
        b.iter(|| histogram.record(black_box(12.5)));
    });
}

fn tick(c: &mut Criterion) {
    let params = RouteParams::default();
    let mut state = RouteState::new(0, &params, 0.0);
    let mut now_ms = 0.0;
    c.bench_function("tick", |b| {
        b.iter(|| {
            now_ms += 1.0;
            state.tick(&params, black_box(&sample(now_ms as usize)), now_ms)
        });
    });
}

/// A handle and so many routes in it.
fn handle_of(mut handle: Handle, routes: usize) -> (Handle, Vec<Slot>) {
    let slots = (0..routes).map(|i| handle.intern(Name::from(format!("r{i}").as_str()), 0.0)).collect();
    (handle, slots)
}

const MOST_ROUTES: u32 = 65_536;

fn alone() -> Handle {
    Handle::alone(Limits::of_routes(MOST_ROUTES))
}

fn shared() -> Handle {
    Handle::new(Engine::new(Limits::of_routes(MOST_ROUTES)))
}

fn decision(c: &mut Criterion) {
    let seats = [("alone", alone as fn() -> Handle), ("shared", shared)];
    for (engine_ref, make) in seats {
        for routes in [1_usize, 16, MOST_ROUTES as usize] {
            let (mut handle, slots) = handle_of(make(), routes);
            let mut i = 0;
            c.bench_function(&format!("decision/{engine_ref}, {routes} routes"), |b| {
                b.iter(|| {
                    i += 1;
                    let slot = slots[i * 7919 % routes];
                    handle.route(slot, black_box(&sample(i)), 100.0, None, i as f64, |decision, state, _| {
                        black_box((decision.allow, state.resistance));
                    })
                });
            });
        }
    }
}

fn batch(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch");
    for routes in [1_usize, 64, 4096] {
        let (mut handle, slots) = handle_of(alone(), routes);
        let mut now_ms = 0.0;
        group.throughput(Throughput::Elements(routes as u64));
        group.bench_function(format!("{routes} routes"), |b| {
            b.iter(|| {
                now_ms += 1.0;
                for (i, &slot) in slots.iter().enumerate() {
                    black_box(handle.tick(slot, black_box(&sample(i)), now_ms));
                }
            });
        });
    }
    group.finish();
}

fn permit(c: &mut Criterion) {
    let (mut handle, slots) = handle_of(alone(), 1);
    let mut now_ms = 0.0;
    c.bench_function("permit/acquire and release", |b| {
        b.iter(|| {
            now_ms += 0.01;
            let push = Priority::Tier(Tier::Normal, Some(0.5));
            let ask = AcquireRequest { priority: push, ..AcquireRequest::default() };
            let mut permit = None;
            handle.acquire(slots[0], ask, 0.0, now_ms, |answer, _, _| permit = answer.permit);
            handle.release(permit.expect("an idle route admits"), Outcome::Success, now_ms, |_, tick, _, _| {
                black_box(tick);
            });
        });
    });
}

criterion_group!(benches, params, tick, decision, batch, permit);
criterion_main!(benches);
