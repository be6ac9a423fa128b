//! What the laws, a tick and a decision cost.

use std::hint::black_box;

use atrion::{
    engine::{Engine, Handle, Limits, Name},
    physics::{law::Law, math, pressure::Sample, tick::RouteState},
};
use criterion::{Criterion, criterion_group, criterion_main};

fn laws(c: &mut Criterion) {
    c.bench_function("law/tanh3_exp", |b| b.iter(|| math::tanh3_exp(black_box([0.3, -0.9, 1.7]), black_box(-0.02))));
    c.bench_function("law/ln", |b| b.iter(|| math::ln(black_box(3.7))));
}

fn tick(c: &mut Criterion) {
    let law = Law::default();
    let mut state = RouteState::new(0, &law, 0.0);
    let mut now_ms = 0.0;
    c.bench_function("tick", |b| {
        b.iter(|| {
            now_ms += 1.0;
            let sample = Sample { latency_ms: 50.0 + now_ms % 8.0, error_rate: 0.01, saturation: 0.3 };
            state.tick(&law, black_box(&sample), now_ms)
        });
    });
}

fn decision(c: &mut Criterion) {
    for routes in [1_usize, 16, 65_536] {
        let mut handle = Handle::new(Engine::new(Limits::of_routes(65_536)));
        let slots: Vec<_> = (0..routes).map(|i| handle.intern(Name::from(format!("r{i}").as_str()), 0.0)).collect();
        let mut i = 0;
        c.bench_function(&format!("decision/{routes} routes"), |b| {
            b.iter(|| {
                i += 1;
                let sample = Sample { latency_ms: 50.0 + (i % 8) as f64, error_rate: 0.01, saturation: 0.3 };
                handle.route(slots[i * 7919 % routes], black_box(&sample), 100.0, None, i as f64, |decision, state| {
                    black_box((decision.allow, state.resistance));
                })
            });
        });
    }
}

criterion_group!(benches, laws, tick, decision);
criterion_main!(benches);
