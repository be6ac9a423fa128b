//! The knee as it was met: the least work in flight at which most was completed, under standing overload.
//!
//! M·b is a knee only as far as b is right, and it follows the limit that it makes: less in flight than keeps every server busy
//! completes less, which is a lower M, and so on, though nothing is late. That more was done at more in flight says so.
//! Work in flight and rate are compared by blocks of completions:
//!
//! ```text
//! n*, r*     the mean in flight of the block with least of it that completed as much as most did, r*. Only a block with so
//!            much less in flight takes its place that idle servers would show beyond chance
//! anew       a block far below r*, further than its work in flight explains, or far above it with more in flight
//! ρ          offers ÷ what r* completes: how far the last block was overloaded
//! c          completions a ms of the last calm blocks. Where no more is offered than that and yet a good deal less is completed, it is
//!            not the load that has changed
//! ```

use crate::{
    physics::math::{larger, smaller},
    units::Millis,
};

/// Completions of a block, at least, and for each in flight.
const BLOCK: f64 = 128.0;
const BLOCK_TURNS: f64 = 4.0;
/// Shares of r* below which a block has fallen short, from which it is as good, and from which it is better, and the standard deviations
/// beyond.
const FALLEN: f64 = 0.85;
const AS_GOOD: f64 = 0.97;
const BETTER: f64 = 1.05;
const DEVIATIONS: f64 = 2.0;
/// Shares of n* between which a block tells of r*, as far as its work in flight goes, and the weight with which r* follows.
const NEAR: (f64, f64) = (0.95, 1.1);
const GAIN: f64 = 0.25;
/// Calm blocks that c remembers.
const CALM_MEMORY: f64 = 8.0;
/// Offers from which a block tells the load; what may be offered at most, and completed at least, as shares of c; and the standard
/// deviations of c and of completions beyond.
const OFFERS: f64 = 32.0;
const SERVED: f64 = 1.1;
const SERVED_DEVIATIONS: f64 = 1.5;
const LESS: f64 = 0.8;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Knee {
    /// The time at which the block began, ms.
    since_ms: Millis,
    /// ∫n dt of the block, ms.
    load_ms: Millis,
    offers: f64,
    completions: f64,
    /// n*; 0 where none is known.
    pub at: f64,
    /// r*, completions a ms.
    pub rate: f64,
    /// ρ; 0 before the first block.
    pub overload: f64,
    /// c, and the calm blocks that it rests on.
    calm_rate: f64,
    calm_blocks: f64,
}

image! { Knee { since_ms, load_ms, offers, completions, at, rate, overload, calm_rate, calm_blocks } }

impl Knee {
    /// A block begins.
    pub fn new(now_ms: Millis) -> Self {
        Self { since_ms: now_ms, ..Self::default() }
    }

    /// `elapsed_ms` passed with `n` in flight.
    #[inline]
    pub fn pass(&mut self, n: f64, elapsed_ms: Millis) {
        self.load_ms += elapsed_ms * n;
    }

    /// A request asked.
    #[inline]
    pub fn offer(&mut self) {
        self.offers += 1.0;
    }

    /// Is no more offered than was served in calm, and a good deal less completed?
    pub fn serves_less(&self, dispersion: f64, now_ms: Millis) -> bool {
        let served = self.calm_rate * (now_ms - self.since_ms);
        let chance = SERVED_DEVIATIONS / (BLOCK * self.calm_blocks).sqrt();
        let spread = DEVIATIONS * (larger(dispersion, 1.0) * self.completions).sqrt();
        self.offers >= OFFERS && self.offers < (SERVED + chance) * served && self.completions + spread < LESS * served
    }

    /// The mean in flight of the block.
    pub fn mean(&self, now_ms: Millis) -> f64 {
        self.load_ms / (now_ms - self.since_ms)
    }

    /// One was completed. May the block be judged?
    #[inline]
    pub fn complete(&mut self) -> bool {
        self.completions += 1.0;
        self.completions >= BLOCK
    }

    /// Ends the block, if it is long enough. `standing`: under standing overload, of which alone it tells the knee; `over`: nothing is
    /// overloaded; `calm`: nor has there been much in flight.
    #[cold]
    #[inline(never)]
    pub fn judge(&mut self, standing: bool, over: bool, calm: bool, dispersion: f64, now_ms: Millis) {
        let Self { since_ms, load_ms, offers, completions, at, rate, .. } = *self;
        let time_ms = now_ms - since_ms;
        if time_ms <= 0.0 || standing && completions * time_ms < BLOCK_TURNS * load_ms {
            return;
        }
        (self.since_ms, self.load_ms, self.offers, self.completions) = (now_ms, 0.0, 0.0, 0.0);
        if !standing {
            if calm {
                self.calm_blocks = smaller(self.calm_blocks + 1.0, CALM_MEMORY);
                self.calm_rate += (completions / time_ms - self.calm_rate) / self.calm_blocks;
            }
            if over {
                self.at = 0.0;
            }
            return;
        }
        let (n, now) = (load_ms / time_ms, completions / time_ms);
        let error = (larger(dispersion, 1.0) / completions).sqrt();
        let beyond = DEVIATIONS * error;
        let has_fallen = now < (FALLEN - beyond) * rate * smaller(n / at, 1.0);
        let is_better = n > NEAR.1 * at && now > (BETTER + beyond) * rate;
        if at == 0.0 || has_fallen || is_better {
            (self.at, self.rate) = (n, now);
        } else if n < (AS_GOOD - beyond) * at && now >= (AS_GOOD - error) * rate {
            self.at = n;
            self.rate += GAIN * larger(now - rate, 0.0);
        } else if n > NEAR.0 * at && n < NEAR.1 * at {
            self.rate += GAIN * (now * larger(at / n, 1.0) - rate);
        }
        self.overload = offers / (time_ms * larger(self.rate, now));
    }
}
