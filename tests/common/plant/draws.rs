//! Random plants and traffic, and the judgement of many of them.

use std::fmt::Write;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{Plant, SHAPES, Scenario, Servers, Shape, Source, Steps};

/// Shares of the tiers of ordinary traffic, lowest first.
pub const TIERS: [f64; 5] = [0.1, 0.2, 0.4, 0.2, 0.1];

/// A number between `low` and `high`, each magnitude as likely as another.
pub fn magnitudes(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low.ln()..=high.ln()).prop_map(f64::exp)
}

/// So many, each magnitude as likely as another.
pub fn counts(low: usize, high: usize) -> impl Strategy<Value = usize> {
    magnitudes(low as f64, high as f64).prop_map(|count| count.round() as usize)
}

/// Any distribution of services.
pub fn shapes() -> impl Strategy<Value = Shape> {
    prop::sample::select(SHAPES.to_vec())
}

/// Mean service times, ms: from 50 µs to a minute.
pub fn services_ms() -> impl Strategy<Value = f64> {
    magnitudes(0.05, 60_000.0)
}

/// The arrivals of requests, without units.
#[derive(Debug, Clone, Copy)]
pub enum Pattern {
    /// At random.
    Poisson,
    /// All at once, again and again; how large a batch is, as a share of what the deadline drains.
    Batches(f64),
    /// At random for a while at `peak` times the mean, then not at all; a period lasts so many deadlines.
    OnOff { peak: f64, period: f64 },
    /// At random, and a batch of such a share of what the deadline drains every 20 deadlines.
    Cron(f64),
    /// Nothing for a long time, then such a share of what the deadline drains at once, then at random.
    Herd(f64),
    /// Users who ask again at once; how many, as a share of what the deadline drains.
    Eager(f64),
    /// Users who think for so many service times.
    Users(f64),
}

/// Any pattern.
pub fn patterns() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        3 => Just(Pattern::Poisson),
        2 => (0.02..0.9).prop_map(Pattern::Batches),
        2 => (1.2..8.0, 1.0..50.0).prop_map(|(peak, period)| Pattern::OnOff { peak, period }),
        1 => (0.02..0.8).prop_map(Pattern::Cron),
        1 => (0.02..0.9).prop_map(Pattern::Herd),
        1 => (0.02..0.9).prop_map(Pattern::Eager),
        1 => magnitudes(0.1, 50.0).prop_map(Pattern::Users),
    ]
}

/// Most requests that come at once, and most users.
const LARGEST_BATCH: f64 = 3000.0;

impl Pattern {
    /// Traffic of `load` (1: what the plant can do) with about `requests` requests in all; of a free dependency, `load` is
    /// the mean number in flight.
    pub fn scenario(self, plant: Plant, load: f64, requests: f64, seed: u64) -> Scenario {
        let per_ms = load * plant.capacity_per_ms();
        // A free dependency drains whatever it is given: a batch is at most ten times what is in flight on average.
        let drained = match plant.servers {
            Servers::Free => 10.0 * load.max(1.0),
            _ => plant.capacity_per_ms() * plant.deadline_ms,
        };
        let batch = |share: f64| (share * drained).clamp(1.0, LARGEST_BATCH).floor();
        let poisson = |per_ms: f64| Source::Poisson(Steps::constant(per_ms));
        let mut until_ms = requests / per_ms;
        let sources = match self {
            Self::Poisson => vec![poisson(per_ms)],
            Self::Batches(share) => {
                let size = batch(share);
                until_ms = until_ms.max(4.0 * size / per_ms);
                vec![Source::Batches { from_ms: 0.0, every_ms: size / per_ms, size: size as usize }]
            }
            Self::OnOff { peak, period } => {
                let period_ms = period * plant.deadline_ms;
                let steps = Steps::new(vec![(0.0, peak * per_ms), (period_ms / peak, 0.0)]).every(period_ms);
                vec![Source::Poisson(steps)]
            }
            Self::Cron(share) => {
                let every_ms = 20.0 * plant.deadline_ms;
                vec![
                    poisson(per_ms),
                    Source::Batches { from_ms: 0.3 * every_ms, every_ms, size: batch(share) as usize },
                ]
            }
            Self::Herd(share) => {
                let quiet_ms = 1000.0 * plant.service_ms;
                let size = batch(share) as usize;
                until_ms += quiet_ms;
                vec![
                    Source::Poisson(Steps::new(vec![(0.0, 0.0), (quiet_ms, per_ms)])),
                    Source::Batches { from_ms: quiet_ms, every_ms: f64::INFINITY, size },
                ]
            }
            Self::Eager(share) => {
                let count = batch(share);
                let most_per_ms = count / plant.service_ms;
                until_ms = match plant.servers {
                    Servers::Free => requests.max(3.0 * count) / most_per_ms,
                    _ => requests.max(3.0 * count) / most_per_ms.min(plant.capacity_per_ms()),
                };
                vec![Source::Users { count: count as usize, think_ms: 0.0, retry_ms: 0.5 * plant.deadline_ms }]
            }
            Self::Users(thinks) => {
                let think_ms = thinks * plant.service_ms;
                let count = (per_ms * (think_ms + plant.service_ms)).clamp(1.0, LARGEST_BATCH).floor();
                vec![Source::Users { count: count as usize, think_ms, retry_ms: think_ms + 0.5 * plant.deadline_ms }]
            }
        };
        Scenario { plant, sources, tiers: TIERS, until_ms, seed }
    }
}

