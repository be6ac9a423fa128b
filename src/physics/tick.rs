//! The tick: one reading moves a route's state. A pure function of (state, sample, now, parameters).
//!
//! ```text
//! BOOTSTRAP    keeps pressure and time, R = 1.2·R_base
//! tick bootstrapTicks   M = 0, S and R in full, unseen by the tuner
//! afterwards   M, S, R; the tuner observes R, the break point follows from it, then the mode
//! allow        mode ≠ CIRCUIT_BREAKER and V > R
//! ```

use super::{
    Vector,
    math::larger,
    mode::{self, Mode},
    momentum::momentum,
    params::RouteParams,
    peers::Blend,
    pressure::{self, Sample},
    resistance::{Parts, bootstrap_resistance, resistance, strain},
    scar,
    tuner::{self, Moments},
};
use crate::units::{Millis, Ohms, PerMillis, Volts};

/// An operator's override of a route's decisions.
///
/// ```
/// use atrion::physics::{
///     params::RouteParams,
///     tick::{Override, RouteState},
/// };
///
/// let state = RouteState { manual: Override::Open, ..RouteState::new(0, &RouteParams::default(), 0.0) };
/// assert!(!state.allows(1e9));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Override {
    /// None: the physics decide.
    #[default]
    None = 0,
    /// Breaker open: refuse everything.
    Open = 1,
    /// Breaker closed: admit everything.
    Closed = 2,
}

#[cfg(not(target_family = "wasm"))]
impl crate::image::Image for Override {
    fn write(&self, out: &mut Vec<u8>) {
        (*self as u8).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        [Self::None, Self::Open, Self::Closed].get(usize::from(u8::read(from)?)).copied()
    }
}

/// The state of a route: 120 bytes, so that with its place in the table it fills two cache lines.
///
/// ```
/// use atrion::physics::{mode::Mode, params::RouteParams, pressure::Sample, tick::RouteState};
///
/// let params = RouteParams::default();
/// let mut state = RouteState::new(0, &params, 0.0);
/// let calm = Sample { latency_ms: 20.0, error_rate: 0.0, saturation: 0.1 };
/// for i in 0..10 {
///     state.tick(&params, &calm, f64::from(i) * 100.0);
/// }
/// assert_eq!(state.mode, Mode::Operational);
/// assert!(state.allows(100.0) && !state.allows(state.resistance));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouteState {
    /// P.
    pub pressure: Vector,
    /// P of the tick before; meaningless in BOOTSTRAP.
    pub previous_pressure: Vector,
    /// M, 1/ms.
    pub momentum: PerMillis,
    /// R, Ω.
    pub resistance: Ohms,
    /// S, Ω.
    pub scar: Ohms,
    /// The time at which the state was last brought up to date, ms.
    pub last_updated_ms: Millis,
    /// The time at which the breaker opened, ms; in BOOTSTRAP, when it was inherited that several peers had opened theirs, or 0.
    pub recovery_started_ms: Millis,
    /// Mean and variance of R.
    pub moments: Moments,
    /// The number of R's in the moments.
    pub moments_count: u32,
    /// Ticks so far.
    pub ticks: u32,
    /// Samples with a component that was noise.
    pub rejected_samples: u32,
    /// The number of its parameters.
    pub params_id: u16,
    /// The route's mode.
    pub mode: Mode,
    /// An operator's override; ticks go on regardless.
    pub manual: Override,
}

image! { RouteState {
    pressure, previous_pressure, momentum, resistance, scar, last_updated_ms, recovery_started_ms, moments,
    moments_count, ticks, rejected_samples, params_id, mode, manual,
} }

/// The result of a tick, besides the state after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// The mode before.
    pub mode_before: Mode,
    /// Δt, ms, ≥ 0.
    pub delta_t_ms: Millis,
    /// True when a component of the sample was noise.
    pub rejected: bool,
}

impl RouteState {
    /// A route without measurements.
    #[must_use]
    pub fn new(params_id: u16, params: &RouteParams, now_ms: Millis) -> Self {
        Self {
            pressure: [0.0; 3],
            previous_pressure: [0.0; 3],
            momentum: 0.0,
            scar: 0.0,
            resistance: bootstrap_resistance(params),
            last_updated_ms: now_ms,
            recovery_started_ms: 0.0,
            moments: Moments::default(),
            moments_count: 0,
            ticks: 0,
            rejected_samples: 0,
            params_id,
            mode: Mode::Bootstrap,
            manual: Override::None,
        }
    }

