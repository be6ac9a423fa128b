//! A handle's open loop: ticks by samples of telemetry, and decisions on them.

use super::{Handle, engine_ref::At, ids::Slot, limiter::Cause, params::ParamsCache, routes::Table};
use crate::{
    physics::{
        mode::Mode,
        peers::Blend,
        pressure::Sample,
        resistance::Parts,
        retry::retry_after_ms,
        tick::{Override, RouteState, Tick},
    },
    units::{Millis, Ohms, Volts},
};

/// A decision of the open loop, and the tick it was made on.
///
/// ```
/// use atrion::{
///     engine::{Handle, Limits},
///     physics::pressure::Sample,
/// };
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let slot = handle.intern("GET /orders".into(), 0.0);
/// let sample = Sample { latency_ms: 20.0, error_rate: 0.0, saturation: 0.1 };
/// let mut decided = None;
/// handle.route(slot, &sample, 100.0, None, 0.0, |decision, _, _| decided = Some(*decision));
/// let decision = decided.expect("the route is there");
/// assert!(decision.allow && decision.retry_after_ms.is_none());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// True when the request flows.
    pub allow: bool,
    /// The delay until it would, ms, when it does not and decay alone suffices.
    pub retry_after_ms: Option<Millis>,
    /// The obstacle and the parts of R, when it does not.
    pub refusal: Option<(Cause, Parts)>,
    /// The tick.
    pub tick: Tick,
}

/// The result of one row of a batch.
///
/// ```
/// use atrion::{
///     engine::{Handle, Limits},
///     physics::{mode::Mode, pressure::Sample},
/// };
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let slot = handle.intern("GET /orders".into(), 0.0);
/// let noise = Sample { latency_ms: f64::NAN, error_rate: 0.0, saturation: 0.0 };
/// let row = handle.tick(slot, &noise, 0.0).expect("the route is there");
/// assert!(row.first_rejected && row.mode == Mode::Bootstrap);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// R after the tick, Ω.
    pub resistance: Ohms,
    /// Mode after the tick.
    pub mode: Mode,
    /// The tick.
    pub tick: Tick,
    /// True when the sample was the route's first with a component that was noise.
    pub first_rejected: bool,
}

impl Handle {
    /// One tick of the open loop, decided for `voltage`; `report` receives it, the state it left, and what others share in that. `params_id`
    /// governs this call instead of the route's own. None when the slot can't be trusted: the route was evicted, intern it again.
    #[inline]
    pub fn route(
        &mut self,
        slot: Slot,
        sample: &Sample,
        voltage: Volts,
        params_id: Option<u16>,
        now_ms: Millis,
        report: impl FnOnce(&Decision, &RouteState, Option<&Blend>),
    ) -> Option<()> {
        let At { mut table, slot, seen, params } = self.engine_ref.at(slot);
        self.params.refresh(params);
        let table = &mut *table;
        if Self::see_evictions(table, seen, &mut self.unreported) {
            return None;
        }
        let (state, peers) = table.touch(slot)?;
        let params = self.params.get(params_id.unwrap_or(state.params_id));
        let tick = state.tick_with_peers(peers, params, sample, now_ms);
        let allow = state.allows(voltage);
        let retry_after_ms =
            if allow { None } else { retry_after_ms(state, state.blended_scar(peers), voltage, params) };
        let refusal = if allow { None } else { Some((cause_of(state), state.parts(peers, params))) };
        report(&Decision { allow, retry_after_ms, refusal, tick }, state, peers);
        Some(())
    }

    /// One tick of the open loop, without a decision.
    #[inline]
    pub fn tick(&mut self, slot: Slot, sample: &Sample, now_ms: Millis) -> Option<Row> {
        let At { mut table, slot, seen, params } = self.engine_ref.at(slot);
        self.params.refresh(params);
        let table = &mut *table;
        if Self::see_evictions(table, seen, &mut self.unreported) {
            return None;
        }
        tick_one(table, &self.params, slot, sample, now_ms)
    }
}

/// A tick of the route in `slot`, by itself; None where there is none.
#[inline]
pub(super) fn tick_one(
    table: &mut Table,
    params: &ParamsCache,
    slot: Slot,
    sample: &Sample,
    now_ms: Millis,
) -> Option<Row> {
    let (state, peers) = table.touch(slot)?;
    let tick = state.tick_with_peers(peers, params.get(state.params_id), sample, now_ms);
    let first_rejected = tick.rejected && state.rejected_samples == 1;
    Some(Row { resistance: state.resistance, mode: state.mode, tick, first_rejected })
}

/// The obstacle of a request of the open loop, where R is the route's health alone.
fn cause_of(state: &RouteState) -> Cause {
    match (state.manual, state.mode) {
        (Override::Open, _) => Cause::Override,
        (_, Mode::CircuitBreaker) => Cause::Breaker,
        _ => Cause::Scar,
    }
}
