//! Retry-after: the time until S has decayed so far that a voltage would flow.
//!
//! ```text
//! X  = max(R_base, R_base + P·W), momentum gone; R_base alone when V ≤ X: the pressure must go too
//! S* = V − X; with the breaker open also S* ≤ max(recovery point − X, σ if ‖P‖ < P_crit)
//! t  = ln(S/S*)/λ, at least minDeltaT, rounded up to whole ms
//! ```
//!
//! There is none when decay alone will not do: V ≤ R_base, λ = 0, or a breaker that pressure holds open.

use super::{magnitude, math, mode::Mode, params::RouteParams, resistance::strain, tick::RouteState, tuner};
use crate::units::{Millis, Ohms, Volts};

/// ms until a request of `voltage` would flow past a scar of `scar` Ω, the others' part included, if decay alone can do it.
///
/// ```
/// use atrion::physics::{mode::Mode, params::RouteParams, retry::retry_after_ms, tick::RouteState};
///
/// let params = RouteParams::default();
/// let state = RouteState { mode: Mode::Operational, scar: 40.0, ..RouteState::new(0, &params, 0.0) };
/// // 30 V flow once S is down to 20 Ω: after one half-life, ln 2 / λ.
/// assert_eq!(retry_after_ms(&state, state.scar, 30.0, &params), Some(6932.0));
/// assert_eq!(retry_after_ms(&state, state.scar, 10.0, &params), None, "10 V never flow past R_base");
/// ```
#[must_use]
pub fn retry_after_ms(state: &RouteState, scar: Ohms, voltage: Volts, params: &RouteParams) -> Option<Millis> {
    let strained = params.base_resistance + strain(state.pressure, params).max(0.0);
    let x = if voltage > strained { strained } else { params.base_resistance };
    let mut bearable = voltage - x;
    if state.mode == Mode::CircuitBreaker {
        let calm = magnitude(state.pressure) < params.critical_pressure;
        let closing = tuner::recovery_point(params, state.break_point(params)) - x;
        bearable = bearable.min(closing.max(if calm { params.scar_factor } else { 0.0 }));
    }
    if bearable.is_nan() || bearable <= 0.0 || params.decay_per_ms <= 0.0 {
        return None;
    }
    let decay_ms = if scar > bearable { math::ln(scar / bearable) / params.decay_per_ms } else { 0.0 };
    Some(decay_ms.max(params.min_delta_t_ms).ceil())
}