    /// Returns whether a request of this voltage flows.
    #[inline]
    #[must_use]
    pub fn allows(&self, voltage: Volts) -> bool {
        match self.manual {
            Override::None => self.mode != Mode::CircuitBreaker && voltage > self.resistance,
            Override::Open => false,
            Override::Closed => true,
        }
    }

    /// R at which the breaker opens at present.
    #[must_use]
    pub fn break_point(&self, params: &RouteParams) -> Ohms {
        tuner::break_point(params, self.moments, self.moments_count)
    }

    /// S blended with the peers' reports, Ω.
    #[must_use]
    pub fn blended_scar(&self, peers: Option<&Blend>) -> Ohms {
        peers.map_or(self.scar, |blend| blend.blend(self.scar))
    }

    /// The parts of R as the state is now.
    #[inline]
    #[must_use]
    pub fn parts(&self, peers: Option<&Blend>, params: &RouteParams) -> Parts {
        let (scar, cluster) = peers.map_or((self.scar, 0.0), |blend| {
            let own = blend.keep * self.scar;
            (own, blend.blend(self.scar) - own)
        });
        Parts {
            base: params.base_resistance,
            pressure: strain(self.pressure, params),
            momentum: params.damping_factor * self.momentum,
            scar,
            cluster,
            total: self.resistance,
        }
    }

    /// One tick: `sample` was read at `now_ms`.
    #[inline]
    pub fn tick(&mut self, params: &RouteParams, sample: &Sample, now_ms: Millis) -> Tick {
        self.tick_with_peers(None, params, sample, now_ms)
    }

    /// One tick of a route whose scar has decayed already, to `decayed_ms`.
    #[inline]
    pub fn tick_decayed(&mut self, params: &RouteParams, sample: &Sample, now_ms: Millis, decayed_ms: Millis) -> Tick {
        let Sample { latency_ms, error_rate, saturation } = *sample;
        self.tick_on::<false>(&Blend::NONE, params, latency_ms, error_rate, saturation, now_ms, decayed_ms)
    }

    /// One tick of a route that peers report of.
    #[inline]
    pub fn tick_with_peers(
        &mut self,
        peers: Option<&Blend>,
        params: &RouteParams,
        sample: &Sample,
        now_ms: Millis,
    ) -> Tick {
        match peers {
            // In wasm a copy of the tick costs more than a blend with nothing does.
            None if !cfg!(target_family = "wasm") => self.tick_on::<false>(
                &Blend::NONE,
                params,
                sample.latency_ms,
                sample.error_rate,
                sample.saturation,
                now_ms,
                self.last_updated_ms,
            ),
            _ => self.tick_blended(peers.unwrap_or(&Blend::NONE), params, sample, now_ms),
        }
    }

    #[cfg_attr(not(target_family = "wasm"), cold)]
    #[cfg_attr(not(target_family = "wasm"), inline(never))]
    fn tick_blended(&mut self, blend: &Blend, params: &RouteParams, sample: &Sample, now_ms: Millis) -> Tick {
        let Sample { latency_ms, error_rate, saturation } = *sample;
        self.tick_on::<true>(blend, params, latency_ms, error_rate, saturation, now_ms, self.last_updated_ms)
    }

