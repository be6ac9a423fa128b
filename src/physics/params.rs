//! The parameters of a route, precomputed for the hot path.

use super::{Vector, limit::LimitLaw, voltage::TIERS};
use crate::units::{Millis, Ohms};

/// The parameters of the tuner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TunerParams {
    /// α = 2/(N + 1) of the window N, (0, 1].
    pub alpha: f64,
    /// k: σs above μ at which the breaker opens.
    pub sensitivity: f64,
    /// The break point is never below this, Ω.
    pub min_floor: Ohms,
    /// The break point is never above this, Ω.
    pub hard_ceiling: Ohms,
    /// R's seen before the moments count.
    pub warmup_ticks: u32,
    /// Recovery point ÷ break point.
    pub recovery_multiplier: f64,
}

/// The parameters of a route: what a decision depends on besides its state.
///
/// ```
/// use atrion::physics::params::RouteParams;
///
/// let params = RouteParams { base_resistance: 20.0, ..RouteParams::default() };
/// assert!(!params.reserves());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouteParams {
    /// R_base, Ω.
    pub base_resistance: Ohms,
    /// λ, 1/ms.
    pub decay_per_ms: f64,
    /// σ, Ω a trauma, the profile's multiplier included.
    pub scar_factor: Ohms,
    /// Ω per unit of momentum, Ω·ms.
    pub damping_factor: f64,
    /// P_crit: stress above it is trauma.
    pub critical_pressure: f64,
    /// Static break point ÷ R_base.
    pub break_multiplier: f64,
    /// The tick that turns OPERATIONAL.
    pub bootstrap_ticks: u32,
    /// Shortest time between closed-loop ticks, ms.
    pub min_delta_t_ms: Millis,
    /// b: the expected latency (ms), error rate and saturation.
    pub baselines: Vector,
    /// k/b of the pressure's tanh; 0 where b ≤ 0.
    pub gains: Vector,
    /// W: Ω per unit of pressure.
    pub weights: Vector,
    /// The deadline, and the bounds of the limit.
    pub limit: LimitLaw,
    /// The time after which a permit that was not released is reclaimed, ms.
    pub max_duration_ms: Millis,
    /// The routes with the same number share one limit; 0: the route has its own.
    pub pool: u64,
    /// Shares of the limit that are reserved for the tiers, bulk to critical.
    pub reserve: [f32; TIERS],
    /// None: the break point is static.
    pub tuner: Option<TunerParams>,
}

impl RouteParams {
    /// Whether any tier has a reserve.
    #[inline]
    #[must_use]
    pub fn reserves(&self) -> bool {
        self.reserve.iter().any(|&share| share > 0.0)
    }

    /// The number of cells that [`RouteParams::from_cells`] takes.
    pub const CELLS: usize = 36;

    /// Parameters from cells, in the order of `LAW` in `ts/engine/port.ts`; missing cells are 0.
    #[must_use]
    pub fn from_cells(cells: &[f64]) -> Self {
        let mut all = [0.0; Self::CELLS];
        for (cell, &given) in all.iter_mut().zip(cells) {
            *cell = given;
        }
        Self::from_all_cells(&all)
    }

    /// Parameters from all cells: of an array, so that no index into it needs a check.
    #[must_use]
    pub fn from_all_cells(cells: &[f64; Self::CELLS]) -> Self {
        let c = |i: usize| cells[i];
        let gain = |i: usize| if c(i) > 0.0 { c(8) / c(i) } else { 0.0 };
        let mut params = Self::NONE;
        // One after the other: a literal would read all cells before it writes the first.
        params.base_resistance = c(0);
        params.decay_per_ms = c(1) / 1e3;
        params.scar_factor = c(2);
        params.damping_factor = c(3);
        params.critical_pressure = c(4);
        params.break_multiplier = c(5);
        params.bootstrap_ticks = c(6) as u32;
        params.min_delta_t_ms = c(7);
        for i in 0..3 {
            params.baselines[i] = c(9 + i);
            params.gains[i] = gain(9 + i);
            params.weights[i] = c(12 + i);
        }
        params.limit.deadline_ms = c(15);
        params.limit.min = c(24);
        params.limit.max = c(25);
        params.limit.initial = c(26);
        params.max_duration_ms = c(23);
        params.pool = c(27) as u64;
        for (i, reserve) in params.reserve.iter_mut().enumerate() {
            *reserve = c(28 + i) as f32;
        }
        params.tuner = (c(16) != 0.0).then(|| TunerParams {
            alpha: 2.0 / (c(17) + 1.0),
            sensitivity: c(18),
            min_floor: c(19),
            hard_ceiling: c(20),
            warmup_ticks: c(21) as u32,
            recovery_multiplier: c(22),
        });
        params
    }

    /// All zero.
    const NONE: Self = Self {
        base_resistance: 0.0,
        decay_per_ms: 0.0,
        scar_factor: 0.0,
        damping_factor: 0.0,
        critical_pressure: 0.0,
        break_multiplier: 0.0,
        bootstrap_ticks: 0,
        min_delta_t_ms: 0.0,
        baselines: [0.0; 3],
        gains: [0.0; 3],
        weights: [0.0; 3],
        limit: LimitLaw { deadline_ms: 0.0, min: 0.0, max: 0.0, initial: 0.0 },
        max_duration_ms: 0.0,
        pool: 0,
        reserve: [0.0; TIERS],
        tuner: None,
    };
}

impl Default for RouteParams {
    /// The defaults of the package: profile STANDARD, default SLO, tuner on.
    fn default() -> Self {
        #[rustfmt::skip]
        let cells = [
            10.0, 0.1, 5.0, 20.0, 0.7, 10.0, 10.0, 100.0, 1.0, // physics
            100.0, 0.01, 0.5, // baselines
            1.791_759_469_228_055, 2.197_224_577_336_219_6, 1.386_294_361_119_890_6, // ln(1 + criticality) of 5, 8, 3
            500.0, // deadline
            1.0, 100.0, 3.0, 30.0, 500.0, 50.0, 0.5, // tuner
            30_000.0, 1.0, 100_000.0, 512.0, // longest permit, limits
            0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, // no pool, nothing reserved
        ];
        Self::from_all_cells(&cells)
    }
}
