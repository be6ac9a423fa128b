//! The tick of the closed loop: pressure, momentum and R move as in the open loop's, but stress is no trauma.

use super::{
    math::larger,
    mode::Mode,
    momentum::momentum,
    params::RouteParams,
    peers::Blend,
    pressure::{self, Sample},
    resistance::{bootstrap_resistance, resistance},
    scar,
    tick::{RouteState, Tick},
};
use crate::units::Millis;

impl RouteState {
    /// One tick of the closed loop, where limit and breaker decide on overload and failure: pressure, momentum and R move as
    /// in [`RouteState::tick`], but stress is no trauma and `mode` is given. A NaN in the sample means that there was nothing
    /// to measure.
    pub fn tick_closed_loop(
        &mut self,
        peers: Option<&Blend>,
        params: &RouteParams,
        sample: &Sample,
        mode: Mode,
        now_ms: Millis,
    ) -> Tick {
        let delta_t_ms = larger(now_ms - self.last_updated_ms, 0.0);
        let reading = pressure::read(sample, self.pressure, params, -params.decay_per_ms * delta_t_ms);
        let mode_before = std::mem::replace(&mut self.mode, mode);
        self.ticks = self.ticks.saturating_add(1);
        self.momentum = momentum(reading.pressure, self.pressure, delta_t_ms);
        self.scar = scar::settle(self.scar * reading.exp);
        let scar = self.blended_scar(peers);
        self.resistance = match mode {
            Mode::Bootstrap => bootstrap_resistance(params),
            _ => resistance(reading.pressure, self.momentum, scar, params),
        };
        self.previous_pressure = self.pressure;
        self.pressure = reading.pressure;
        self.last_updated_ms = larger(now_ms, self.last_updated_ms);
        Tick { mode_before, delta_t_ms, rejected: false }
    }
}
