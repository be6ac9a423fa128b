//! The tick: one reading moves a route's state. A pure function of (state, sample, now, law).
//!
//! ```text
//! BOOTSTRAP    keeps pressure and time, R = 1.2·R_base
//! tick bootstrapTicks   M = 0, S and R in full, unseen by the tuner
//! afterwards   M, S, R; the tuner observes R, the break point follows from it, then the mode
//! allow        mode ≠ CIRCUIT_BREAKER and V > R
//! ```

use super::{
    Vector,
    cluster::Share,
    law::Law,
    math::larger,
    mode::{self, Mode},
    momentum::momentum,
    pressure::{self, Sample},
    resistance::{bootstrap_resistance, resistance},
    scar,
    tuner::{self, Moments},
};
use crate::units::{Millis, Ohms, PerMillis, Volts};

/// What an operator has ordered for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Order {
    /// Nothing: the physics decide.
    #[default]
    None = 0,
    /// Breaker open: refuse everything.
    Open = 1,
    /// Breaker closed: admit everything.
    Closed = 2,
}

/// All that is known of a route: 120 bytes, so that with its place in the table it fills two cache lines.
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
    /// When the state was last brought up to date, ms.
    pub last_updated_ms: Millis,
    /// When the breaker opened, ms; in BOOTSTRAP, when it was inherited that several other nodes had opened theirs, or 0.
    pub recovery_started_ms: Millis,
    /// What R normally is.
    pub moments: Moments,
    /// R's that the moments are of.
    pub moments_count: u32,
    /// Ticks so far.
    pub ticks: u32,
    /// Samples with a component that was noise.
    pub rejected_samples: u32,
    /// Which law governs the route.
    pub law: u16,
    /// Its mode.
    pub mode: Mode,
    /// What an operator has ordered; ticks go on regardless.
    pub order: Order,
}

/// What happened in a tick, besides the state it left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// The mode before.
    pub mode_before: Mode,
    /// Δt, ms, ≥ 0.
    pub delta_t_ms: Millis,
    /// A component of the sample was noise.
    pub rejected: bool,
}

impl RouteState {
    /// A route nobody has measured yet.
    #[must_use]
    pub fn new(law_id: u16, law: &Law, now_ms: Millis) -> Self {
        Self {
            pressure: [0.0; 3],
            previous_pressure: [0.0; 3],
            momentum: 0.0,
            scar: 0.0,
            resistance: bootstrap_resistance(law),
            last_updated_ms: now_ms,
            recovery_started_ms: 0.0,
            moments: Moments::default(),
            moments_count: 0,
            ticks: 0,
            rejected_samples: 0,
            law: law_id,
            mode: Mode::Bootstrap,
            order: Order::None,
        }
    }

    /// Does a request of this voltage flow?
    #[inline]
    #[must_use]
    pub fn allows(&self, voltage: Volts) -> bool {
        match self.order {
            Order::None => self.mode != Mode::CircuitBreaker && voltage > self.resistance,
            Order::Open => false,
            Order::Closed => true,
        }
    }

    /// R at which the breaker opens, as things stand.
    #[must_use]
    pub fn break_point(&self, law: &Law) -> Ohms {
        tuner::break_point(law, self.moments, self.moments_count)
    }

    /// S with the others' part, Ω.
    #[must_use]
    pub fn blended_scar(&self, others: Option<&Share>) -> Ohms {
        others.map_or(self.scar, |share| share.blend(self.scar))
    }

    /// One tick: `sample` was read at `now_ms`.
    #[inline]
    pub fn tick(&mut self, law: &Law, sample: &Sample, now_ms: Millis) -> Tick {
        self.tick_among(None, law, sample, now_ms)
    }

    /// One tick of a route that other nodes speak of too.
    #[inline]
    pub fn tick_among(&mut self, others: Option<&Share>, law: &Law, sample: &Sample, now_ms: Millis) -> Tick {
        match others {
            // In wasm a copy of the tick costs more than a blend with nothing does.
            None if !cfg!(target_family = "wasm") => self.tick_on::<false>(
                &Share::NONE,
                law,
                sample.latency_ms,
                sample.error_rate,
                sample.saturation,
                now_ms,
            ),
            _ => self.tick_blended(others.unwrap_or(&Share::NONE), law, sample, now_ms),
        }
    }

    #[cfg_attr(not(target_family = "wasm"), cold)]
    #[cfg_attr(not(target_family = "wasm"), inline(never))]
    fn tick_blended(&mut self, share: &Share, law: &Law, sample: &Sample, now_ms: Millis) -> Tick {
        self.tick_on::<true>(share, law, sample.latency_ms, sample.error_rate, sample.saturation, now_ms)
    }

