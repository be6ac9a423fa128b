//! Calls to count the instructions of: `counts ROW N` makes N calls of one row, so that the difference of two runs is what N
//! calls take. `npm run bench:compare` counts them and compares with the record; unlike times, counts do not depend on what else
//! the machine does.

use std::hint::black_box;

use atrion::{
    engine::{
        AcquireRequest, FLEET_COLUMNS, Fleet, FleetClock, Handle, Limits, Name, Outcome, Priority, Row as RowResult,
        Rows, Slot,
    },
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

/// Routes of a batch, and of a fleet.
const MANY: usize = 64;
/// Ticks after which the tuner of a route is warm.
const WARM_TICKS: usize = 100;

/// `calls` ticks in batches.
fn batch(calls: usize, set: InstructionSet) {
    let (mut handle, slots) = handle_of(MANY);
    handle.set_instruction_set(set);
    let mut rows = Batch(slots.iter().enumerate().map(|(i, &slot)| (slot, sample(i), 0.0)).collect());
    for i in 0..WARM_TICKS + calls / MANY {
        handle.tick_batch(&mut rows, i as f64);
        black_box(rows.0.last());
    }
}

/// `calls` ticks in a fleet.
fn fleet(calls: usize, set: InstructionSet) {
    let params = RouteParams::default();
    let (mut cells, mut modes) = (vec![0.0; FLEET_COLUMNS * MANY], vec![0; MANY]);
    let mut fleet = Fleet::new(&mut cells, &mut modes).expect("as many cells as the routes take");
    fleet.clear(&params);
    let mut clock = FleetClock::default();
    let readings: Vec<f64> = (0..MANY).flat_map(|i| [50.0 + (i % 8) as f64, 0.01, 0.3]).collect();
    for i in 0..WARM_TICKS + calls / MANY {
        fleet.tick(&mut clock, black_box(&readings), &params, i as f64, set);
    }
}

/// A row makes so many calls.
type Row = Box<dyn Fn(usize)>;

/// Every row by its name: those of many routes on each instruction set of this processor.
fn rows() -> Vec<(String, Row)> {
    let mut rows: Vec<(String, Row)> = vec![
        ("tanh3_exp".into(), Box::new(tanh3_exp)),
        ("tick".into(), Box::new(tick)),
        ("decision".into(), Box::new(decision)),
        ("permit".into(), Box::new(permit)),
    ];
    for set in InstructionSet::all() {
        rows.push((format!("batch-{set}"), Box::new(move |calls| batch(calls, set))));
        rows.push((format!("fleet-{set}"), Box::new(move |calls| fleet(calls, set))));
    }
    rows
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [name, calls] = given.as_slice() else {
        for (name, _) in rows() {
            println!("{name}");
        }
        return;
    };
    let calls = calls.parse().expect("the second argument is a number of calls");
    let row = rows().into_iter().find(|(known, _)| known == name);
    let (_, row) = row.expect("the first argument is a row");
    row(calls);
}
