//! The costs of the laws, a tick, a decision and a batch: `cargo bench --bench tick`, with a part of a row's name for those rows alone.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

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

/// The least duration of a sample: the clock's own cost is lost in it.
const SAMPLE: Duration = Duration::from_millis(5);
const SAMPLES: usize = 101;

/// Times calls, and prints a row of each.
struct Table {
    /// A part of the names of the rows that are wanted; none: all are.
    wanted: Option<String>,
}

impl Table {
    /// The time of a call, ns, as the median and the quickest of the samples.
    fn row<T>(&self, name: &str, call: impl FnMut() -> T) {
        self.row_of(name, 1, call);
    }

    /// The same of each of so many that a call does at once.
    fn row_of<T>(&self, name: &str, at_once: usize, mut call: impl FnMut() -> T) {
        if self.wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            return;
        }
        let mut sample = |calls: u32| {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            start.elapsed()
        };
        let mut calls = 1;
        while sample(calls) < SAMPLE {
            calls *= 2;
        }
        let done = f64::from(calls) * at_once as f64;
        let mut times_ns: Vec<f64> = (0..SAMPLES).map(|_| sample(calls).as_secs_f64() * 1e9 / done).collect();
        times_ns.sort_by(f64::total_cmp);
        println!("{name:<32} {:>9.2} ns, at the quickest {:>9.2} ns", times_ns[SAMPLES / 2], times_ns[0]);
    }
}

fn sample(i: usize) -> Sample {
    Sample { latency_ms: 50.0 + (i % 8) as f64, error_rate: 0.01, saturation: 0.3 }
}

fn params(table: &Table) {
    let params = RouteParams::default();
    let (calm, stressed) = ([-0.5, 0.0, -0.2], [0.8, 0.6, 0.3]);
    table.row("law/tanh3_exp", || math::tanh3_exp(black_box([0.3, -0.9, 1.7]), black_box(-0.02)));
    table.row("law/ln", || math::ln(black_box(3.7)));
    table.row("law/pressure", || pressure::read(black_box(&sample(3)), black_box(calm), &params, black_box(-0.001)));
    table.row("law/momentum", || momentum(black_box(stressed), black_box(calm), black_box(3.0)));
    table.row("law/scar", || scar::scar(black_box(7.0), black_box(0.99), black_box(stressed), &params));
    table.row("law/resistance", || resistance(black_box(stressed), black_box(0.01), black_box(7.0), &params));
    let moments = Moments { mean: 12.0, variance: 4.0 };
    let tuner = params.tuner.as_ref().expect("the default law has a tuner");
    table.row("law/tuner", || {
        let seen = tuner::observe(black_box(moments), black_box(80), black_box(40.0), tuner);
        tuner::breaks(&params, seen, 81, 40.0)
    });
    table.row("law/recover", || {
        mode::recover(black_box(20.0), black_box(6.0), black_box(calm), black_box(100.0), &params)
    });
    let mut state = RouteState::new(0, &params, 0.0);
    state.mode = Mode::CircuitBreaker;
    state.scar = 80.0;
    table.row("law/retry", || retry_after_ms(black_box(&state), state.scar, black_box(100.0), &params));
    let thresholds = Thresholds { start: 60.0, full: 100.0, top: 150.0 };
    table.row("law/occupancy", || thresholds.resistance(black_box(80.0)));
    let mut fault = Breaker::default();
    table.row("law/fault", || fault.observe(black_box(true), 0.0));
    let mut histogram = Histogram::default();
    table.row("law/histogram", || histogram.record(black_box(12.5)));
}

fn tick(table: &Table) {
    let params = RouteParams::default();
    let mut state = RouteState::new(0, &params, 0.0);
    let mut now_ms = 0.0;
    table.row("tick", || {
        now_ms += 1.0;
        state.tick(&params, black_box(&sample(now_ms as usize)), now_ms)
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

fn decision(table: &Table) {
    let seats = [("alone", alone as fn() -> Handle), ("shared", shared)];
    for (engine_ref, make) in seats {
        for routes in [1_usize, 16, MOST_ROUTES as usize] {
            let (mut handle, slots) = handle_of(make(), routes);
            let mut i = 0;
            table.row(&format!("decision/{engine_ref}, {routes} routes"), || {
                i += 1;
                let slot = slots[i * 7919 % routes];
                handle.route(slot, black_box(&sample(i)), 100.0, None, i as f64, |decision, state, _| {
                    black_box((decision.allow, state.resistance));
                });
            });
        }
    }
}

fn batch(table: &Table) {
    for routes in [1_usize, 64, 4096] {
        let (mut handle, slots) = handle_of(alone(), routes);
        let mut now_ms = 0.0;
        table.row_of(&format!("batch/{routes} routes, each"), routes, || {
            now_ms += 1.0;
            for (i, &slot) in slots.iter().enumerate() {
                black_box(handle.tick(slot, black_box(&sample(i)), now_ms));
            }
        });
    }
}

fn permit(table: &Table) {
    let (mut handle, slots) = handle_of(alone(), 1);
    let mut now_ms = 0.0;
    table.row("permit/acquire and release", || {
        now_ms += 0.01;
        let push = Priority::Tier(Tier::Normal, Some(0.5));
        let ask = AcquireRequest { priority: push, ..AcquireRequest::default() };
        let mut permit = None;
        handle.acquire(slots[0], ask, 0.0, now_ms, |answer, _, _| permit = answer.permit);
        handle.release(permit.expect("an idle route admits"), Outcome::Success, now_ms, |_, tick, _, _| {
            black_box(tick);
        });
    });
}

fn main() {
    // cargo passes options of its own.
    let table = Table { wanted: std::env::args().skip(1).find(|arg| !arg.starts_with('-')) };
    params(&table);
    tick(&table);
    decision(&table);
    batch(&table);
    permit(&table);
}