    /// [`RouteState::tick`] with the sample in registers. Behind a pointer it is read as a pair from where its components were
    /// just written one by one, which has to wait until those writes have left the store buffer: 2 ns of 47, crossing included.
    fn tick_on<const AMONG: bool>(
        &mut self,
        share: &Share,
        law: &Law,
        latency_ms: f64,
        error_rate: f64,
        saturation: f64,
        now_ms: Millis,
    ) -> Tick {
        let sample = &Sample { latency_ms, error_rate, saturation };
        let delta_t_ms = larger(now_ms - self.last_updated_ms, 0.0);
        let reading = pressure::read(sample, self.pressure, law, -law.decay_per_ms * delta_t_ms);
        let mode_before = self.mode;
        self.ticks = self.ticks.saturating_add(1);
        self.rejected_samples = self.rejected_samples.saturating_add(u32::from(reading.rejected));

        if mode_before == Mode::Bootstrap && self.ticks < law.bootstrap_ticks {
            self.resistance = bootstrap_resistance(law);
        } else {
            self.momentum = if mode_before == Mode::Bootstrap {
                0.0
            } else {
                momentum(reading.pressure, self.pressure, delta_t_ms)
            };
            self.scar = scar::scar(self.scar, reading.exp, reading.pressure, law);
            let scar = if AMONG { share.blend(self.scar) } else { self.scar };
            self.resistance = resistance(reading.pressure, self.momentum, scar, law);
            self.previous_pressure = self.pressure;
            // What one other node alone says moves no breaker.
            let (judged, judged_scar) = if AMONG {
                (larger(self.resistance - share.lone, law.base_resistance), scar - share.lone)
            } else {
                (self.resistance, scar)
            };
            self.judge(judged, judged_scar, reading.pressure, law, larger(now_ms, self.last_updated_ms));
        }
        self.pressure = reading.pressure;
        self.last_updated_ms = larger(now_ms, self.last_updated_ms);
        Tick { mode_before, delta_t_ms, rejected: reading.rejected }
    }

    /// The tuner sees R, then the mode follows.
    #[inline]
    fn judge(&mut self, resistance: Ohms, scar: Ohms, pressure: Vector, law: &Law, now_ms: Millis) {
        if self.mode == Mode::Bootstrap {
            self.mode = Mode::Operational;
            return;
        }
        if let Some(tuner) = &law.tuner {
            self.moments = tuner::observe(self.moments, self.moments_count, resistance, tuner);
            self.moments_count = self.moments_count.saturating_add(1);
        }
        let next = match self.mode {
            Mode::CircuitBreaker => mode::recover(resistance, scar, pressure, self.break_point(law), law),
            _ if tuner::breaks(law, self.moments, self.moments_count, resistance) => Mode::CircuitBreaker,
            _ => Mode::Operational,
        };
        if next == Mode::CircuitBreaker && self.mode != next {
            self.recovery_started_ms = now_ms;
        }
        self.mode = next;
    }

    /// One tick of the closed loop, whose own laws (limit, fault) judge overload and failure: pressure, momentum and R move as
    /// in [`RouteState::tick`], but stress is no trauma and `mode` is given. A NaN in the sample means that there was nothing
    /// to measure.
    pub fn drift(&mut self, others: Option<&Share>, law: &Law, sample: &Sample, mode: Mode, now_ms: Millis) -> Tick {
        let delta_t_ms = larger(now_ms - self.last_updated_ms, 0.0);
        let reading = pressure::read(sample, self.pressure, law, -law.decay_per_ms * delta_t_ms);
        let mode_before = std::mem::replace(&mut self.mode, mode);
        self.ticks = self.ticks.saturating_add(1);
        self.momentum = momentum(reading.pressure, self.pressure, delta_t_ms);
        self.scar = scar::settle(self.scar * reading.exp);
        let scar = self.blended_scar(others);
        self.resistance = match mode {
            Mode::Bootstrap => bootstrap_resistance(law),
            _ => resistance(reading.pressure, self.momentum, scar, law),
        };
        self.previous_pressure = self.pressure;
        self.pressure = reading.pressure;
        self.last_updated_ms = larger(now_ms, self.last_updated_ms);
        Tick { mode_before, delta_t_ms, rejected: false }
    }

    /// Trauma from outside the telemetry (a lease that failed): S decays to `now_ms`, grows by `ohms`, and R follows.
    pub fn traumatise(&mut self, others: Option<&Share>, law: &Law, ohms: Ohms, now_ms: Millis) {
        let delta_t_ms = (now_ms - self.last_updated_ms).max(0.0);
        let decay = super::math::exp(-law.decay_per_ms * delta_t_ms);
        self.scar = scar::settle(self.scar * decay + ohms.max(0.0));
        self.last_updated_ms = self.last_updated_ms.max(now_ms);
        self.listen(others, law);
    }

    /// R follows what others say, without a tick.
    pub fn listen(&mut self, others: Option<&Share>, law: &Law) {
        if self.mode != Mode::Bootstrap {
            self.resist(self.blended_scar(others), law);
        }
    }

    /// R without a tick: once, since in wasm every copy of a law counts.
    #[inline(never)]
    fn resist(&mut self, scar: Ohms, law: &Law) {
        self.resistance = resistance(self.pressure, self.momentum, scar, law);
    }

    /// Takes over what was known of a route that nobody has measured here: its scar and its youth, so that it leaves BOOTSTRAP
    /// as soon as it is measured if it had left it before; and whether several nodes had opened its breaker. Says whether it
    /// did.
    pub fn inherit(&mut self, law: &Law, scar: Ohms, closed: bool, ticks: u32, now_ms: Millis) -> bool {
        if self.ticks > 0 {
            return false;
        }
        self.scar = scar::settle(scar.max(0.0));
        self.ticks = ticks.min(law.bootstrap_ticks.saturating_sub(1));
        self.recovery_started_ms = if closed { now_ms.max(f64::MIN_POSITIVE) } else { 0.0 };
        self.last_updated_ms = self.last_updated_ms.max(now_ms);
        if self.scar > 0.0 {
            self.resist(self.scar, law);
        }
        true
    }
}
