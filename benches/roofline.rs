//! A roofline of the kernels over columns: what this machine's memory and arithmetic allow, by level of its caches, and how much of it each
//! kernel reaches. `roofline ROUNDS` prints lines of CSV; `npm run bench:roofline` runs it and shows a table.
//!
//! The operations of a kernel are counted, not estimated: it runs once on [`Counting`], an instruction set that counts. Every figure is the
//! best of many short runs in turn, since what else the machine does can only make one slower.
//!
//! One file, because a bench is one program, and half of it is the counting instruction set.

use std::{
    cell::Cell,
    hint::black_box,
    time::{Duration, Instant},
};

use atrion::{
    engine::{FLEET_COLUMNS, Fleet, FleetClock},
    physics::{
        columns::{Before, Law, load, magnitude_in, mask_of, settle_in, store, tick_in},
        math::{exp_in, tanh_in},
        params::RouteParams,
    },
    simd::{InstructionSet, Kernel, LANES, Lanes, Portable},
};

thread_local! {
    /// Additions, subtractions, multiplications, divisions and roots so far, of a lane each.
    static FLOPS: Cell<u64> = const { Cell::new(0) };
}

/// Plain numbers that count. Comparisons, selections and moves are no arithmetic.
#[derive(Clone, Copy)]
struct Counting(Portable);

impl Counting {
    fn counted(lanes: Portable) -> Self {
        FLOPS.with(|flops| flops.set(flops.get() + 1));
        Self(lanes)
    }
}

impl Lanes for Counting {
    const NAME: &'static str = "counting";

    fn splat(x: f64) -> Self {
        Self(Portable::splat(x))
    }
    fn from_array(x: [f64; 4]) -> Self {
        Self(Portable::from_array(x))
    }
    fn to_array(self) -> [f64; 4] {
        self.0.to_array()
    }
    fn add(self, o: Self) -> Self {
        Self::counted(self.0.add(o.0))
    }
    fn sub(self, o: Self) -> Self {
        Self::counted(self.0.sub(o.0))
    }
    fn mul(self, o: Self) -> Self {
        Self::counted(self.0.mul(o.0))
    }
    fn div(self, o: Self) -> Self {
        Self::counted(self.0.div(o.0))
    }
    fn sqrt(self) -> Self {
        Self::counted(self.0.sqrt())
    }
    fn exp2_biased(self) -> Self {
        Self(self.0.exp2_biased())
    }
    fn gt(self, o: Self) -> Self {
        Self(self.0.gt(o.0))
    }
    fn ge(self, o: Self) -> Self {
        Self(self.0.ge(o.0))
    }
    fn and(self, o: Self) -> Self {
        Self(self.0.and(o.0))
    }
    fn or(self, o: Self) -> Self {
        Self(self.0.or(o.0))
    }
    fn and_not(self, o: Self) -> Self {
        Self(self.0.and_not(o.0))
    }
    fn bits(self) -> u8 {
        self.0.bits()
    }
}

/// The operations of a route: a vector has one of each in every lane, and is counted once.
fn flops_of(work: impl FnOnce()) -> u64 {
    let before = FLOPS.with(Cell::get);
    work();
    FLOPS.with(Cell::get) - before
}

/// The law of the default parameters.
#[inline(always)]
fn law<L: Lanes>() -> Law<L> {
    let params = RouteParams::default();
    Law::new(&params, params.tuner.as_ref().expect("the default law has a tuner"))
}

/// Calls `step` with each place of a vector in `count` routes.
#[inline(always)]
fn each(count: usize, mut step: impl FnMut(usize)) {
    for at in (0..count / LANES * LANES).step_by(LANES) {
        step(at);
    }
}

/// Columns that a kernel reads and writes.
type Columns = [Vec<f64>];

/// STREAM's triad: a = b + q·c.
struct Triad<'a>(&'a mut Columns);
/// e^x of a column, as of a decay.
struct Exp<'a>(&'a mut Columns);
/// tanh x of a column, as of a pressure.
struct Tanh<'a>(&'a mut Columns);
/// ‖v‖ of three columns.
struct Magnitude<'a>(&'a mut Columns);
/// R of P, M and S.
struct Resistance<'a>(&'a mut Columns);

impl Kernel for Triad<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [a, b, c] = self.0 else { unreachable!("a triad has three columns") };
        each(a.len(), |at| store(a, at, load::<L>(b, at).add(L::splat(3.0).mul(load(c, at)))));
    }
}

impl Kernel for Exp<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [to, from] = self.0 else { unreachable!("it has two columns") };
        each(to.len(), |at| store(to, at, exp_in::<L>(load(from, at))));
    }
}

impl Kernel for Tanh<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [to, from] = self.0 else { unreachable!("it has two columns") };
        each(to.len(), |at| store(to, at, tanh_in::<L>(load(from, at))));
    }
}

