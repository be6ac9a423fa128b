//! A handle's view of its peers: which routes were used, what other nodes report of them, what was inherited from a store.

use super::{
    Handle,
    engine_ref::{At, EngineRef},
    ids::Slot,
    limiter::Limiter,
    routes::Table,
};
use crate::{
    physics::{
        math,
        params::RouteParams,
        peers::{Blend, inherited_alone},
        tick::RouteState,
    },
    sync::Mutex,
    units::{EPSILON, Millis, Ohms},
};

impl Handle {
    /// The next route that was used since the last call, the least recently used first; at first every route.
    pub fn next_dirty(&mut self) -> Option<Slot> {
        match &mut self.engine_ref {
            EngineRef::Owned(engine, _) => Mutex::get_mut(&mut engine.table).next_dirty(),
            #[cfg(not(target_family = "wasm"))]
            EngineRef::Shared(view) => Self::next_dirty_shared(view),
        }
    }

    /// Sets what peers report of a route; R follows at once. Does nothing when there is no route in the slot.
    pub fn set_blend(&mut self, slot: Slot, blend: Blend) {
        let At { mut table, slot, params, .. } = self.engine_ref.at(slot);
        self.params.refresh(params);
        if table.holds(slot) {
            table.peer_part_mut(slot).blend = blend;
            let state = table.state(slot);
            state.follow_peers(Some(&blend), self.params.get(state.params_id));
        }
    }

    /// Inherits a stored scar, Ω, known after `ticks` ticks: with weight `gamma`, [0, 1], where peers stored it, or in full where
    /// there is none. The route becomes the least recently used. False when there is no route in the slot, or it was measured here
    /// already.
    ///
    /// ```
    /// use atrion::engine::{Handle, Limits};
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// let slot = handle.intern("GET /orders".into(), 0.0);
    /// assert!(handle.inherit(slot, 40.0, 50, Some(0.3), 0.0));
    /// // One node alone counts for at most γ·R_base·breakMultiplier.
    /// assert_eq!(handle.state(slot).map(|state| state.scar), Some(30.0));
    /// handle.return_inherited(slot);
    /// assert_eq!(handle.state(slot).map(|state| state.scar), Some(0.0));
    /// ```
    pub fn inherit(&mut self, slot: Slot, scar: Ohms, ticks: u32, gamma: Option<f64>, now_ms: Millis) -> bool {
        let At { mut table, slot, params, .. } = self.engine_ref.at(slot);
        self.params.refresh(params);
        if !table.holds(slot) {
            return false;
        }
        let params = self.params.get(table.state(slot).params_id);
        let taken = gamma.map_or(scar, |gamma| inherited_alone(scar, gamma, params));
        let past = Past { scar: taken, is_of_peers: gamma.is_some(), closed: false, ticks };
        past.inherit(&mut table, slot, params, now_ms)
    }

    /// Removes what was inherited of peers from a route's scar: they report it themselves from now on.
    pub fn return_inherited(&mut self, slot: Slot) {
        let At { mut table, slot, params, .. } = self.engine_ref.at(slot);
        self.params.refresh(params);
        if table.holds(slot) {
            let params = self.params.get(table.state(slot).params_id);
            return_inherited(&mut table, slot, params);
        }
    }

    /// The state of a route; what peers add to its scar, Ω, negative where they lower it; and the scar that this node reports of
    /// it, Ω: by its own measurements, its breaker included.
    #[must_use]
    pub fn reported_state(&self, slot: Slot) -> Option<(RouteState, Ohms, Ohms)> {
        let (mut table, slot) = self.engine().lock(slot);
        if !table.holds(slot) {
            return None;
        }
        let state = *table.state(slot);
        let added = state.blended_scar(table.peer_part(slot).map(|part| &part.blend)) - state.scar;
        Some((state, added, reported_scar(table.limiter_of(slot), &state)))
    }
}

/// The stored past of a route, as this node takes it over.
pub(super) struct Past {
    /// The inherited scar, Ω.
    pub scar: Ohms,
    /// True when peers measured it, who report it themselves sooner or later.
    pub is_of_peers: bool,
    /// True when several nodes had opened the route's breaker.
    pub closed: bool,
    /// Ticks until then.
    pub ticks: u32,
}

impl Past {
    /// Inherits it for the route in that slot, which must hold one, and makes it the least recently used: it was loaded, not used.
    /// False when it was measured here already.
    pub fn inherit(&self, table: &mut Table, slot: Slot, params: &RouteParams, now_ms: Millis) -> bool {
        if !table.state(slot).inherit(params, self.scar, self.closed, self.ticks, now_ms) {
            return false;
        }
        table.demote(slot);
        if self.is_of_peers && self.scar > 0.0 {
            let part = table.peer_part_mut(slot);
            (part.inherited, part.inherited_at_ms) = (self.scar, now_ms);
        }
        true
    }
}

/// Removes the inherited part of S, decayed since, once peers report it themselves; the slot must hold a route.
pub(super) fn return_inherited(table: &mut Table, slot: Slot, params: &RouteParams) {
    let Some(part) = table.peer_part(slot) else { return };
    let (inherited, at_ms) = (part.inherited, part.inherited_at_ms);
    if inherited > 0.0 {
        table.peer_part_mut(slot).inherited = 0.0;
        let state = table.state(slot);
        let elapsed_ms = math::larger(state.last_updated_ms - at_ms, 0.0);
        let own = state.scar - inherited * math::exp(-params.decay_per_ms * elapsed_ms);
        state.scar = if own > EPSILON { own } else { 0.0 };
    }
}

/// The scar that this node reports of a route, Ω: by its own measurements, its breaker included.
pub(super) fn reported_scar(limiter: Option<&Limiter>, state: &RouteState) -> Ohms {
    limiter.map_or(state.scar, |limiter| limiter.reported_scar(state))
}
