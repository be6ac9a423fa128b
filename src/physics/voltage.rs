//! Voltage: how hard a request pushes, and how much resistance a full route puts up.
//!
//! ```text
//! V = low + (high − low)·level         level in [0, 1): the key's place inside its tier's band
//! x = (n − A)/(B − A)                  n in flight; A: where shedding starts; B: the route is full (`limit`)
//!     from 1 to the top band's end     as n goes from B to C, as far as the top tier reaches
//! R_occupancy = R_free·(n/A)⁴          below A: felt, sheds nothing
//!             = R_free + R_span·x      above: the bands stop one after the other, lowest first
//! ```
//!
//! This is trunk reservation, the optimum for prioritised loss systems (Miller, "A queueing reward system with several
//! customer classes", 1969), with the steps between classes smoothed into ramps: a band sheds gradually as occupancy
//! rises through it, none starves before the one below it is shed, and the top band reaches past the limit.

use crate::units::{Ohms, Volts};

/// Priority classes, lowest first.
///
/// ```
/// use atrion::physics::voltage::Tier;
///
/// assert_eq!(Tier::from_index(4), Some(Tier::Critical));
/// let volts = Tier::High.voltage(0.5, 10.0);
/// assert_eq!(Tier::of_voltage(volts, 10.0), Tier::High);
/// assert!(volts < Tier::Critical.voltage(0.0, 10.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tier {
    /// Work that may wait for the night.
    Bulk = 0,
    /// Nice to have.
    Low = 1,
    /// The tier of a request that names none.
    Normal = 2,
    /// Users are waiting.
    High = 3,
    /// Must not fail.
    Critical = 4,
}

/// The number of tiers.
pub const TIERS: usize = 5;

/// Occupancy's resistance where it starts to shed, Ω: above what pressure and momentum alone can add up to, so that an
/// idle route with a bad mood sheds nobody.
pub const R_FREE: Ohms = 20.0;
/// Ω from there to the limit.
pub const R_SPAN: Ohms = 170.0;

/// Bands of the tiers on the ramp, in x: 0 is where shedding starts, 1 the limit. Normal is the widest, because
/// most requests are; critical starts to be shed only past the limit.
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

/// Work in flight at which the bands of the tiers stop.
///
/// ```
/// use atrion::physics::voltage::{R_FREE, R_SPAN, Thresholds, Tier};
///
/// let thresholds = Thresholds { start: 8.0, full: 16.0, top: 24.0 };
/// assert_eq!((thresholds.resistance(8.0), thresholds.resistance(16.0)), (R_FREE, R_FREE + R_SPAN));
/// let bulk = thresholds.bearable(Tier::Bulk.voltage(0.99, 10.0), 10.0);
/// let critical = thresholds.bearable(Tier::Critical.voltage(0.0, 10.0), 10.0);
/// assert!(bulk < 16.0 && critical > 16.0, "bulk is shed first, critical last");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Shedding starts: x = 0.
    pub start: f64,
    /// The route is full: x = 1.
    pub full: f64,
    /// As far as the top tier reaches: x is where its band ends.
    pub top: f64,
}

/// The beginning and the end of the top tier's band.
const TOP_BAND: (f64, f64) = BANDS[TIERS - 1];
/// The top tier's reach beyond the limit is divided so that its band begins this far along it.
const TOP_BEGINS: f64 = 0.85;

impl Thresholds {
    /// The thresholds of a route without work in flight, which reaches none.
    pub const IDLE: Self = Self { start: f64::INFINITY, full: f64::INFINITY, top: f64::INFINITY };

    /// The addition of `load` in flight to R, Ω.
    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn resistance(&self, load: f64) -> Ohms {
        if load < self.start {
            let share = load / self.start;
            return R_FREE * (share * share) * (share * share);
        }
        let x = if load < self.full {
            (load - self.start) / (self.full - self.start)
        } else if load < self.top {
            let along = (load - self.full) / (self.top - self.full);
            if along < TOP_BEGINS {
                1.0 + (TOP_BAND.0 - 1.0) * along / TOP_BEGINS
            } else {
                TOP_BAND.0 + (TOP_BAND.1 - TOP_BAND.0) * (along - TOP_BEGINS) / (1.0 - TOP_BEGINS)
            }
        } else {
            TOP_BAND.1 * load / self.top
        };
        R_FREE + R_SPAN * x
    }

    /// The work in flight below which a request of `voltage` flows, when nothing but occupancy resists it.
    #[must_use]
    pub fn bearable(&self, voltage: Volts, base_resistance: Ohms) -> f64 {
        let x = ((voltage - base_resistance - R_FREE) / R_SPAN).max(0.0);
        if x <= 1.0 {
            self.start + (self.full - self.start) * x
        } else {
            let along = if x < TOP_BAND.0 {
                TOP_BEGINS * (x - 1.0) / (TOP_BAND.0 - 1.0)
            } else {
                TOP_BEGINS + (1.0 - TOP_BEGINS) * ((x - TOP_BAND.0) / (TOP_BAND.1 - TOP_BAND.0)).min(1.0)
            };
            self.full + (self.top - self.full) * along
        }
    }
}

/// Saturation of the process below which it sheds nothing.
const PROCESS_START: f64 = 0.62;

/// The addition to R of a process that is full to the share `u`, Ω.
///
/// ```
/// use atrion::physics::voltage::{R_FREE, R_SPAN, process_resistance};
///
/// assert_eq!((process_resistance(0.0), process_resistance(1.0)), (0.0, R_FREE + R_SPAN));
/// assert!(process_resistance(0.5) < R_FREE, "half full sheds nothing");
/// ```
#[inline]
#[must_use]
pub fn process_resistance(u: f64) -> Ohms {
    if u <= 0.0 {
        0.0
    } else if u < PROCESS_START {
        Thresholds { start: PROCESS_START, full: 1.0, top: 1.0 }.resistance(u)
    } else {
        place_resistance((u - PROCESS_START) / (1.0 - PROCESS_START)).max(R_FREE)
    }
}

/// The addition to R of a place `x` on the bands, Ω; nothing when it lies before them.
///
/// ```
/// use atrion::physics::voltage::{R_FREE, R_SPAN, place_resistance};
///
/// assert_eq!((place_resistance(0.0), place_resistance(1.0)), (0.0, R_FREE + R_SPAN));
/// ```
#[inline]
#[must_use]
pub fn place_resistance(x: f64) -> Ohms {
    if x > 0.0 { R_FREE + R_SPAN * x } else { 0.0 }
}