impl Kernel for Magnitude<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [to, x, y, z] = self.0 else { unreachable!("it has four columns") };
        each(to.len(), |at| store(to, at, magnitude_in::<L>([load(x, at), load(y, at), load(z, at)])));
    }
}

impl Kernel for Resistance<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [to, x, y, z, momentum, scar] = self.0 else { unreachable!("it has six columns") };
        let law = law::<L>();
        each(to.len(), |at| {
            let pressure = [load(x, at), load(y, at), load(z, at)];
            store(to, at, law.resistance(pressure, load(momentum, at), load(scar, at)));
        });
    }
}

/// Chains of sums and of products that do not wait for each other: as many as keep every unit of a processor busy.
const CHAINS: usize = 6;
/// Steps of each chain in a run.
const STEPS: usize = 20_000;

/// The most that the processor adds and multiplies. No kernel fuses the two, so that all instruction sets give the same bits.
struct Peak;

impl Kernel for Peak {
    type Output = f64;
    #[inline(always)]
    fn run<L: Lanes>(self) -> f64 {
        let one = L::splat(black_box(1.0));
        let mut sums = [L::splat(black_box(0.5)); CHAINS];
        let mut products = [L::splat(black_box(0.5)); CHAINS];
        for _ in 0..STEPS {
            for i in 0..CHAINS {
                sums[i] = sums[i].add(one);
                products[i] = products[i].mul(one);
            }
        }
        let all = sums.iter().chain(&products).fold(L::splat(0.0), |all, &lanes| all.add(lanes));
        all.to_array().iter().sum()
    }
}

/// A fleet that has ticked until its tuners are warm.
struct Routes {
    cells: Vec<f64>,
    modes: Vec<u8>,
    readings: Vec<f64>,
    clock: FleetClock,
    params: RouteParams,
    now_ms: f64,
    set: InstructionSet,
}

impl Routes {
    fn new(count: usize, set: InstructionSet) -> Self {
        let params = RouteParams::default();
        let (mut cells, mut modes) = (vec![0.0; FLEET_COLUMNS * count], vec![0; count]);
        Fleet::new(&mut cells, &mut modes).expect("as many cells as the routes take").clear(&params);
        let readings = (0..count).flat_map(|i| [50.0 + (i % 8) as f64, 0.01, 0.3]).collect();
        let mut routes = Self { cells, modes, readings, clock: FleetClock::default(), params, now_ms: 0.0, set };
        for _ in 0..WARM_TICKS {
            routes.tick();
        }
        routes
    }

    fn tick(&mut self) {
        self.now_ms += 1.0;
        let mut fleet = Fleet::new(&mut self.cells, &mut self.modes).expect("as many cells as the routes take");
        fleet.tick(&mut self.clock, &self.readings, &self.params, self.now_ms, self.set);
    }

    fn sweep(&mut self) {
        self.now_ms += 1.0;
        let mut fleet = Fleet::new(&mut self.cells, &mut self.modes).expect("as many cells as the routes take");
        fleet.sweep(&mut self.clock, &self.params, self.now_ms, self.set);
    }
}

/// Ticks after which the tuner of a route is warm.
const WARM_TICKS: usize = 12;

/// One kernel: bytes that it loads and stores a route, bytes that a route takes in its columns, and its operations.
struct Row {
    name: &'static str,
    bytes: usize,
    footprint: usize,
    flops: u64,
    make: fn(usize, InstructionSet) -> Box<dyn FnMut()>,
}

impl Row {
    /// Routes, in whole vectors, whose columns take so many bytes.
    fn routes_in(&self, bytes: usize) -> usize {
        (bytes / self.footprint / LANES * LANES).max(LANES)
    }
}

/// So many columns of a number that no kernel makes denormal or infinite.
fn columns(count: usize, routes: usize) -> Vec<Vec<f64>> {
    (0..count).map(|i| (0..routes).map(|at| 0.25 + (at % 8 + i) as f64 / 16.0).collect()).collect()
}

/// A row of a kernel over so many columns, the first of which it writes.
macro_rules! over_columns {
    ($name:literal, $kernel:ident, $columns:literal) => {
        Row {
            name: $name,
            bytes: 8 * $columns,
            footprint: 8 * $columns,
            flops: flops_of(|| $kernel(&mut columns($columns, LANES)).run::<Counting>()),
            make: |routes, set| {
                let mut columns = columns($columns, routes);
                Box::new(move || set.run($kernel(black_box(&mut columns))))
            },
        }
    };
}

/// The operations of a tick; of a sweep.
fn counted_tick() -> u64 {
    let lanes = |x: f64| Counting::splat(x);
    let before = Before {
        pressure: [lanes(0.1); 3],
        scar: lanes(0.0),
        mean: lanes(20.0),
        variance: lanes(1.0),
        is_open: lanes(0.0),
        is_warm: lanes(mask_of(true)),
        delta_t_ms: lanes(1.0),
        decay: lanes(0.99),
        sample: [lanes(50.0), lanes(0.01), lanes(0.3)],
    };
    let law = law::<Counting>();
    flops_of(|| {
        black_box(tick_in(&law, &before).resistance.to_array());
    })
}