/// A scenario and the parameters that it was made of.
#[derive(Debug)]
pub struct Case {
    /// Its parameters.
    pub name: String,
    /// The scenario.
    pub scenario: Scenario,
    /// Do its requests come one by one?
    pub is_steady: bool,
}

impl Case {
    /// See [`Pattern::scenario`].
    pub fn new(plant: Plant, load: f64, pattern: Pattern, requests: f64, seed: u32) -> Self {
        let name = format!("{} load {load:.3} {pattern:?} seed {seed}", plant.name());
        let is_steady = matches!(pattern, Pattern::Poisson | Pattern::Users(_));
        Self { name, scenario: pattern.scenario(plant, load, requests, u64::from(seed)), is_steady }
    }
}

/// `count` values of a strategy, always the same for a seed. `SIMULATION_SEED=n` in the environment draws others.
pub fn drawn<S: Strategy>(strategy: &S, count: usize, seed: u64) -> Vec<S::Value> {
    let offset: u64 = std::env::var("SIMULATION_SEED").map_or(0, |text| text.parse().expect("a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// The results of many cases: a figure of each, with its name; the larger the worse.
#[derive(Debug, Default)]
pub struct Findings(Vec<(f64, String)>);

impl Findings {
    /// Adds a case.
    pub fn add(&mut self, figure: f64, name: String) {
        self.0.push((figure, name));
    }

    /// Returns the violation, unless there are at least `bounds.least` cases and they are within the others. Prints the worst
    /// either way.
    #[must_use]
    pub fn beyond(mut self, what: &str, bounds: Bounds) -> Option<String> {
        self.0.sort_by(|a, b| b.0.total_cmp(&a.0));
        let count = self.0.len();
        let average = self.0.iter().map(|case| case.0).sum::<f64>() / count.max(1) as f64;
        let above = self.0.iter().filter(|case| case.0 > bounds.figure).count();
        let Bounds { least, figure, exceptions, mean } = bounds;
        let mut summary = format!(
            "{what}: {above} of {count} cases (at least {least}) above {figure}, at most {exceptions}; \
             mean {average:.5}, at most {mean}\n"
        );
        for (figure, name) in self.0.iter().take(above.clamp(3, 20)) {
            writeln!(summary, "    {figure:.5} {name}").expect("a string takes it");
        }
        println!("{summary}");
        (count < least || above > exceptions || average > mean).then_some(summary)
    }
}

/// The bounds on many cases.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many there are at least.
    pub least: usize,
    /// The figure that a case should not exceed …
    pub figure: f64,
    /// … and how many do at most.
    pub exceptions: usize,
    /// The mean figure, at most.
    pub mean: f64,
}

impl Bounds {
    /// Of at least `least` cases none exceeds `figure`.
    pub fn all(least: usize, figure: f64) -> Self {
        Self { least, figure, exceptions: 0, mean: figure }
    }
}

/// Holds if nothing is beyond its bounds.
pub fn assert_within<const N: usize>(judgements: [Option<String>; N]) {
    let beyond: Vec<_> = judgements.into_iter().flatten().collect();
    assert!(beyond.is_empty(), "\n{}", beyond.concat());
}