    /// [`RouteState::tick`] with the sample in registers. Behind a pointer it is read as a pair from where its components were
    /// just written one by one, which has to wait until those writes have left the store buffer: 2 ns of 47, crossing included.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "a sample in registers")]
    fn tick_on<const WITH_PEERS: bool>(
        &mut self,
        blend: &Blend,
        params: &RouteParams,
        latency_ms: f64,
        error_rate: f64,
        saturation: f64,
        now_ms: Millis,
        decayed_ms: Millis,
    ) -> Tick {
        let sample = &Sample { latency_ms, error_rate, saturation };
        let delta_t_ms = larger(now_ms - self.last_updated_ms, 0.0);
        let aged_ms = larger(now_ms - decayed_ms, 0.0);
        let reading = pressure::read(sample, self.pressure, params, -params.decay_per_ms * aged_ms);
        let mode_before = self.mode;
        self.ticks = self.ticks.saturating_add(1);
        self.rejected_samples = self.rejected_samples.saturating_add(u32::from(reading.rejected));

        if mode_before == Mode::Bootstrap && self.ticks < params.bootstrap_ticks {
            self.resistance = bootstrap_resistance(params);
        } else {
            self.momentum = if mode_before == Mode::Bootstrap {
                0.0
            } else {
                momentum(reading.pressure, self.pressure, delta_t_ms)
            };
            self.scar = scar::scar(self.scar, reading.exp, reading.pressure, params);
            let scar = if WITH_PEERS { blend.blend(self.scar) } else { self.scar };
            self.resistance = resistance(reading.pressure, self.momentum, scar, params);
            self.previous_pressure = self.pressure;
            // A report of one other node alone moves no breaker.
            let (judged, judged_scar) = if WITH_PEERS {
                (larger(self.resistance - blend.lone, params.base_resistance), scar - blend.lone)
            } else {
                (self.resistance, scar)
            };
            self.judge(judged, judged_scar, reading.pressure, params, larger(now_ms, self.last_updated_ms));
        }
        self.pressure = reading.pressure;
        self.last_updated_ms = larger(now_ms, self.last_updated_ms);
        Tick { mode_before, delta_t_ms, rejected: reading.rejected }
    }

    /// The tuner observes R, then the mode follows.
    #[inline]
    fn judge(&mut self, resistance: Ohms, scar: Ohms, pressure: Vector, params: &RouteParams, now_ms: Millis) {
        if self.mode == Mode::Bootstrap {
            self.mode = Mode::Operational;
            return;
        }
        if let Some(tuner) = &params.tuner {
            self.moments = tuner::observe(self.moments, self.moments_count, resistance, tuner);
            self.moments_count = self.moments_count.saturating_add(1);
        }
        let next = match self.mode {
            Mode::CircuitBreaker => mode::recover(resistance, scar, pressure, self.break_point(params), params),
            _ if tuner::breaks(params, self.moments, self.moments_count, resistance) => Mode::CircuitBreaker,
            _ => Mode::Operational,
        };
        if next == Mode::CircuitBreaker && self.mode != next {
            self.recovery_started_ms = now_ms;
        }
        self.mode = next;
    }

    /// Adds trauma from outside the telemetry, as of a failed lease: S decays to `now_ms`, grows by `ohms`, and R follows.
    pub fn traumatise(&mut self, peers: Option<&Blend>, params: &RouteParams, ohms: Ohms, now_ms: Millis) {
        let delta_t_ms = (now_ms - self.last_updated_ms).max(0.0);
        let decay = super::math::exp(-params.decay_per_ms * delta_t_ms);
        self.scar = scar::settle(self.scar * decay + ohms.max(0.0));
        self.last_updated_ms = self.last_updated_ms.max(now_ms);
        self.follow_peers(peers, params);
    }

    /// Recomputes R from what peers report, without a tick.
    pub fn follow_peers(&mut self, peers: Option<&Blend>, params: &RouteParams) {
        if self.mode != Mode::Bootstrap {
            self.resist(self.blended_scar(peers), params);
        }
    }

    /// Recomputes R without a tick: one copy of the formula, since in wasm each one counts.
    #[inline(never)]
    fn resist(&mut self, scar: Ohms, params: &RouteParams) {
        self.resistance = resistance(self.pressure, self.momentum, scar, params);
    }

    /// Inherits what was stored of a route without measurements here: its scar, its ticks, so that it leaves BOOTSTRAP as soon as it
    /// is measured if it had left it before, and whether several nodes had opened its breaker. False when it was measured here.
    pub fn inherit(&mut self, params: &RouteParams, scar: Ohms, closed: bool, ticks: u32, now_ms: Millis) -> bool {
        if self.ticks > 0 {
            return false;
        }
        self.scar = scar::settle(scar.max(0.0));
        self.ticks = ticks.min(params.bootstrap_ticks.saturating_sub(1));
        self.recovery_started_ms = if closed { now_ms.max(f64::MIN_POSITIVE) } else { 0.0 };
        self.last_updated_ms = self.last_updated_ms.max(now_ms);
        if self.scar > 0.0 {
            self.resist(self.scar, params);
        }
        true
    }
}
