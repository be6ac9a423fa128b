//! The tick over columns: four routes a vector, in place of four functions of one route.
//!
//! The laws are those of [`super::tick`], one operation for one, so that a route ticks to the same bits here and there. What is rare
//! stays there: a route in BOOTSTRAP, or in its first tick after it, one that other nodes report of, a law without a tuner.

use super::{
    math::{exp_in, tanh_in},
    params::{RouteParams, TunerParams},
};
use crate::{
    simd::{LANES, Lanes},
    units::{EPSILON, MAX_RESISTANCE},
};

/// Three numbers of four routes each.
type Vector3<L> = [L; 3];

/// ‖v‖ of four routes.
#[inline(always)]
pub fn magnitude_in<L: Lanes>(v: Vector3<L>) -> L {
    v[0].mul(v[0]).add(v[1].mul(v[1])).add(v[2].mul(v[2])).sqrt()
}

/// S of four routes, as [`super::scar::settle`].
#[inline(always)]
pub fn settle_in<L: Lanes>(scar: L) -> L {
    scar.smaller(L::splat(MAX_RESISTANCE)).and_not(L::splat(EPSILON).gt(scar))
}

/// The parameters in all lanes.
#[derive(Debug, Clone, Copy)]
pub struct Law<L> {
    base: L,
    decay: L,
    scar_factor: L,
    damping: L,
    critical: L,
    critical_squared: L,
    baselines: Vector3<L>,
    gains: Vector3<L>,
    weights: Vector3<L>,
    alpha: L,
    sensitivity: L,
    min_floor: L,
    hard_ceiling: L,
    recovery_multiplier: L,
    half_floor: L,
    static_break: L,
}

impl<L: Lanes> Law<L> {
    /// The parameters, and those of their tuner, in all lanes.
    #[inline(always)]
    pub fn new(params: &RouteParams, tuner: &TunerParams) -> Self {
        Self {
            base: L::splat(params.base_resistance),
            decay: L::splat(-params.decay_per_ms),
            scar_factor: L::splat(params.scar_factor),
            damping: L::splat(params.damping_factor),
            critical: L::splat(params.critical_pressure),
            critical_squared: L::splat(params.critical_pressure * params.critical_pressure),
            baselines: params.baselines.map(L::splat),
            gains: params.gains.map(L::splat),
            weights: params.weights.map(L::splat),
            alpha: L::splat(tuner.alpha),
            sensitivity: L::splat(tuner.sensitivity),
            min_floor: L::splat(tuner.min_floor),
            hard_ceiling: L::splat(tuner.hard_ceiling),
            recovery_multiplier: L::splat(tuner.recovery_multiplier),
            half_floor: L::splat(tuner.min_floor * 0.5),
            static_break: L::splat(params.base_resistance * params.break_multiplier),
        }
    }

    /// e^(−λΔt)
    #[inline(always)]
    pub fn decay(&self, delta_t_ms: L) -> L {
        exp_in(self.decay.mul(delta_t_ms))
    }

    /// P of readings, and the mask of those with noise; `last` is P before.
    #[inline(always)]
    fn pressure(&self, sample: Vector3<L>, last: Vector3<L>) -> (Vector3<L>, L) {
        let (zero, most, one) = (L::splat(0.0), L::splat(f64::MAX), L::splat(1.0));
        let x = [sample[0], sample[1].smaller(one), sample[2].smaller(one)];
        let mut usual = L::splat(f64::from_bits(u64::MAX));
        let mut pressure = last;
        for i in 0..3 {
            let is_usual = sample[i].ge(zero).and(most.ge(sample[i]));
            let strain = x[i].sub(self.baselines[i]).mul(self.gains[i]);
            pressure[i] = is_usual.select(tanh_in(strain), last[i]);
            usual = usual.and(is_usual);
        }
        (pressure, usual)
    }

    /// R, as [`super::resistance::resistance`].
    #[inline(always)]
    pub fn resistance(&self, pressure: Vector3<L>, momentum: L, scar: L) -> L {
        let w = self.weights;
        let strain = pressure[0].mul(w[0]).add(pressure[1].mul(w[1])).add(pressure[2].mul(w[2]));
        let total = self.base.add(strain).add(self.damping.mul(momentum)).add(scar);
        total.larger(self.base).smaller(L::splat(MAX_RESISTANCE))
    }

