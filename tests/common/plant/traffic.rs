//! Traffic: when requests come, of which tier, and how much work they bring.

use super::{Plant, Random, Scenario};

/// A value that changes at given times.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// (from when on, ms; value), in order, the first at 0.
    steps: Vec<(f64, f64)>,
    /// They begin anew after so long, ms; infinite: never.
    period_ms: f64,
}

impl Steps {
    /// Always `value`.
    pub fn constant(value: f64) -> Self {
        Self::new(vec![(0.0, value)])
    }

    /// (From when on, ms; value), the first at 0.
    pub fn new(steps: Vec<(f64, f64)>) -> Self {
        Self { steps, period_ms: f64::INFINITY }
    }

    /// The same every `period_ms`.
    pub fn every(self, period_ms: f64) -> Self {
        Self { period_ms, ..self }
    }

    /// All values times `factor`.
    pub fn times(mut self, factor: f64) -> Self {
        for (_, value) in &mut self.steps {
            *value *= factor;
        }
        self
    }

    /// The value at `at_ms`, and when the next one begins.
    pub fn at(&self, at_ms: f64) -> (f64, f64) {
        let began_ms = if self.period_ms.is_finite() { (at_ms / self.period_ms).floor() * self.period_ms } else { 0.0 };
        let index = self.steps.iter().rposition(|&(from_ms, _)| from_ms + began_ms <= at_ms).unwrap_or(0);
        let next_ms = self.steps.get(index + 1).map_or(self.period_ms, |step| step.0);
        (self.steps[index].1, began_ms + next_ms)
    }
}

/// A source of requests.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// At random, so many a ms.
    Poisson(Steps),
    /// `size` at once.
    Batches {
        /// When the first come, ms.
        from_ms: f64,
        /// Between one batch and the next, ms.
        every_ms: f64,
        /// The number of clients.
        size: usize,
    },
    /// Users who ask, wait for the answer, think, and ask again.
    Users {
        /// The number of clients.
        count: usize,
        /// From an answer to the next request, ms.
        think_ms: f64,
        /// From a refusal to the next request, ms.
        retry_ms: f64,
    },
}

/// A request as it comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// When, ms.
    pub at_ms: f64,
    /// 0 (bulk) to 4 (critical).
    pub tier: u8,
    /// The place of its key in the band of its tier, [0, 1).
    pub level: f64,
    /// Service time at speed 1, ms.
    pub work_ms: f64,
    /// Will its answer be a failure?
    pub fails: bool,
}

impl Arrival {
    /// The next request of a stream of random numbers.
    pub fn draw(at_ms: f64, plant: &Plant, tiers: &[f64; 5], random: &mut Random) -> Self {
        let mut place = random.uniform() * tiers.iter().sum::<f64>();
        let mut tier = 0;
        while tier < 4 && place >= tiers[usize::from(tier)] {
            place -= tiers[usize::from(tier)];
            tier += 1;
        }
        let level = random.uniform();
        let fails = random.uniform() < plant.failing.at(at_ms).0;
        Self { at_ms, tier, level, work_ms: plant.service_ms * plant.shape.draw(random), fails }
    }
}

/// The requests of those sources of a scenario that do not wait for answers, in order of time.
pub fn open_arrivals(scenario: &Scenario) -> Vec<Arrival> {
    let Scenario { plant, tiers, .. } = scenario;
    let mut arrivals = Vec::new();
    for (index, source) in scenario.sources.iter().enumerate() {
        let mut random = Random::new(scenario.seed, 1 + index as u64);
        match source {
            Source::Poisson(per_ms) => {
                let mut at_ms = 0.0;
                loop {
                    at_ms = next_of(per_ms, at_ms, random.exponential(), scenario.until_ms);
                    if at_ms >= scenario.until_ms {
                        break;
                    }
                    arrivals.push(Arrival::draw(at_ms, plant, tiers, &mut random));
                }
            }
            &Source::Batches { from_ms, every_ms, size } => {
                let times = (0..).map(|k| from_ms + f64::from(k) * every_ms);
                for at_ms in times.take_while(|&at_ms| at_ms < scenario.until_ms) {
                    arrivals.extend((0..size).map(|_| Arrival::draw(at_ms, plant, tiers, &mut random)));
                }
            }
            Source::Users { .. } => {}
        }
    }
    arrivals.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    arrivals
}

/// When the integral of `per_ms` from `at_ms` on reaches `amount`, or `until_ms`.
fn next_of(per_ms: &Steps, mut at_ms: f64, mut amount: f64, until_ms: f64) -> f64 {
    while at_ms < until_ms {
        let (rate, next_ms) = per_ms.at(at_ms);
        // Rounding may place the end of a period before its begin.
        let next_ms = next_ms.max(at_ms.next_up()).min(until_ms);
        let here = rate * (next_ms - at_ms);
        if amount < here {
            return at_ms + amount / rate;
        }
        amount -= here;
        at_ms = next_ms;
    }
    until_ms
}
