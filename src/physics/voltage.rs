//! Voltage: how hard a request pushes, and how much resistance a full house puts up.
//!
//! ```text
//! V = low + (high − low)·level         level in [0, 1): the key's place inside its tier's band
//! x = (u − u₀)/(1 − u₀)                u: occupancy, 1 is a full house; u₀: where it starts to matter
//! R_occupancy = R_free·(u/u₀)⁴         below u₀: felt, sheds nobody
//!             = R_free + R_span·x      above: the bands stop one after the other, lowest first
//! ```
//!
//! This is trunk reservation, the optimum for prioritised loss systems (Miller, "A queueing reward system with several
//! customer classes", 1969), with the steps between classes smoothed into ramps: a band sheds gradually as occupancy
//! rises through it, none starves before the one below it is shed, and the top band reaches past the full house.

use crate::units::{Ohms, Volts};

/// Priority classes, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tier {
    /// Work that may wait for the night.
    Bulk = 0,
    /// Nice to have.
    Low = 1,
    /// What is not said otherwise.
    Normal = 2,
    /// Users are waiting.
    High = 3,
    /// Must not fail.
    Critical = 4,
}

/// How many tiers there are.
pub const TIERS: usize = 5;

/// Occupancy's resistance where it starts to shed, Ω: above what pressure and momentum alone can add up to, so that an
/// idle route with a bad mood sheds nobody.
pub const R_FREE: Ohms = 20.0;
/// Ω from there to the full house.
pub const R_SPAN: Ohms = 170.0;

/// Bands of the tiers on the ramp, in x: 0 is where shedding starts, 1 the full house. Normal is the widest, because
/// most requests are; critical starts to be shed only past the full house.
const BANDS: [(f64, f64); TIERS] = [(0.0, 0.14), (0.14, 0.28), (0.28, 0.6), (0.6, 0.78), (1.25, 1.6)];

impl Tier {
    /// The tier of that number, 0 (bulk) to 4 (critical).
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        [Self::Bulk, Self::Low, Self::Normal, Self::High, Self::Critical].get(usize::from(index)).copied()
    }

    /// The tier whose band a voltage lies in, or the highest below it.
    #[must_use]
    pub fn of_voltage(voltage: Volts, base_resistance: Ohms) -> Self {
        let x = (voltage - base_resistance - R_FREE) / R_SPAN;
        let index = BANDS.iter().rposition(|&(low, _)| x >= low).unwrap_or(0);
        [Self::Bulk, Self::Low, Self::Normal, Self::High, Self::Critical][index]
    }

    /// V of a request of this tier at `level`, [0, 1), of its band.
    #[must_use]
    pub fn voltage(self, level: f64, base_resistance: Ohms) -> Volts {
        let (low, high) = BANDS[self as usize];
        base_resistance + R_FREE + R_SPAN * (low + (high - low) * level)
    }
}

/// What occupancy `u` adds to R, Ω.
#[inline]
#[must_use]
pub fn occupancy_resistance(u: f64, u0: f64) -> Ohms {
    if u < u0 {
        let share = u / u0;
        R_FREE * (share * share) * (share * share)
    } else {
        R_FREE + R_SPAN * ((u - u0) / (1.0 - u0))
    }
}

/// What a place `x` on the bands adds to R, Ω; nothing when it lies before them.
#[inline]
#[must_use]
pub fn place_resistance(x: f64) -> Ohms {
    if x > 0.0 { R_FREE + R_SPAN * x } else { 0.0 }
}

/// The occupancy below which a request of `voltage` flows, when nothing but occupancy resists it.
#[must_use]
pub fn occupancy_bearable(voltage: Volts, base_resistance: Ohms, u0: f64) -> f64 {
    let x = (voltage - base_resistance - R_FREE) / R_SPAN;
    u0 + (1.0 - u0) * x
}