    /// S, as [`super::scar::scar`].
    #[inline(always)]
    fn scar(&self, scar: L, decay: L, pressure: Vector3<L>) -> L {
        let zero = L::splat(0.0);
        let stress = pressure.map(|p| p.larger(zero));
        let squared = stress[0].mul(stress[0]).add(stress[1].mul(stress[1])).add(stress[2].mul(stress[2]));
        let trauma = squared.gt(self.critical_squared).and(self.scar_factor);
        settle_in(scar.mul(decay).add(trauma))
    }
}

/// Four routes before a tick, and their readings.
#[derive(Debug, Clone, Copy)]
pub struct Before<L> {
    /// P.
    pub pressure: Vector3<L>,
    /// S.
    pub scar: L,
    /// μ and σ² of R.
    pub mean: L,
    /// See `mean`.
    pub variance: L,
    /// The mask of those whose breaker is open.
    pub is_open: L,
    /// The mask of those whose tuner is warm after this tick.
    pub is_warm: L,
    /// Δt, ms.
    pub delta_t_ms: L,
    /// e^(−λΔt)
    pub decay: L,
    /// The readings: latency, error rate, saturation.
    pub sample: Vector3<L>,
}

/// Four routes after it.
#[derive(Debug, Clone, Copy)]
pub struct After<L> {
    /// P.
    pub pressure: Vector3<L>,
    /// M.
    pub momentum: L,
    /// S.
    pub scar: L,
    /// R.
    pub resistance: L,
    /// μ and σ² of R.
    pub mean: L,
    /// See `mean`.
    pub variance: L,
    /// The mask of those whose breaker is open.
    pub is_open: L,
    /// The mask of those whose reading had no noise.
    pub usual: L,
}

/// One tick of four routes, none of them in BOOTSTRAP, whose tuners have seen an R before.
#[inline(always)]
pub fn tick_in<L: Lanes>(law: &Law<L>, before: &Before<L>) -> After<L> {
    let zero = L::splat(0.0);
    let last = before.pressure;
    let (pressure, usual) = law.pressure(before.sample, last);
    let delta = [pressure[0].sub(last[0]), pressure[1].sub(last[1]), pressure[2].sub(last[2])];
    let moved = magnitude_in(delta).div(before.delta_t_ms).smaller(L::splat(f64::MAX));
    let momentum = before.delta_t_ms.gt(zero).and(moved);
    let scar = law.scar(before.scar, before.decay, pressure);
    let resistance = law.resistance(pressure, momentum, scar);

    let off = resistance.sub(before.mean);
    let spread = before.variance.add(law.alpha.mul(off).mul(off));
    let mean = before.mean.add(law.alpha.mul(off));
    let variance = L::splat(1.0).sub(law.alpha).mul(spread);

    let normal = mean.add(law.sensitivity.mul(variance.larger(zero).sqrt()));
    let bounded = normal.smaller(law.hard_ceiling).larger(law.min_floor);
    let break_point = before.is_warm.select(bounded, law.static_break);
    let recovery_point = break_point.mul(law.recovery_multiplier).larger(law.half_floor);
    let is_calm = law.scar_factor.gt(scar).and(law.critical.gt(magnitude_in(pressure)));
    let recovers = is_calm.or(recovery_point.gt(resistance));
    let breaks = resistance.ge(break_point).and_not(before.is_warm.and(law.min_floor.gt(resistance)));
    let all = L::splat(f64::from_bits(u64::MAX));
    let is_open = before.is_open.select(all.and_not(recovers), breaks);
    After { pressure, momentum, scar, resistance, mean, variance, is_open, usual }
}

/// All bits where `holds`, none where not: a lane of a mask.
#[inline(always)]
#[must_use]
pub fn mask_of(holds: bool) -> f64 {
    f64::from_bits(if holds { u64::MAX } else { 0 })
}

/// The four numbers of a column from `at` on.
///
/// # Panics
///
/// Panics where there are fewer.
#[inline(always)]
#[must_use]
pub fn load<L: Lanes>(column: &[f64], at: usize) -> L {
    L::from_array(*column[at..].first_chunk::<LANES>().expect("a column ends with whole vectors"))
}

/// Overwrites the four numbers of a column from `at` on.
///
/// # Panics
///
/// Panics where there are fewer.
#[inline(always)]
pub fn store<L: Lanes>(column: &mut [f64], at: usize, lanes: L) {
    *column[at..].first_chunk_mut::<LANES>().expect("a column ends with whole vectors") = lanes.to_array();
}
