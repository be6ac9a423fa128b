//! The parameters of a route, precomputed for the hot path.

use super::{Vector, limit::LimitLaw, voltage::TIERS};
use crate::units::{Millis, Ohms};

/// Lanes of a route: classes of keys that a share of its limit is reserved for.
pub const LANES: usize = 3;
/// Shares that can be reserved: of the tiers, bulk to critical, then of the lanes.
pub const RESERVES: usize = TIERS + LANES;

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
    /// Shares of the limit that are reserved: for the tiers, bulk to critical, then for the lanes, [0, 1] each.
    pub reserve: [f32; RESERVES],
    /// None: the break point is static.
    pub tuner: Option<TunerParams>,
}

impl RouteParams {
    /// All zero: room for parameters that are written next.
    pub const ZERO: Self = Self {
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
        reserve: [0.0; RESERVES],
        tuner: None,
    };

    /// Returns whether any tier or lane has a reserve.
    #[inline]
    #[must_use]
    pub fn reserves(&self) -> bool {
        // All of their bits at once, without a branch for each: a share is 0 or more, and 0 has none.
        self.reserve.iter().fold(0, |bits, share| bits | share.to_bits()) != 0
    }
}

impl Default for RouteParams {
    /// The defaults of the package: profile STANDARD, default SLO, tuner on.
    fn default() -> Self {
        Self {
            base_resistance: 10.0,
            decay_per_ms: 0.1 / 1e3,
            scar_factor: 5.0,
            damping_factor: 20.0,
            critical_pressure: 0.7,
            break_multiplier: 10.0,
            bootstrap_ticks: 10,
            min_delta_t_ms: 100.0,
            baselines: [100.0, 0.01, 0.5],
            gains: [1.0 / 100.0, 1.0 / 0.01, 1.0 / 0.5],
            // ln(1 + criticality) of 5, 8 and 3.
            weights: [1.791_759_469_228_055, 2.197_224_577_336_219_6, 1.386_294_361_119_890_6],
            limit: LimitLaw { deadline_ms: 500.0, min: 1.0, max: 100_000.0, initial: 512.0 },
            max_duration_ms: 30_000.0,
            pool: 0,
            reserve: [0.0; RESERVES],
            tuner: Some(TunerParams {
                alpha: 2.0 / 101.0,
                sensitivity: 3.0,
                min_floor: 30.0,
                hard_ceiling: 500.0,
                warmup_ticks: 50,
                recovery_multiplier: 0.5,
            }),
        }
    }
}