fn counted_sweep() -> u64 {
    let lanes = |x: f64| Counting::splat(x);
    let law = law::<Counting>();
    flops_of(|| {
        let scar = settle_in(lanes(5.0).mul(lanes(0.99)));
        black_box(law.resistance([lanes(0.1); 3], lanes(0.0), scar).to_array());
    })
}

fn rows() -> Vec<Row> {
    vec![
        over_columns!("triad", Triad, 3),
        over_columns!("magnitude", Magnitude, 4),
        over_columns!("resistance", Resistance, 6),
        over_columns!("exp", Exp, 2),
        over_columns!("tanh", Tanh, 2),
        Row {
            name: "sweep",
            // The mode, P, M and S in; S and R out.
            bytes: 1 + 5 * 8 + 2 * 8,
            footprint: 1 + 6 * 8,
            flops: counted_sweep(),
            make: |routes, set| {
                let mut routes = Routes::new(routes, set);
                Box::new(move || routes.sweep())
            },
        },
        Row {
            name: "tick",
            // The reading, the mode, P, S, μ and σ² in; P, M, S, R, μ and σ² out.
            bytes: 3 * 8 + 1 + 6 * 8 + 8 * 8,
            footprint: 3 * 8 + 1 + 8 * 8,
            flops: counted_tick(),
            make: |routes, set| {
                let mut routes = Routes::new(routes, set);
                Box::new(move || routes.tick())
            },
        },
    ]
}

/// The size of a cache of the first processor, bytes, as Linux says it.
fn cache_bytes(level: usize) -> Option<usize> {
    (0..8).find_map(|index| {
        let read = |name: &str| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{name}");
            std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
        };
        let is_it = read("level")?.parse() == Ok(level) && read("type")? != "Instruction";
        let size = read("size")?;
        is_it.then(|| size.trim_end_matches('K').parse::<usize>().ok()).flatten().map(|kibibytes| kibibytes << 10)
    })
}

/// Levels by name, and the bytes of a working set that is of each: half a cache, since other things are in it; four times the last.
fn levels() -> [(&'static str, usize); 4] {
    let sizes =
        [(1, 32 << 10), (2, 512 << 10), (3, 16 << 20)].map(|(level, usual)| cache_bytes(level).unwrap_or(usual));
    // A virtual machine may be told of more of a shared cache than it gets.
    [("L1", sizes[0] / 2), ("L2", sizes[1] / 2), ("L3", (sizes[2] / 4).max(2 * sizes[1])), ("DRAM", 4 * sizes[2])]
}

/// A run is at least this long: the clock is read twice in it.
const LEAST_RUN: Duration = Duration::from_micros(300);

/// Runs of a row before the next one's turn.
const RUNS_A_PASS: usize = 5;

/// The time of a call, s, of `calls` in a row.
fn time(calls: usize, work: &mut dyn FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..calls {
        work();
    }
    started.elapsed().as_secs_f64() / calls as f64
}

fn calls_for(work: &mut dyn FnMut()) -> usize {
    let mut calls = 1;
    while time(calls, work) * (calls as f64) < LEAST_RUN.as_secs_f64() {
        calls *= 2;
    }
    calls
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rounds: usize = given.first().map_or(20, |text| text.parse().expect("the argument is a number of rounds"));
    let set = InstructionSet::best();

    let (rows, levels) = (rows(), levels());
    let mut peak = 0.0_f64;
    let mut least = vec![f64::INFINITY; levels.len() * rows.len()];
    // Every row in every pass: a quiet moment of a busy machine is one for all.
    for _ in 0..rounds.div_ceil(RUNS_A_PASS) {
        for _ in 0..RUNS_A_PASS {
            let seconds = time(1, &mut || {
                black_box(set.run(Peak));
            });
            peak = peak.max((2 * CHAINS * STEPS * LANES) as f64 / seconds);
        }
        for (l, &(_, working_set)) in levels.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                let mut work = (row.make)(row.routes_in(working_set), set);
                let calls = calls_for(&mut work);
                for _ in 0..RUNS_A_PASS {
                    let least = &mut least[l * rows.len() + r];
                    *least = least.min(time(calls, &mut work));
                }
            }
        }
    }
    println!("set,{set}");
    println!("peak,{:.4}", peak / 1e9);
    println!("level,working_set_bytes,kernel,bytes,flops,routes,mega_routes_per_s");
    for (l, (level, working_set)) in levels.into_iter().enumerate() {
        for (r, row) in rows.iter().enumerate() {
            let Row { name, bytes, flops, .. } = row;
            let routes = row.routes_in(working_set);
            let mega_routes_per_s = routes as f64 / least[l * rows.len() + r] / 1e6;
            println!("{level},{working_set},{name},{bytes},{flops},{routes},{mega_routes_per_s:.2}");
        }
    }
}
