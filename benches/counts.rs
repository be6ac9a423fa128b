//! Calls to count the instructions of: `counts ROW N` makes N calls of one row, so that the difference of two runs is what N
//! calls take. `npm run bench:compare` counts them and compares with the record; unlike times, counts do not depend on what else
//! the machine does.

use std::hint::black_box;

use atrion::{
    engine::{AcquireRequest, Handle, Limits, Name, Outcome, Priority, Row as RowResult, Rows, Slot},
    physics::{math, params::RouteParams, pressure::Sample, tick::RouteState, voltage::Tier},
    simd::InstructionSet,
};

/// Routes that a row with several of them goes round.
const ROUTES: usize = 16;

fn sample(i: usize) -> Sample {
    Sample { latency_ms: 50.0 + (i % 8) as f64, error_rate: 0.01, saturation: 0.3 }
}

fn handle_of(routes: usize) -> (Handle, Vec<Slot>) {
    let mut handle = Handle::alone(Limits::of_routes(65_536));
    let slots = (0..routes).map(|i| handle.intern(Name::from(format!("r{i}").as_str()), 0.0)).collect();
    (handle, slots)
}

fn tanh3_exp(calls: usize) {
    for _ in 0..calls {
        black_box(math::tanh3_exp(black_box([0.3, -0.9, 1.7]), black_box(-0.02)));
    }
}

fn tick(calls: usize) {
    let params = RouteParams::default();
    let mut state = RouteState::new(0, &params, 0.0);
    for i in 0..calls {
        black_box(state.tick(&params, black_box(&sample(i)), i as f64));
    }
}

fn decision(calls: usize) {
    let (mut handle, slots) = handle_of(ROUTES);
    for i in 0..calls {
        handle.route(slots[i % ROUTES], black_box(&sample(i)), 100.0, None, i as f64, |decision, state, _| {
            black_box((decision.allow, state.resistance));
        });
    }
}

fn permit(calls: usize) {
    let (mut handle, slots) = handle_of(1);
    let mut now_ms = 0.0;
    for _ in 0..calls {
        now_ms += 0.01;
        let request = AcquireRequest { priority: Priority::Tier(Tier::Normal, None), ..AcquireRequest::default() };
        let mut permit = None;
        handle.acquire(slots[0], request, 0.0, now_ms, |answer, _, _| permit = answer.permit);
        let permit = permit.expect("an idle route admits");
        handle.release(permit, Outcome::Success, now_ms + 0.005, |_, tick, _, _| {
            black_box(tick);
        });
    }
}

/// Rows of a batch in memory: their results are left where they are read.
struct Batch(Vec<(Slot, Sample, f64)>);

impl Rows for Batch {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn read(&self, row: usize) -> (Slot, Sample) {
        (self.0[row].0, self.0[row].1)
    }
    fn write(&mut self, row: usize, result: Option<RowResult>) {
        self.0[row].2 = result.map_or(f64::NAN, |done| done.resistance);
    }
}

/// `calls` ticks in batches of 64 routes.
fn batch(calls: usize, set: &str) {
    const ROUTES: usize = 64;
    let (mut handle, slots) = handle_of(ROUTES);
    let Some(set) = InstructionSet::named(set) else { return };
    handle.set_instruction_set(set);
    let mut rows = Batch(slots.iter().enumerate().map(|(i, &slot)| (slot, sample(i), 0.0)).collect());
    for i in 0..calls / ROUTES {
        handle.tick_batch(&mut rows, i as f64);
        black_box(rows.0.last());
    }
}

/// Makes so many calls.
type Row = fn(usize);

/// Every row by its name.
const ROWS: [(&str, Row); 7] = [
    ("tanh3_exp", tanh3_exp),
    ("tick", tick),
    ("decision", decision),
    ("batch-portable", |calls| batch(calls, "portable")),
    ("batch-native", |calls| batch(calls, InstructionSet::NATIVE.name())),
    ("batch-best", |calls| batch(calls, InstructionSet::best().name())),
    ("permit", permit),
];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [name, calls] = given.as_slice() else {
        for (name, _) in ROWS {
            println!("{name}");
        }
        return;
    };
    let calls = calls.parse().expect("the second argument is a number of calls");
    let (_, row) = ROWS.iter().find(|(known, _)| known == name).expect("the first argument is a row");
    row(calls);
}
